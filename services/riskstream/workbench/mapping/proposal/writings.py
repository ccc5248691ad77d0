"""How a column's numbers are written."""

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import product

import pyarrow as pa

from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.declared import Source, Written
from riskstream.workbench.mapping.findings import Findings, noted
from riskstream.workbench.mapping.numbers import numbers

_WRITTEN = (
    Written(),
    Written(decimal="."),
    Written(decimal=","),
    *(
        Written(decimal=",", thousands=each)
        for each in (".", " ", "\u00a0", "\u202f", "\u2009", "'")
    ),
    *(Written(decimal=".", thousands=each) for each in (",", "'", "\u2019", " ", "\u00a0")),
)
_HOW = ((Decimal(1), False), (Decimal(100), False), (Decimal(100), True))
"""Scales to minor units, and whether what is left behind the point is rounded."""
_SIGN = r"(?:[A-Z]{0,3}[$€£¥₹₽₩₺₫฿₴₪]|zł|Kč|kr|Ft)"
_SYMBOL = re.compile(rf"^(?=.*\d)[-+(]*\s*({_SIGN}|[A-Z]{{3}}\b)|\d\s*({_SIGN}|[A-Z]{{3}})\s*\)?$")
_MOSTLY, _SOME = 0.98, 0.8
"""Shares of the values that a writing must fit, for any number and for an amount."""
_PROBE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """`scale`: of a number to minor units. `fit`: how many values are so written, `below` of them
    less than zero; `misfit` is one that is not so, and `why`.
    """

    written: Written
    scale: Decimal
    is_rounded: bool
    fit: int
    below: int
    misfit: str = ""
    why: str = ""


def writing_of(seen: Seen, more: pa.Array | None = None) -> Writing | None:
    """The simplest way to write numbers that fits the most values of the column, and of `more`;
    None where the column holds no numbers.
    """
    column = seen.column
    if not seen.filled or seen.is_nested or pa.types.is_boolean(column.type):
        return None
    if more is not None and len(more):
        column = pa.concat_arrays([column, more])
    filled = len(column) - column.null_count
    found = _best(column, filled)
    return found if found.fit >= _SOME * filled else None


def nearest(seen: Seen) -> Writing:
    """The way that fits the most of the first different values."""
    probe = seen.column.drop_null().unique()[:_PROBE]
    return _best(probe, len(probe))


def is_whole_numbers(seen: Seen) -> bool:
    found = writing_of(seen)
    return found is not None and found.scale == 1 and found.fit >= _MOSTLY * seen.filled


def _best(column: pa.Array, filled: int) -> Writing:
    """Of ways that fit as many values the first; what rounds only where no other way fits most."""
    symbol = _symbol(column)
    probe = column.drop_null().unique()[:_PROBE]
    best = _tried(column, Written(symbol=symbol), *_HOW[0])
    for written, (scale, is_rounded) in product(_WRITTEN, _HOW):
        if best.fit == filled or (is_rounded and best.fit >= _MOSTLY * filled):
            continue
        as_said = Written(decimal=written.decimal, thousands=written.thousands, symbol=symbol)
        if _tried(probe, as_said, scale, is_rounded).fit * 2 >= len(probe):
            best = max(best, _tried(column, as_said, scale, is_rounded), key=lambda each: each.fit)
    return best


def _symbol(column: pa.Array) -> str:
    """The text that most often stands before or behind the number; empty where there is none."""
    if not pa.types.is_string(column.type):
        return ""
    matches = map(_SYMBOL.search, column.drop_null().unique().to_pylist())
    found = Counter(match[1] or match[2] for match in matches if match)
    return found.most_common(1)[0][0] if found else ""


def _tried(column: pa.Array, written: Written, scale: Decimal, is_rounded: bool) -> Writing:
    findings = Findings(len(column))
    source = Source(
        written=written,
        scale=scale,
        negative="REFUND",
        is_rounded=is_rounded,
        is_minor=scale == 1,
    )
    held = numbers(column, source, scale, partial(noted, findings, "", column))
    first = next((found for _, found in findings.in_order()), None)
    return Writing(
        written=written,
        scale=scale,
        is_rounded=is_rounded,
        fit=int((~held.missing).sum()),
        below=int((held.values < 0).sum()),
        misfit=first.value if first else "",
        why=first.why.removeprefix(": ") if first else "",
    )
