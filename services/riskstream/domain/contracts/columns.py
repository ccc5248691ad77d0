"""The columnar codec: a micro-batch of frames to and from columns, equal to `codec.py` record by
record.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts import plan as p
from riskstream.domain.contracts.by_record import RecordReader, default_bytes
from riskstream.domain.contracts.catalog import Contract, contract
from riskstream.domain.contracts.codec import HEADER_SIZE
from riskstream.domain.contracts.columns_kernel import (
    BAD_MAGIC,
    BAD_TEXT,
    EMPTY,
    INCOMPATIBLE,
    OK,
    SHORT,
    TRAILING,
    TRUNCATED,
    UNKNOWN_SCHEMA,
    WAITING,
    decode_kernel,
    rows_kernel,
)
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.contracts.resolution import Incompatible
from riskstream.domain.contracts.writers import (
    SchemaWait,
    Unknown,
    find_other,
    wait_for,
    when_known,
)

TOO_LARGE = 10
MAX_FRAME_BYTES = 65_536
"""Frames over this are not decoded: the bounds of every flat contract stay well below
(`bounds.largest_frame`).
"""

REASONS = {
    EMPTY: "empty",
    SHORT: "short",
    BAD_MAGIC: "bad_magic",
    UNKNOWN_SCHEMA: "unknown_schema",
    TRUNCATED: "truncated",
    TRAILING: "trailing_bytes",
    BAD_TEXT: "bad_text",
    TOO_LARGE: "too_large",
    INCOMPATIBLE: "incompatible_schema",
    WAITING: "schema_wanted",
}
"""Reject reason of each status but OK; the same words as Codec.decode's, which takes frames of any
size.
"""


@dataclass(slots=True)
class Columns:
    """A micro-batch of n records. `status` uint8[n] (OK = 0); the banks are [rows, n] and undefined
    where not OK.

    `data` are the joined frames; spans are (start, length) in it. `nulls` is 1 where a nullable
    field is null.
    """

    layout: p.Layout
    status: NDArray[np.uint8]
    data: NDArray[np.uint8]
    ints: NDArray[np.int64]
    floats: NDArray[np.float32]
    doubles: NDArray[np.float64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    nulls: NDArray[np.uint8]
    wanted: dict[int, int] = dataclasses.field(default_factory=dict)
    """Records whose schema is being asked for (status WAITING): row and schema id."""
    ids: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    """Schema id of each record, where one of them was not bundled; else empty."""

    @classmethod
    def empty(
        cls, layout: p.Layout, data: NDArray[np.uint8], n: int, *, status: int = 0, null: int = 1
    ) -> "Columns":
        """Banks for n records that a kernel fills; `null` is what `nulls` begins with."""
        a, b, c, d, e = (max(rows, 1) for rows in layout.bank_rows)
        return cls(
            layout=layout,
            status=np.full(n, status, np.uint8),
            data=data,
            ints=np.zeros((a, n), np.int64),
            floats=np.zeros((b, n), np.float32),
            doubles=np.zeros((c, n), np.float64),
            starts=np.zeros((d, n), np.int64),
            lengths=np.zeros((d, n), np.int32),
            nulls=np.full((e, n), null, np.uint8),
        )

    def unread(self) -> NDArray[np.bool_]:
        """Records whose schema nobody knows, or is not ours."""
        out: NDArray[np.bool_] = (self.status == UNKNOWN_SCHEMA) | (self.status == INCOMPATIBLE)
        return out

    def waits(self, rows: NDArray[np.bool_] | None = None) -> SchemaWait | None:
        """What to raise where a record (of `rows`) cannot be decoded yet."""
        mine = {row: known for row, known in self.wanted.items() if rows is None or rows[row]}
        return wait_for(list(mine.values()), list(mine), "a record's schema") if mine else None

    def __len__(self) -> int:
        return len(self.status)

    def numbers(self, name: str) -> NDArray[Any]:
        """Values of an integer, enum, boolean or float field, one a record."""
        field = self.layout.field(name)
        banks: dict[int, NDArray[Any]] = {p.FLOAT: self.floats, p.DOUBLE: self.doubles}
        row: NDArray[Any] = banks.get(field.kind, self.ints)[field.bank_row]
        return row

    def span(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """(start, length) in `data` of a text field, one a record; length 0 where it is null."""
        row = self.layout.field(name).bank_row
        return self.starts[row], self.lengths[row]

    def is_null(self, name: str) -> NDArray[np.uint8]:
        """1 where a nullable field is null."""
        row = self.layout.field(name).null_row
        return self.nulls[row] if row >= 0 else np.zeros(len(self), np.uint8)

    def text(self, name: str, index: int) -> str:
        """One text value."""
        row = self.layout.field(name).bank_row
        start = self.starts[row, index]
        return self.data[start : start + self.lengths[row, index]].tobytes().decode()

    def texts(self, name: str, rows: NDArray[np.int64]) -> list[str]:
        """The text values of some decoded records; "" where one is null."""
        starts, lengths = self.span(name)
        raw, begins = self.data.tobytes(), starts[rows]
        ends = (begins + lengths[rows]).tolist()
        return [raw[begin:end].decode() for begin, end in zip(begins.tolist(), ends, strict=True)]

    def symbols(self, name: str) -> Sequence[str]:
        """Symbols of an enum field, whose indices `numbers` gives."""
        return self.layout.field(name).symbols

    def is_text(self, name: str, value: bytes) -> NDArray[np.bool_]:
        """True where a text field of a decoded record is `value`, which is not empty."""
        starts, lengths = self.span(name)
        out: NDArray[np.bool_] = (self.status == OK) & (lengths == len(value))
        begins = starts[out]
        same = np.ones(len(begins), np.bool_)
        for at, byte in enumerate(value):
            same &= self.data[begins + at] == byte
        out[out] = same
        return out

    def names_one(
        self, name: str, rows: NDArray[np.int64], words: Sequence[bytes]
    ) -> NDArray[np.bool_]:
        """bool[n]: whether the list of texts of each of these rows has one of the words in it."""
        starts, lengths = self.span(name)
        out = np.zeros(len(rows), np.bool_)
        for at in np.flatnonzero(lengths[rows] > 1).tolist():  # an empty list is one byte, or none
            start = int(starts[rows[at]])
            raw = self.data[start : start + int(lengths[rows[at]])].tobytes()
            out[at] = any(word in raw for word in words)
        return out

    def floats_of(self, name: str, index: int, count: int) -> NDArray[np.float32]:
        """The `count` floats of an array field of one record, as they stand in its frame."""
        row = self.layout.field(name).bank_row
        start, length = int(self.starts[row, index]), int(self.lengths[row, index])
        if length > 4 * count + 10:  # in several blocks: another writer's
            return np.array(_floats(self.data[start : start + length].tobytes()), np.float32)
        stop = start + length - 1  # the array's end mark
        return self.data[stop - 4 * count : stop].view(np.float32)

    def float_rows(self, name: str, rows: NDArray[np.int64], count: int) -> NDArray[np.float32]:
        """float32[n, count]: as `floats_of` of each of these rows."""
        starts, lengths = self.span(name)
        ends, sizes = starts[rows] + lengths[rows] - 1, lengths[rows]
        is_one_block = (sizes > 4 * count) & (sizes <= 4 * count + 10)
        if not is_one_block.all():
            found = [self.floats_of(name, row, count) for row in rows.tolist()]
            return np.stack(found) if found else np.empty((0, count), np.float32)
        # every piece of the data that is so long, of which those that begin there are copied
        pieces: NDArray[np.void] = np.ndarray(
            (max(len(self.data) - 4 * count + 1, 0),), f"V{4 * count}", self.data, strides=(1,)
        )
        floats: NDArray[np.float32] = pieces[ends - 4 * count].view(np.float32)
        return floats.reshape(len(rows), count)

    def rows(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(int64[items, columns], int64[n] ends): the items of an array of records of integers, of
        all decoded records one behind another, and where those of each end.
        """
        starts, lengths = self.span(name)
        lengths = np.where(self.status == OK, lengths, 0).astype(np.int32)
        width = len(self.layout.field(name).columns)
        out = np.empty((int(lengths.sum()) // width + 1, width), np.int64)
        ends = np.empty(len(self), np.int64)
        used = rows_kernel(self.data, starts, lengths, out, ends)
        assert used >= 0, "an item has a byte a column at least"
        return out[:used], ends

    def value(self, name: str, index: int) -> Any:
        """A field of one record, as `record` gives it."""
        return self._value(self.layout.field(name), index)

    def record(self, index: int) -> dict[str, Any]:
        """One record as a dict, as `Codec.decode` gives it; for tests and rare paths."""
        return {field.name: self._value(field, index) for field in self.layout.fields}

    def _value(self, field: p.Field, index: int) -> Any:
        if field.null_row >= 0 and self.nulls[field.null_row, index]:
            return None
        if field.kind in (p.FLOAT, p.DOUBLE):
            return float(
                (self.floats if field.kind == p.FLOAT else self.doubles)[field.bank_row, index]
            )
        if field.kind in (p.TEXT, p.BYTES, p.FLOATS, p.TEXTS, p.LONGS, p.ROWS):
            start = int(self.starts[field.bank_row, index])
            raw = self.data[start : start + int(self.lengths[field.bank_row, index])].tobytes()
            if field.kind in (p.TEXT, p.BYTES):
                return raw.decode() if field.kind == p.TEXT else raw
            if not raw:  # an array that the writer's version lacks
                return []
            if field.kind == p.LONGS:
                return longs(raw)
            if field.kind == p.ROWS:
                return _rows(raw, field.columns)
            return _floats(raw) if field.kind == p.FLOATS else _texts(raw)
        value = int(self.ints[field.bank_row, index])
        if field.kind == p.ENUM:
            return field.symbols[value]
        return bool(value) if field.kind == p.BOOL else value


@lru_cache(64)
def plans_of(known: Contract) -> tuple[p.Layout, Mapping[int, p.Plan]]:
    """A contract's layout, and by schema id the plan of each released version; made once, as it
    takes milliseconds. Nobody may change them.
    """
    layout = p.layout_of(known.schema)
    plans = {
        each: p.plan_of(schema, known.schema, layout) for each, schema in known.versions.items()
    }
    return layout, plans


def symbols_of(name: str, field: str) -> Sequence[str]:
    """Symbols of an enum field of a contract, in the order of their codes."""
    return plans_of(contract(name))[0].field(field).symbols


class ColumnDecoder:
    """Decodes frames of one contract, of any released version, into columns of its newest."""

    def __init__(self, name: str | Contract) -> None:
        self.contract: Contract = contract(name) if isinstance(name, str) else name
        self.layout, plans = plans_of(self.contract)
        self._plans: dict[int, p.Plan] = {}
        self._by_record: dict[int, RecordReader] = {}
        self._refused: set[int] = set()
        for known, schema in self.contract.versions.items():
            self._add(known, schema, plans[known])

    def _add(self, known: int, schema: dict[str, Any], plan: p.Plan) -> None:
        if plan.is_by_record:
            self._by_record[known] = RecordReader(self.contract, schema)
        else:
            self._plans[known] = plan

    def decode(self, frames: Sequence[bytes | None]) -> Columns:
        """Columns of the frames, in their order, fastest where they are `Joined`. Never raises on
        bad bytes: their status says what is wrong.
        """
        joined, n = Joined.of(frames), len(frames)
        sizes, ends = joined.sizes, joined.ends
        if n and sizes.max() > MAX_FRAME_BYTES:
            return self._decode_but_large(frames, sizes > MAX_FRAME_BYTES)
        columns = Columns.empty(self.layout, joined.data, n, status=UNKNOWN_SCHEMA, null=0)
        for known, plan in self._plans.items():
            self._run(columns, ends, known, plan)
            if not (columns.status == UNKNOWN_SCHEMA).any():
                return columns
        self._ask(columns, ends)
        if self._by_record:
            self._run_by_record(columns, ends)
        return columns

    def decode_known(self, frames: Sequence[bytes | None], deadline_s: float = 30.0) -> Columns:
        """As `decode`, waiting for schemas that are being asked for; SchemaWait after the
        deadline.
        """
        return when_known(partial(self._decode_all, frames), deadline_s)

    def _decode_all(self, frames: Sequence[bytes | None]) -> Columns:
        """As `decode`; SchemaWait while a schema is being asked for."""
        columns = self.decode(frames)
        if wait := columns.waits():
            raise wait
        return columns

    def _ask(self, columns: Columns, ends: NDArray[np.int64]) -> None:
        """Schemas that are not bundled: run those that are known by now, say of the others what
        they are.
        """
        columns.ids = schema_ids(columns.data, ends)
        ids = np.where(columns.status == UNKNOWN_SCHEMA, columns.ids, -1)
        for known in np.unique(ids[ids >= 0]).tolist():
            if known in self._by_record:
                continue
            rows = ids == known
            found = None if known in self._refused else find_other(known)
            if isinstance(found, Unknown):
                continue
            if known in self._refused:
                columns.status[rows] = INCOMPATIBLE
            elif found is None:
                columns.status[rows] = WAITING
                columns.wanted.update(dict.fromkeys(np.flatnonzero(rows).tolist(), known))
            else:
                try:
                    plan = p.plan_of(found, self.contract.schema, self.layout)
                    self._add(known, found, plan)
                except (Incompatible, ValueError):
                    self._refused.add(known)
                    columns.status[rows] = INCOMPATIBLE
                    continue
                if known in self._plans:
                    self._run(columns, ends, known, self._plans[known])

    def _run_by_record(self, columns: Columns, ends: NDArray[np.int64]) -> None:
        """Rows whose writer's schema the kernel cannot read: written again as the reader's, then
        read as the others.
        """
        for known, reader in self._by_record.items():
            rows = np.flatnonzero(
                (columns.status == UNKNOWN_SCHEMA) & (schema_ids(columns.data, ends) == known)
            )
            if not len(rows):
                continue
            starts = np.where(rows > 0, ends[rows - 1], 0).tolist()
            spans = zip(starts, ends[rows].tolist(), strict=True)
            found = [reader.rewritten(columns.data[start:end].tobytes()) for start, end in spans]
            read = self.decode([frame for frame, _ in found])
            for bank in ("ints", "floats", "doubles", "starts", "lengths", "nulls"):
                getattr(columns, bank)[:, rows] = getattr(read, bank)
            columns.starts[:, rows] += len(columns.data)
            columns.data = np.concatenate([columns.data, read.data])
            status = np.array([why for _, why in found], np.uint8)
            columns.status[rows] = np.where(status == OK, read.status, status)

    def _decode_but_large(
        self, frames: Sequence[bytes | None], is_large: NDArray[np.bool_]
    ) -> Columns:
        """As decode, but of a large frame the first bytes alone: they tell whether it is framed at
        all.
        """
        short = [
            frame[: HEADER_SIZE + 1] if large and frame else frame
            for frame, large in zip(frames, is_large, strict=True)
        ]
        columns = self.decode(short)
        columns.status[is_large & np.isin(columns.status, (OK, TRUNCATED, TRAILING))] = TOO_LARGE
        return columns

    def _run(self, columns: Columns, ends: NDArray[np.int64], known: int, plan: p.Plan) -> None:
        before = columns.status == UNKNOWN_SCHEMA if plan.missing else None
        non_ascii = decode_kernel(
            columns.data,
            ends,
            plan.ops,
            plan.symbol_map,
            known,
            columns.status,
            columns.ints,
            columns.floats.view(np.uint8),
            columns.doubles.view(np.uint8),
            columns.starts,
            columns.lengths,
            columns.nulls,
        )
        if non_ascii:
            self._check_texts(columns)
        if before is not None:
            self._fill_missing(columns, plan, before & (columns.status == OK))

    def _check_texts(self, columns: Columns) -> None:
        """The kernel saw bytes above 127: let Python judge the UTF-8 of every good record
        (rare).
        """
        fields = [field for field in self.layout.fields if field.kind in (p.TEXT, p.TEXTS)]
        for index in np.flatnonzero(columns.status == OK):
            for field in fields:
                start = columns.starts[field.bank_row, index]
                raw = columns.data[start : start + columns.lengths[field.bank_row, index]].tobytes()
                try:
                    if field.kind == p.TEXT:
                        raw.decode()
                    elif raw:
                        _texts(raw)
                except UnicodeDecodeError:
                    columns.status[index] = BAD_TEXT

    def _fill_missing(self, columns: Columns, plan: p.Plan, rows: NDArray[np.bool_]) -> None:
        for field in plan.missing:
            if field.default is None:
                columns.nulls[field.null_row, rows] = 1
            elif field.kind == p.ENUM:
                columns.ints[field.bank_row, rows] = field.symbols.index(field.default)
            elif field.kind in (p.FLOAT, p.DOUBLE):
                (columns.floats if field.kind == p.FLOAT else columns.doubles)[
                    field.bank_row, rows
                ] = field.default
            elif field.kind in (p.BOOL, p.INT):
                columns.ints[field.bank_row, rows] = int(field.default)
            elif field.default:
                raw = np.frombuffer(default_bytes(field), np.uint8)
                columns.starts[field.bank_row, rows] = len(columns.data)
                columns.lengths[field.bank_row, rows] = len(raw)
                columns.data = np.concatenate([columns.data, raw])


def schema_ids(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Schema id of each frame of joined bytes; -1 where a frame has none."""
    begins = np.concatenate([[0], ends[:-1]])
    out = np.full(len(ends), -1, np.int64)
    rows = np.flatnonzero(ends - begins >= HEADER_SIZE)
    rows = rows[data[begins[rows]] == 0]
    at = begins[rows]
    out[rows] = 0
    for byte in range(1, HEADER_SIZE):
        out[rows] = (out[rows] << 8) | data[at + byte]
    return out


def _floats(raw: bytes) -> list[float]:
    out: list[float] = []
    for count, position in _blocks(raw, p.FLOATS):
        out += np.frombuffer(raw, "<f4", count, position).tolist()
    return out


def longs(raw: bytes) -> list[int]:
    """Items of the bytes of an array of longs."""
    out = []
    for count, start in _blocks(raw, p.LONGS):
        position = start
        for _ in range(count):
            value, position = _varint(raw, position)
            out.append(value)
    return out


def _rows(raw: bytes, names: tuple[str, ...]) -> list[dict[str, int]]:
    out = []
    for count, start in _blocks(raw, p.ROWS, len(names)):
        position = start
        for _ in range(count):
            item = {}
            for name in names:
                item[name], position = _varint(raw, position)
            out.append(item)
    return out


def _texts(raw: bytes) -> list[str]:
    out = []
    for count, start in _blocks(raw, p.TEXTS):
        position = start
        for _ in range(count):
            length, position = _varint(raw, position)
            out.append(raw[position : position + length].decode())
            position += length
    return out


def _blocks(raw: bytes, kind: int, width: int = 1) -> list[tuple[int, int]]:
    """(count, start of the items) of each block of an Avro array; `width`: numbers of an item."""
    position = 0
    out: list[tuple[int, int]] = []
    while True:
        count, position = _varint(raw, position)
        if count == 0:
            return out
        if count < 0:
            _, position = _varint(raw, position)
            count = -count
        out.append((count, position))
        for _ in range(count * width):
            if kind == p.FLOATS:
                position += 4
                continue
            value, position = _varint(raw, position)
            position += value if kind == p.TEXTS else 0


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    shift = value = 0
    while True:
        byte = raw[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return (value >> 1) ^ -(value & 1), position
        shift += 7


__all__ = ["HEADER_SIZE", "REASONS", "ColumnDecoder", "Columns"]
