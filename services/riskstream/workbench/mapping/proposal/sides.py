"""Amounts in two columns, as statements of accounts have them: what was debited, and what was
credited.
"""

import re
from typing import Any

from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.proposal.draft import Draft

_CREDITS = r"credit|haben|deposit|paid[ _-]?in|gutschrift|(^|[^a-z])cr([^a-z]|$)"
_SOME = 50
"""The other side has at least one row in so many."""


def other_side(seen: Seen, found: list[Seen]) -> Seen | None:
    """The column that has the amount where `seen` has none or 0, and nowhere else; None where none
    does.
    """
    mine = _amounts(seen)
    for each in found:
        theirs = _amounts(each)
        others = sum(b and not a for a, b in zip(mine, theirs, strict=True))
        both = sum(a and b for a, b in zip(mine, theirs, strict=True))
        if each is not seen and not both and others * _SOME >= seen.rows:
            return each
    return None


def take_sides(draft: Draft, seen: Seen, other: Seen, value: dict[str, Any]) -> str:
    """Add the columns up where each row has a number in both; what is doubtful of it. `value`: how
    the amount is written.
    """
    credit, debit = (seen, other) if re.search(_CREDITS, seen.name.lower()) else (other, seen)
    is_told = re.search(_CREDITS, credit.name.lower()) is not None
    if seen.filled + other.filled < 2 * seen.rows or not is_told:
        return f"rows of which the amount is in {other.name} have none so"
    del value["column"]
    value |= {
        "expression": "debit + credit",
        "names": {"debit": debit.name, "credit": credit.name},
    }
    kind: dict[str, Any] = {"expression": "credit > 0", "names": {"credit": credit.name}}
    kind |= {key: value[key] for key in ("decimal", "thousands", "symbol") if key in value}
    kind["values"] = {"true": "REFUND", "false": "PURCHASE"}
    draft.put("kind", kind, f"by {credit.name}", unsure=True)
    draft.leave(other, are_words=False)
    return f"{debit.name} and {credit.name} are two sides of an account"


def _amounts(seen: Seen) -> list[bool]:
    """Which rows have an amount that is not 0."""
    return [re.search("[1-9]", str(each)) is not None for each in seen.column.to_pylist()]
