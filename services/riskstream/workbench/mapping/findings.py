"""What is wrong with rows of a batch: the first reason of each, with the value that shows it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Note = Callable[..., None]
"""note(rows, why, check=NAME) of a column."""
PART = "part-amounts"
"""Check that amounts of minor units are whole."""
_SHOWN = 60
_OF_AMOUNTS = ("amount_minor:", "base_amount_minor:", "currency:", "base_currency:")
"""How reasons begin after which an amount is not known, or not in the base currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`why`: field and reason, alike for all rows of which it is so; `value`: what stands in this
    row's column. `amount_minor`: the row's base amount, None where nobody knows it.
    """

    why: str
    value: str
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why no row of a file is taken: row `at` of a batch shows it. `check`: what accepts it."""

    at: int
    why: str
    value: str
    do: str
    check: str


class Findings:
    """Of a batch of n rows. `accepted`: names of checks that are not made."""

    def __init__(self, count: int, accepted: frozenset[str] = frozenset()) -> None:
        self.accepted, self._found = accepted, dict[int, Finding]()
        self.is_good: Flags = np.ones(count, np.bool_)
        self._has_amount: Flags = np.ones(count, np.bool_)
        self.refusal: Refusal | None = None

    def note(
        self, rows: Flags, why: str, column: pa.Array | None = None, *, check: str = ""
    ) -> None:
        """These rows are left out, unless the check's name is accepted. The first reason stays."""
        if check in self.accepted or not rows.any():
            return
        for at in np.flatnonzero(rows & self.is_good).tolist():
            value = "" if column is None else shown(column[at])
            self._found[at] = Finding(why=why, value=value)
        self.is_good &= ~rows
        if why.startswith(_OF_AMOUNTS):
            self._has_amount &= ~rows

    def refuse(self, rows: Flags, why: str, column: pa.Array, do: str, *, check: str) -> None:
        """The whole file is refused where one of these rows is so: the others were misread too."""
        if check in self.accepted or not (rows & self.is_good).any():
            return
        at = int(np.flatnonzero(rows & self.is_good)[0])
        self.refusal = self.refusal or Refusal(
            at=at, why=why, value=shown(column[at]), do=do, check=check
        )

    def in_order(self, amounts: pa.Array | None = None) -> list[tuple[int, Finding]]:
        """(row, what was found). `amounts`: the base amounts of all rows, as far as they fit."""
        found = sorted(self._found.items(), key=lambda each: each[0])
        if amounts is None or not found:
            return found
        known = amounts.to_numpy(zero_copy_only=False)
        return [
            (at, replace(each, amount_minor=int(known[at])) if self._has_amount[at] else each)
            for at, each in found
        ]


def shown(value: pa.Scalar) -> str:
    """A value as a person reads it, cut where it is long."""
    if not value.is_valid:
        return ""
    try:
        text = str(value.as_py())
    except (ValueError, ArithmeticError, LookupError):
        # a time that no calendar has, or in a zone that nobody knows
        text = str(getattr(value, "value", value.type))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def nulls_of(column: pa.Array) -> Flags:
    """Which rows have no value."""
    if not column.null_count:
        return np.zeros(len(column), np.bool_)
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), np.bool_)


def flags(mask: pa.Array) -> Flags:
    """An Arrow mask as numpy's, False where it is null."""
    return np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)


def without_part_refusal(note: Note) -> Note:
    """A number with something behind the point leaves out its row alone, where it is no amount."""

    def noted_alone(rows: Any, why: str, *, check: str = "") -> None:
        note(rows, why, check="" if check == PART else check)

    return noted_alone


def among(rows: Flags, note: Note) -> Note:
    """The note of these rows alone."""
    return lambda at, why, **check: note(at & rows, why, **check)


def noted(
    findings: Findings, name: str, column: pa.Array, rows: Any, why: str, *, check: str = ""
) -> None:
    """Note what is wrong with rows of a field; a part of a minor unit says it of the whole file."""
    if check == PART:
        do = "say `scale: 100`, `major: true` or `round: true` in the mapping"
        what = f"{name}: amounts are not whole minor units"
        findings.refuse(rows, what, column, do, check=check)
    findings.note(rows, f"{name}: {why}", column, check="" if check == PART else check)
