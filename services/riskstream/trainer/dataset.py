"""Reads a Parquet file of the contract's columns with `is_fraud` into point-in-time rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskstream.contracts.catalog import contract
from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.features.offline import Texts, TransactionColumns, vectors
from riskstream.runtime.errors import Fatal

NEEDED = ("transaction_id", "customer_id", "occurred_at", "base_amount_minor", "kind", "channel", "mcc", "is_fraud")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """`rows` float32[n, columns] of the feature set, `labels` bool[n], `occurred_at` ms int64[n], in time order."""

    rows: NDArray[np.float32]
    labels: NDArray[np.bool_]
    occurred_at: NDArray[np.int64]


def read_dataset(path: Path, features: FeatureSet, progress: Callable[[int], None] = lambda _: None) -> Dataset:
    """Fatal where the file is not there, lacks a column, holds a null, or is not sorted by occurred_at."""
    try:
        found = set(pq.read_schema(path).names)
        missing = [name for name in NEEDED if name not in found]
        if missing:
            raise Fatal(
                what=f"column {missing[0]} is missing",
                where=str(path),
                do=f"give a file with {', '.join(NEEDED)}",
                exit_code=2,
            )
        table = pq.read_table(path, columns=list(NEEDED))
    except (OSError, pa.ArrowInvalid) as error:
        raise Fatal(
            what=f"the data cannot be read: {error}", where=str(path), do="give a Parquet file", exit_code=2
        ) from error
    columns = transaction_columns(table, path)
    labels = table["is_fraud"].to_numpy().astype(np.bool_)
    if labels.all() or not labels.any():
        raise Fatal(
            what="the labels hold one class only",
            where=str(path),
            do="give data with frauds and genuine ones",
            exit_code=2,
        )
    return Dataset(rows=vectors(features, columns, progress), labels=labels, occurred_at=columns.occurred_at)


def transaction_columns(table: pa.Table, path: Path) -> TransactionColumns:
    """A table's columns as the kernel reads them."""
    for name in NEEDED:
        if name != "mcc" and name in table.column_names and table[name].null_count:
            raise Fatal(what=f"column {name} holds nulls", where=str(path), do="fill or drop those rows", exit_code=2)
    occurred = table["occurred_at"].cast(pa.int64()).to_numpy()
    if len(occurred) > 1 and (np.diff(occurred) < 0).any():
        first = int(np.flatnonzero(np.diff(occurred) < 0)[0]) + 1
        raise Fatal(
            what=f"row {first} is earlier than the row before", where=str(path), do="sort by occurred_at", exit_code=2
        )
    return TransactionColumns(
        transaction_id=texts(table["transaction_id"]),
        customer_id=texts(table["customer_id"]),
        occurred_at=np.array(occurred, np.int64),
        base_amount_minor=np.array(table["base_amount_minor"].to_numpy(), np.int64),
        kind=enum_indices(table["kind"], "kind"),
        channel=enum_indices(table["channel"], "channel"),
        mcc=np.array(pc.fill_null(table["mcc"], 0).to_numpy(), np.int64),
        mcc_null=np.array(pc.is_null(table["mcc"]).to_numpy(), np.uint8),
    )


def texts(column: pa.ChunkedArray) -> Texts:
    """A text column as one buffer and ends."""
    array = pa.concat_arrays(column.cast(pa.large_string()).chunks) if column.num_chunks != 1 else column.chunk(0)
    array = array.cast(pa.large_string())
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    raw = np.frombuffer(data, np.uint8)[int(ends[0]) : int(ends[-1])]
    return Texts(data=raw, ends=ends[1:] - ends[0])


def enum_indices(column: pa.ChunkedArray, field: str) -> NDArray[np.int64]:
    """Indices in the transaction's enum; a symbol that it does not know is UNKNOWN (0)."""
    schema: Any = next(each for each in contract("transaction.v1").schema["fields"] if each["name"] == field)
    symbols = pa.array(schema["type"]["symbols"])
    found = pc.fill_null(pc.index_in(column, symbols), 0)
    return np.array(found.to_numpy(), np.int64)
