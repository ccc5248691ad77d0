"""A table of the contract's columns as the kernels read them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import bounds_of
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.risk.features.offline import Texts, TransactionColumns
from riskstream.domain.risk.features.owned.table import LATEST_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

BASE_CURRENCY = "base_currency"
CORRECTS = "corrects"


def transaction_columns(table: pa.Table, path: Path) -> TransactionColumns:
    """A table of the contract's columns as the kernels read them. Fatal where it is not sorted by
    occurred_at.
    """
    occurred = _sorted(table["occurred_at"].cast(pa.int64()).to_numpy(), "occurred_at", path)
    keys = {
        name: _numbered(table[name])
        for name in ("customer_id", "terminal_id", "device_id")
        if name in table.column_names
    }
    return TransactionColumns(
        transaction_id=texts(table["transaction_id"]),
        customer_id=texts(table["customer_id"]),
        occurred_at=occurred,
        base_amount_minor=_amounts(table, path),
        kind=enum_indices(table["kind"], "kind"),
        channel=enum_indices(table["channel"], "channel"),
        mcc=np.array(pc.fill_null(table["mcc"], 0).to_numpy(), np.int64),
        mcc_null=np.array(pc.is_null(table["mcc"]).to_numpy(), np.uint8),
        keys=keys,
        corrects=_originals(table),
    )


def _originals(table: pa.Table) -> Texts | None:
    """The id that each row corrects, empty where none; None where no row does."""
    if CORRECTS not in table.column_names or table[CORRECTS].null_count == len(table):
        return None
    return texts(pc.fill_null(table[CORRECTS].cast(pa.large_string()), ""))


def _sorted(occurred: NDArray[np.int64], name: str, path: Path) -> NDArray[np.int64]:
    if len(occurred) > 1 and (np.diff(occurred) < 0).any():
        first = int(np.flatnonzero(np.diff(occurred) < 0)[0]) + 1
        raise Fatal(
            what=f"row {first} is earlier than the row before",
            where=str(path),
            do=f"sort by {name}",
            exit_code=Exit.INPUT,
        )
    if len(wrong := np.flatnonzero((occurred < 0) | (occurred > LATEST_MS))):
        raise Fatal(
            what=f"row {wrong[0]} has {name} {occurred[wrong[0]]}, which no ring of events holds",
            where=str(path),
            do=f"give ms since 1970 UTC from 0 to {LATEST_MS}",
            exit_code=Exit.INPUT,
        )
    return np.array(occurred, np.int64)


def _amounts(table: pa.Table, path: Path) -> NDArray[np.int64]:
    """The base amounts, int64[n]. Fatal where one breaks the contract's bounds: the scorer rejects
    it too.
    """
    bounds = bounds_of("transaction.v1")["base_amount_minor"]
    least, most = bounds.range
    amounts = np.array(table["base_amount_minor"].to_numpy(), np.int64)
    if len(wrong := np.flatnonzero((amounts < least) | (amounts > most))):
        raise Fatal(
            what=f"row {wrong[0]} has base_amount_minor {amounts[wrong[0]]}",
            where=str(path),
            do=f"give minor units {bounds.said()}",
            exit_code=Exit.INPUT,
        )
    return amounts


def one_currency(table: pa.Table, path: Path, wanted: str = "") -> str:
    """The currency of a table's base amounts, "" where it does not say. Fatal where there are
    several, as they are added up, or it is not the one that is `wanted`.
    """
    if BASE_CURRENCY not in table.column_names:
        return ""
    found = sorted(each for each in pc.unique(table[BASE_CURRENCY]).to_pylist() if each is not None)
    if len(found) > 1:
        raise Fatal(
            what=f"its base amounts are in {' and '.join(found[:5])}, and would be summed",
            where=str(path),
            do="convert base_amount_minor to one base_currency",
            exit_code=Exit.INPUT,
        )
    if wanted and found and found[0] != wanted:
        raise Fatal(
            what=f"its base amounts are in {found[0]}, and the base currency is {wanted}",
            where=str(path),
            do=f"give --base-currency {found[0]}",
            exit_code=Exit.INPUT,
        )
    return found[0] if found else ""


def _numbered(column: pa.ChunkedArray) -> NDArray[np.int32]:
    """A number of each row's value, -1 where it is null."""
    codes = column.combine_chunks().dictionary_encode().indices
    return np.array(pc.fill_null(codes, -1).to_numpy(zero_copy_only=False), np.int32)


def texts(column: pa.ChunkedArray) -> Texts:
    """A text column as one buffer and ends."""
    array = (
        pa.concat_arrays(column.cast(pa.large_string()).chunks)
        if column.num_chunks != 1
        else column.chunk(0)
    )
    array = array.cast(pa.large_string())
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    raw = np.frombuffer(data or b"", np.uint8)[int(ends[0]) : int(ends[-1])]
    return Texts(data=raw, ends=ends[1:] - ends[0])


def enum_indices(column: pa.ChunkedArray, field: str) -> NDArray[np.int64]:
    """Indices in the transaction's enum; a symbol that it does not know is UNKNOWN (0)."""
    schema: Any = next(
        each for each in contract("transaction.v1").schema["fields"] if each["name"] == field
    )
    symbols = pa.array(schema["type"]["symbols"])
    found = pc.fill_null(pc.index_in(column, symbols), 0)
    return np.array(found.to_numpy(), np.int64)
