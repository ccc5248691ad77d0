"""Arrow tables of a contract's columns to frames, by the columnar encoder."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.contracts import plan as p
from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.plan import Field

_NO_BYTES = np.zeros(0, np.uint8)


class ArrowEncoder:
    """Encodes record batches whose columns have the contract's names: texts, integers, instants in
    ms, enum symbols.

    A column that is absent takes the field's default. ValueError where a value cannot be encoded.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self._capacity = capacity
        texts = tuple(
            field.name for field in p.layout_of(_schema(name)).fields if field.kind == p.TEXT
        )
        self._encoder = ColumnEncoder(name, capacity=capacity, from_input=texts)
        self._fields = self._encoder.layout.fields
        self._symbols = {
            field.name: pa.array(field.symbols) for field in self._fields if field.kind == p.ENUM
        }
        self._defaults: dict[str, pa.Array] = {}

    def encode(self, batch: pa.RecordBatch | pa.Table) -> list[bytes]:
        """A frame for each row, in order; more rows than the capacity are encoded in parts."""
        out: list[bytes] = []
        for start in range(0, batch.num_rows, self._capacity):
            out += self._encode(batch.slice(start, self._capacity))
        return out

    def _encode(self, batch: Any) -> list[bytes]:
        n, names = batch.num_rows, batch.schema.names
        data: list[NDArray[np.uint8]] = []
        used = 0
        for field in self._fields:
            column = batch.column(field.name) if field.name in names else self._default(field, n)
            if isinstance(column, pa.ChunkedArray):
                column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
            if field.null_row >= 0:
                nulls = self._encoder.nulls(field.name)
                nulls[:n] = column.is_null() if column.null_count else 0
            elif column.null_count:
                raise ValueError(f"field {field.name} has no null")
            if field.kind == p.TEXT:
                ends, raw = _text(column)
                starts, lengths = self._encoder.spans(field.name)
                first, last = int(ends[0]), int(ends[-1])
                np.add(ends[:-1], used - first, out=starts[:n], dtype=np.int64)
                np.subtract(ends[1:], ends[:-1], out=lengths[:n], casting="unsafe")
                data.append(raw[first:last])
                used += last - first
            elif field.kind == p.FLOAT:
                self._encoder.floats(field.name)[:n] = _filled(column, 0.0)
            elif field.kind in (p.INT, p.BOOL, p.ENUM):
                if field.kind == p.ENUM:
                    column = pc.index_in(column, self._symbols[field.name])
                self._encoder.numbers(field.name)[:n] = _filled(column, 0)
        joined = np.concatenate(data) if used else np.zeros(1, np.uint8)
        return self._encoder.encode(n, joined).present()

    def _default(self, field: Field, n: int) -> pa.Array:
        """The field's default in n rows."""
        if not field.has_default:
            raise ValueError(f"column {field.name} is missing and the field has no default")
        if field.name not in self._defaults:
            kind = pa.string() if field.kind in (p.TEXT, p.ENUM) else pa.int64()
            self._defaults[field.name] = pa.array([field.default] * self._capacity, kind)
        return self._defaults[field.name].slice(0, n)


def _schema(name: str) -> dict[str, Any]:
    from riskstream.domain.contracts.catalog import contract

    return contract(name).schema


def _filled(column: pa.Array, hole: int | float) -> NDArray[Any]:
    """Numbers, truths and instants as numpy's, `hole` where they are null."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if column.null_count:
        column = column.fill_null(hole)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _text(column: pa.Array) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """(offsets [n + 1], bytes) of a text column. What stands at a null is not read."""
    if not pa.types.is_string(column.type):
        column = column.cast(pa.large_string())
    wide = np.int32 if pa.types.is_string(column.type) else np.int64
    _, offsets, raw = column.buffers()
    ends = np.frombuffer(offsets, wide)[column.offset : column.offset + len(column) + 1]
    return ends, np.frombuffer(raw, np.uint8) if raw is not None and raw.size else _NO_BYTES
