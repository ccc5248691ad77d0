"""Arrow tables of a contract's columns to frames, by the columnar encoder."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskstream.domain.contracts import plan as p
from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.plan import Field


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

    def encode(self, batch: pa.RecordBatch | pa.Table) -> list[bytes]:
        """A frame for each row, in order; more rows than the capacity are encoded in parts."""
        out: list[bytes] = []
        for start in range(0, batch.num_rows, self._capacity):
            out += self._encode(batch.slice(start, self._capacity))
        return out

    def _encode(self, batch: Any) -> list[bytes]:
        n = batch.num_rows
        names = set(batch.schema.names)
        data = []
        used = 0
        for field in self._fields:
            column = batch.column(field.name) if field.name in names else _default(field, n)
            if isinstance(column, pa.ChunkedArray):
                column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
            if field.null_row >= 0:
                self._encoder.nulls(field.name)[:n] = pc.is_null(column).to_numpy(
                    zero_copy_only=False
                )
            elif column.null_count:
                raise ValueError(f"field {field.name} has no null")
            if field.kind == p.TEXT:
                ends, raw = _text(column)
                starts, lengths = self._encoder.spans(field.name)
                starts[:n] = ends[:-1] - ends[0] + used
                lengths[:n] = np.diff(ends)
                data.append(raw[int(ends[0]) : int(ends[-1])])
                used += int(ends[-1] - ends[0])
            elif field.kind == p.ENUM:
                codes = pc.fill_null(pc.index_in(column, pa.array(field.symbols)), 0)
                self._encoder.numbers(field.name)[:n] = codes.to_numpy(zero_copy_only=False)
            elif field.kind in (p.INT, p.BOOL):
                values = pc.fill_null(column.cast(pa.int64()), 0)
                self._encoder.numbers(field.name)[:n] = values.to_numpy(zero_copy_only=False)
            elif field.kind == p.FLOAT:
                self._encoder.floats(field.name)[:n] = pc.fill_null(column, 0.0).to_numpy(
                    zero_copy_only=False
                )
        joined = np.concatenate(data) if used else np.zeros(1, np.uint8)
        return self._encoder.encode(n, joined)


def _schema(name: str) -> dict[str, Any]:
    from riskstream.domain.contracts.catalog import contract

    return contract(name).schema


def _default(field: Field, n: int) -> pa.Array:
    if not field.has_default:
        raise ValueError(f"column {field.name} is missing and the field has no default")
    kind = pa.string() if field.kind in (p.TEXT, p.ENUM) else pa.int64()
    return pa.array([field.default] * n, kind)


def _text(column: pa.Array) -> tuple[Any, Any]:
    """(offsets int64[n + 1], bytes) of a text column; a null has length 0."""
    if column.null_count:
        column = pc.fill_null(column, "")
    column = column.cast(pa.large_string())
    _, offsets, raw = column.buffers()
    ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    return ends, np.frombuffer(raw, np.uint8) if raw is not None and raw.size else np.zeros(
        0, np.uint8
    )
