"""Which column is the amount, and how it is written."""

import re
from typing import Any

from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.proposal.currencies import digits_said
from riskstream.workbench.mapping.proposal.draft import Draft
from riskstream.workbench.mapping.proposal.sides import other_side, take_sides
from riskstream.workbench.mapping.proposal.writings import Writing, writing_of

AMOUNTS = (
    r"amount|amt|betrag(?!s)|montant|importe|value|price|total|umsatz|gross|brutto|summe?$|somme"
)
_LIKELY = r"amount|amt|betrag|montant|importe"
_MINOR = r"minor|cent|pence|kopek"
_SOME = 10
"""More than one amount below zero in so many may be of purchases."""
_FIXED = 6
"""Digits from which on whole numbers of one length, some with zeros in front, have a point that is
not written.
"""


def propose_amount(draft: Draft) -> None:
    """The field amount_minor. Several columns of amounts are asked."""
    named = [each for each in draft.left if re.search(AMOUNTS, each.name.lower())]
    named.sort(key=_rank)
    exact = [each for each in named if each.name == "amount_minor"]
    found = [each for each in exact or named if writing_of(each)]
    if not found:
        return
    each = draft.chosen("several columns may be the amount: which is it?", found, "amount_minor")
    doubts = [] if len(found) == 1 else [f"one of {', '.join(one.name for one in found)}"]
    writing = writing_of(each, draft.further(each.name)) or writing_of(each)
    assert writing is not None
    is_minor = writing.scale == 1 and re.search(_MINOR, each.name.lower()) is not None
    value: dict[str, Any] = {"column": each.name}
    if not is_minor:
        is_minor = _is_asked_minor(draft, each, writing, doubts)
    if not is_minor:
        value["scale"] = 100
    draft.has_fractions = writing.scale != 1
    value |= _written(draft, each, writing, doubts)
    other = None if writing.below else other_side(each, found)
    if other is not None:
        doubts.append(take_sides(draft, each, other, value))
    if writing.below * 2 > writing.fit:
        _take_debits(draft, each, writing, value, doubts)
    elif writing.below:
        value["negative"] = "REFUND"
        if writing.below * _SOME > writing.fit:
            share = 100 * writing.below // writing.fit
            doubts.append(f"{share} % are below zero, taken for refunds")
    if writing.misfit:
        doubts.append(f"some values do not fit, like {writing.misfit!r}: {writing.why}")
    units = "minor units" if is_minor else "major units"
    why = "; ".join([*doubts, f"{units}, like {each.examples}"])
    only = each.name if value == {"column": each.name} else value
    draft.take(each, "amount_minor", only, why, unsure=bool(doubts))


def _rank(seen: Seen) -> int:
    """How likely a name is that of the amount."""
    name = seen.name.lower()
    if re.fullmatch(_LIKELY, name):
        return 0
    return 1 if re.search(_LIKELY, name) else 2


def _is_asked_minor(draft: Draft, seen: Seen, writing: Writing, doubts: list[str]) -> bool:
    """Whether a person says that whole numbers are of minor units: nothing shows it."""
    if writing.scale != 1:
        if re.search(_MINOR, seen.name.lower()):
            doubts.append("its name says minor units, and its values have a fraction")
        elif _are_mixed(seen):
            doubts.append("some values have two digits behind the point, and some are whole")
        return False
    if any("." in word or "," in word for word in seen.counts):
        return False
    units = ["major units", "minor units"]
    likely = reversed(units) if _are_fixed(seen) else units
    is_minor = draft.ask(f"{seen.name} has whole numbers: of which units?", [*likely]) == units[1]
    doubts.append(f"whole numbers: or of {units[0] if is_minor else units[1]}?")
    return is_minor


def _are_fixed(seen: Seen) -> bool:
    """Whether whole numbers are filled up with zeros, as fields of fixed length are."""
    sizes = {len(word) for word in seen.counts}
    is_filled = any(word.startswith("0") for word in seen.counts)
    return seen.is_text and is_filled and len(sizes) == 1 and min(sizes) >= _FIXED


def _are_mixed(seen: Seen) -> bool:
    """Whether amounts are written with two digits behind the point, but for quite a few."""
    if not seen.is_text:
        return False
    sizes = {word: re.search(r"[.,](\d+)\D*$", word) for word in seen.counts}
    parts = {len(found[1]) for found in sizes.values() if found}
    whole = sum(seen.counts[word] for word, found in sizes.items() if not found)
    return parts == {2} and whole * 20 > seen.filled


def _written(draft: Draft, seen: Seen, writing: Writing, doubts: list[str]) -> dict[str, Any]:
    """The keys that say how the numbers are written. A point with three digits behind it, and with
    nothing else in all values, may be of thousands or of a fraction.
    """
    written, is_rounded = writing.written, writing.is_rounded
    keys = {
        "decimal": written.decimal,
        "thousands": written.thousands,
        "symbol": written.symbol,
    }
    point = _open_point(seen)
    if point:
        answers = ["thousands", "a fraction"]
        question = f"{seen.name} is written like {seen.examples}: what does {point!r} stand before?"
        likely = reversed(answers) if digits_said(draft) == {3} else answers
        is_fraction = draft.ask(question, [*likely]) == answers[1]
        doubts.append(f"{point!r} may also stand before {answers[not is_fraction]}")
        other = "," if point == "." else "."
        keys["decimal"] = point if is_fraction else other
        keys["thousands"] = "" if is_fraction else point
        is_rounded = is_fraction
    is_rounded = is_rounded and digits_said(draft) != {3}
    if is_rounded:
        doubts.append("more than two digits behind the point are rounded")
    return {key: text for key, text in keys.items() if text} | (
        {"round": True} if is_rounded else {}
    )


def _open_point(seen: Seen) -> str:
    """The point or comma that is in all values as in 1.000, where it is in any; else empty."""
    if not seen.is_text:
        return ""
    bare = [re.sub(r"[^\d.,]", "", word) for word in seen.counts]
    pointed = [word for word in bare if "." in word or "," in word]
    points = {re.sub(r"\d", "", word) for word in pointed}
    is_open = all(re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", word) for word in pointed)
    return points.pop() if is_open and len(points) == 1 else ""


def _take_debits(
    draft: Draft, seen: Seen, writing: Writing, value: dict[str, Any], doubts: list[str]
) -> None:
    """Most amounts are below zero, as in accounts, where a minus takes money away."""
    answers = ["a minus is a purchase", "a minus is a refund"]
    question = f"{writing.below:,} of {writing.fit:,} values of {seen.name} are below zero"
    is_debit = draft.ask(f"{question}: what is right?", answers) == answers[0]
    value["negative"] = "PURCHASE" if is_debit else "REFUND"
    doubts.append(f"most are below zero: {answers[not is_debit]}?")
    if is_debit:
        doubts[-1] = "most are below zero: purchases, and the others refunds?"
        draft.put("kind", {"value": "REFUND"}, "of amounts that are not below zero", unsure=True)
