"""A JSON array of objects of one flat contract into columns: the reading half of a batch.

An object is `plain` where it has no escape, no fraction, no key twice, and nothing that the door
(`door.py`) would refuse. Every other one is left to the door, which takes it or says what is wrong.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import UNBOUNDED, Bounds, bounds_of
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.columns import Columns, plans_of
from riskstream.domain.contracts.json_rows_kernel import (
    NO_ARRAY,
    PLAIN,
    SYMBOL,
    TEXT,
    TOO_MANY,
    WHOLE,
    json_rows_kernel,
)
from riskstream.domain.contracts.json_text import Unreadable
from riskstream.domain.contracts.plan import Field

_CAPITALS = re.compile(r"\[A-Z\]\{(\d+)\}")
_WIDTHS = {"int": 2**31, "long": 2**63}


@dataclass(frozen=True, slots=True)
class JsonRows:
    """n objects. `columns` hold the plain ones, with texts as they stand in the body; `is_plain`
    bool[n]; `begins` and `ends` int64[n] say where each object's bytes are.
    """

    columns: Columns
    is_plain: NDArray[np.bool_]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    given: NDArray[np.uint64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.begins)

    def has(self, name: str) -> NDArray[np.bool_]:
        """Which plain objects give a field a value."""
        bit = np.uint64(1) << np.uint64(self.names.index(name))
        out: NDArray[np.bool_] = (self.given & bit) != 0
        return out


class JsonRowsReader:
    """Reads bodies of one contract of texts, whole numbers and enums; TypeError for any other.

    `filled`: fields that who asks fills in where they are left out or null.
    """

    def __init__(self, name: str, filled: tuple[str, ...]) -> None:
        self._layout, _ = plans_of(contract(name))
        self.what = name.split(".")[0]
        bounds = bounds_of(name)
        self.names = tuple(bounds)
        self.fields = tuple(self._layout.field(each) for each in bounds)
        self.texts = frozenset(each.name for each in bounds.values() if each.kind == "string")
        self._names, self._name_ends = _joined([each.encode() for each in bounds])
        self._fields = np.zeros((len(bounds), 6), np.int64)
        symbols: list[bytes] = []
        needed = nullable = 0
        for at, each in enumerate(bounds.values()):
            field = self._layout.field(each.name)
            self._fields[at] = field_row(each, field, len(symbols))
            symbols += [symbol.encode() for symbol in each.symbols]
            may_be_null = each.is_nullable or each.name in filled
            nullable |= may_be_null << at
            falls_back = bool(each.symbols) and not each.is_nullable
            is_needed = (not each.has_default or falls_back) and each.name not in filled
            needed |= is_needed << at
        self._symbols, self._symbol_ends = _joined(symbols)
        self._needed, self._nullable = np.uint64(needed), np.uint64(nullable)

    def read(self, body: bytes, most: int) -> JsonRows:
        """The objects of a body, `most` at most. Unreadable where it is no array of values, is not
        UTF-8, or has more of them.
        """
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise Unreadable(
                code="malformed-json", detail=f"the body is not UTF-8 at byte {error.start}"
            ) from None
        n = min(most, body.count(b",") + 1)
        columns = Columns.empty(self._layout, np.frombuffer(body or b"\0", np.uint8).copy(), n)
        given, status = np.zeros(n, np.uint64), np.zeros(n, np.uint8)
        begins, ends = np.zeros(n, np.int64), np.zeros(n, np.int64)
        found = json_rows_kernel(
            columns.data,
            self._names,
            self._name_ends,
            self._fields,
            self._symbols,
            self._symbol_ends,
            self._needed,
            self._nullable,
            columns.ints,
            columns.starts,
            columns.lengths,
            given,
            status,
            begins,
            ends,
        )
        if found == TOO_MANY:
            raise Unreadable(
                code="too-many-items", detail=f"the body has more than {most:,} items; send fewer"
            )
        if found == NO_ARRAY:
            detail = f"the body is not a JSON array; send a list of {self.what}s"
            raise Unreadable(code="not-an-array", detail=detail)
        for at, name in enumerate(self.names):
            null_row = self._layout.field(name).null_row
            if null_row >= 0:
                columns.nulls[null_row] = (given >> np.uint64(at)) & np.uint64(1) == 0
        return JsonRows(
            columns, (status == PLAIN)[:found], begins[:found], ends[:found], given, self.names
        )


@cache
def json_rows_reader(name: str, filled: tuple[str, ...] = ()) -> JsonRowsReader:
    """The reader of a contract, made once."""
    return JsonRowsReader(name, filled)


def field_row(bounds: Bounds, field: Field, first_symbol: int) -> tuple[int, ...]:
    """A field as the kernel takes it."""
    if bounds.symbols:
        first = first_symbol + (bounds.symbols[0] == "UNKNOWN")
        stop = first_symbol + len(bounds.symbols)
        return SYMBOL, field.bank_row, 0, first, stop, first_symbol
    if bounds.kind in _WIDTHS and not bounds.is_array:
        least, most = bounds.range
        width = _WIDTHS[bounds.kind]
        return WHOLE, field.bank_row, 0, max(least, -width), min(most, width - 1), 0
    if bounds.kind == "string" and not bounds.is_array:
        most = UNBOUNDED if bounds.max_bytes is None else bounds.max_bytes
        shape = _CAPITALS.fullmatch(bounds.pattern or "")
        if bounds.pattern is not None and (shape is None or int(shape[1]) != most):
            raise TypeError(f"{bounds.name} is shaped {bounds.pattern}: no batch reads that")
        return TEXT, field.bank_row, 0, bounds.min_bytes, most, int(shape is not None)
    raise TypeError(f"{bounds.name} is of type {bounds.kind}: no batch reads that")


def _joined(texts: list[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    ends = np.cumsum([len(each) for each in texts], dtype=np.int64)
    return np.frombuffer(b"".join(texts) or b"\0", np.uint8).copy(), ends
