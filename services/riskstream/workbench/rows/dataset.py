"""Reads a Parquet file of transactions with labels into point-in-time rows: the contract's columns,
or the public book's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import bounds_of
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.risk.features.declare import LABEL_DELAY_MS, FeatureSet
from riskstream.domain.risk.features.offline import KnownFrauds, Texts, TransactionColumns, vectors
from riskstream.domain.risk.features.owned.table import LATEST_MS
from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal

NEEDED = (
    "transaction_id",
    "customer_id",
    "occurred_at",
    "base_amount_minor",
    "kind",
    "channel",
    "mcc",
)
LABEL = "is_fraud"
BASE_CURRENCY = "base_currency"
CORRECTS = "corrects"
KNOWN_AT = "label_known_at"
"""Optional: when the label became known; without it a delay after the transaction is taken."""

BOOK = ("TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT")
"""Columns of the public book's files; the label there is TX_FRAUD."""
BOOK_LABEL = "TX_FRAUD"

_PLAIN = ("occurred_at", "base_amount_minor", "kind", "channel", "mcc", "mcc_null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transactions:
    """A file's rows, in order of time. `units`: minor units in one of the file's amounts; `ids` as
    in the file.

    `base_currency`: of the amounts, "" where the file does not say.
    """

    columns: TransactionColumns
    ids: pa.Array
    id_name: str
    units: int
    labels: NDArray[np.bool_] | None
    frauds: KnownFrauds | None
    path: Path
    base_currency: str = ""

    @property
    def customers(self) -> NDArray[np.int32]:
        """A number of each row's customer."""
        return self.columns.keys["customer_id"]

    def names(self) -> list[tuple[str, str]]:
        """(customer, transaction) of each row as texts, as the contract has them."""
        ends, raw = self.columns.customer_id.ends.tolist(), self.columns.customer_id.data.tobytes()
        customers = [
            raw[start:end].decode() for start, end in zip([0, *ends[:-1]], ends, strict=True)
        ]
        return list(zip(customers, self.ids.cast(pa.string()).to_pylist(), strict=True))

    def until(self, stop: int) -> "Transactions":
        """The first `stop` rows, and the frauds known by the last of them."""
        columns = self.columns
        part = replace(
            columns,
            transaction_id=Texts(
                data=columns.transaction_id.data, ends=columns.transaction_id.ends[:stop]
            ),
            customer_id=Texts(data=columns.customer_id.data, ends=columns.customer_id.ends[:stop]),
            keys={name: codes[:stop] for name, codes in columns.keys.items()},
            corrects=columns.corrects
            and Texts(data=columns.corrects.data, ends=columns.corrects.ends[:stop]),
            **{name: getattr(columns, name)[:stop] for name in _PLAIN},
        )
        frauds = self.frauds
        if frauds is not None:
            known = (frauds.row < stop) & (frauds.known_at <= columns.occurred_at[stop - 1])
            frauds = KnownFrauds(row=frauds.row[known], known_at=frauds.known_at[known])
        labels = None if self.labels is None else self.labels[:stop]
        return replace(self, columns=part, ids=self.ids[:stop], labels=labels, frauds=frauds)

    def vectors(
        self,
        features: FeatureSet,
        progress: Callable[[int], None] = lambda _: None,
        *,
        is_at_event: bool = False,
        dtype: Any = np.float32,
    ) -> NDArray[Any]:
        """dtype[n, columns]: see offline.vectors. Fatal where the file lacks the key of a
        profile.
        """
        for entity in features.profiles:
            if entity.key not in self.columns.keys:
                raise Fatal(
                    what=f"column {entity.key} is missing, which profiles of {features.label} "
                    "are kept by",
                    where=str(self.path),
                    do="give a file with it, or another feature set",
                    exit_code=2,
                )
        return vectors(
            features,
            self.columns,
            progress,
            frauds=self.frauds,
            is_at_event=is_at_event,
            dtype=dtype,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """`rows` float32[n, columns] of the feature set, `labels` bool[n], `occurred_at` ms int64[n],
    `customers` a number of each row's, `amounts_minor` int64[n] as features cannot hold them
    (float32), in time order. `base_currency` "": not said.
    """

    rows: NDArray[np.float32]
    labels: NDArray[np.bool_]
    occurred_at: NDArray[np.int64]
    customers: NDArray[np.int32]
    amounts_minor: NDArray[np.int64]
    base_currency: str = ""


def read_dataset(
    path: Path, features: FeatureSet, progress: Callable[[int], None] = lambda _: None
) -> Dataset:
    """Fatal as `read_transactions`, and where there are no labels or labels of one class only."""
    read = read_transactions(path, is_labelled=True)
    labels = labels_of(read)
    rows = read.vectors(features, progress)
    check_no_leak(read, features, rows)
    return Dataset(
        rows=rows,
        labels=labels,
        occurred_at=read.columns.occurred_at,
        customers=read.customers,
        amounts_minor=read.columns.base_amount_minor,
        base_currency=read.base_currency,
    )


def check_no_leak(read: Transactions, features: FeatureSet, rows: NDArray[Any]) -> None:
    """Fatal where a row's vector changes when everything later than it is taken away: then it knew
    what came after.
    """
    n = len(rows)
    for place in sorted({n // 4, n // 2, 3 * n // 4}):
        alone = read.until(place + 1).vectors(features, dtype=rows.dtype)[place]
        differs = ~((alone == rows[place]) | (np.isnan(alone) & np.isnan(rows[place])))
        if differs.any():
            name = features.names[int(np.flatnonzero(differs)[0])]
            raise Fatal(
                what=f"feature {name} of row {place} depends on later rows or labels",
                where=str(read.path),
                do="correct the feature, or the times at which labels become known",
                exit_code=2,
            )


def labels_of(read: Transactions) -> NDArray[np.bool_]:
    """Labels to train on or to compare with. Fatal where they are of one class."""
    labels = np.zeros(0, np.bool_) if read.labels is None else read.labels
    check_two_classes(labels, read.path)
    return labels


def check_two_classes(labels: NDArray[np.bool_], path: Path) -> None:
    if labels.all() or not labels.any():
        raise Fatal(
            what="the labels are all fraud or all genuine",
            where=str(path),
            do="give data with frauds and genuine ones",
            exit_code=2,
        )


def read_transactions(
    path: Path, *, is_labelled: bool = False, label_delay_ms: int = LABEL_DELAY_MS
) -> Transactions:
    """Fatal where the file is not there, lacks a column, holds a null, an id twice or a time out of
    range, or is not sorted.
    """
    table = _table(path, is_labelled=is_labelled)
    is_book = "TX_DATETIME" in table.column_names
    id_name = "TRANSACTION_ID" if is_book else "transaction_id"
    _no_id_twice(table[id_name], table["CUSTOMER_ID" if is_book else "customer_id"], path)
    base_currency = one_currency(table, path)
    columns = _book_columns(table, path) if is_book else transaction_columns(table, path)
    label = BOOK_LABEL if is_book else LABEL
    labels = frauds = None
    if label in table.column_names:
        labels = np.array(pc.fill_null(table[label].cast(pa.int8()), 0).to_numpy() != 0)
        frauds = KnownFrauds.after(labels, columns.occurred_at, label_delay_ms)
        if KNOWN_AT in table.column_names:
            frauds = _known_at(frauds, table, columns.occurred_at, path)
    return Transactions(
        columns=columns,
        ids=table[id_name].combine_chunks(),
        id_name=id_name,
        units=100 if is_book else 1,
        labels=labels,
        frauds=frauds,
        path=path,
        base_currency=base_currency,
    )


def _table(path: Path, *, is_labelled: bool) -> pa.Table:
    """The columns of the file that rows are made from. Fatal where one is missing or has empty
    values.
    """
    try:
        found = set(pq.read_schema(path).names)
        is_book = "TX_DATETIME" in found
        label = BOOK_LABEL if is_book else LABEL
        needed = (*(BOOK if is_book else NEEDED), *((label,) if is_labelled else ()))
        missing = [name for name in needed if name not in found]
        if missing:
            raise Fatal(
                what=f"column {missing[0]} is missing",
                where=str(path),
                do=f"give a file with {', '.join(needed)}",
                exit_code=2,
            )
        optional = (label, KNOWN_AT, "terminal_id", "device_id", BASE_CURRENCY, CORRECTS)
        more = [name for name in optional if name in found and name not in needed]
        table = pq.read_table(path, columns=[*needed, *more])
    except (OSError, pa.ArrowInvalid) as error:
        raise Fatal(
            what=f"the data cannot be read: {cause(error)}",
            where=str(path),
            do="give a Parquet file",
            exit_code=2,
        ) from error
    for name in needed:
        if name != "mcc" and table[name].null_count:
            raise Fatal(
                what=f"column {name} has empty values",
                where=str(path),
                do="fill or drop those rows",
                exit_code=2,
            )
    return table


def _known_at(
    frauds: KnownFrauds, table: pa.Table, occurred_at: NDArray[np.int64], path: Path
) -> KnownFrauds:
    """The frauds in the order in which the file says they became known. Fatal where one was known
    before its transaction.
    """
    known = table[KNOWN_AT].cast(pa.int64()).to_numpy()[frauds.row]
    too_early = np.flatnonzero(known < occurred_at[frauds.row])
    if len(too_early):
        raise Fatal(
            what=f"the label of row {frauds.row[too_early[0]]} is known before its transaction",
            where=str(path),
            do=f"correct {KNOWN_AT}",
            exit_code=2,
        )
    order = np.argsort(known, kind="stable")
    return KnownFrauds(row=frauds.row[order], known_at=known[order])


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


def _book_columns(table: pa.Table, path: Path) -> TransactionColumns:
    """A table of the public book's columns. Amounts become minor units, hundredths; kind, channel
    and mcc are unknown.
    """
    occurred = _sorted(
        table["TX_DATETIME"].cast(pa.timestamp("ms")).cast(pa.int64()).to_numpy(),
        "TX_DATETIME",
        path,
    )
    amounts = table["TX_AMOUNT"].cast(pa.float64()).to_numpy()
    if not (np.isfinite(amounts) & (amounts >= 0) & (amounts <= 1e11)).all():
        first = int(np.flatnonzero(~(np.isfinite(amounts) & (amounts >= 0) & (amounts <= 1e11)))[0])
        raise Fatal(
            what=f"row {first} has TX_AMOUNT {amounts[first]}",
            where=str(path),
            do="give amounts from 0 to 1e11",
            exit_code=2,
        )
    unknown = np.zeros(len(occurred), np.int64)
    return TransactionColumns(
        transaction_id=texts(table["TRANSACTION_ID"].cast(pa.string())),
        customer_id=texts(table["CUSTOMER_ID"].cast(pa.string())),
        occurred_at=occurred,
        base_amount_minor=np.rint(amounts * 100).astype(np.int64),
        kind=unknown,
        channel=unknown,
        mcc=unknown,
        mcc_null=np.ones(len(occurred), np.uint8),
        keys={
            "customer_id": _numbered(table["CUSTOMER_ID"]),
            "terminal_id": _numbered(table["TERMINAL_ID"]),
        },
    )


def _sorted(occurred: NDArray[np.int64], name: str, path: Path) -> NDArray[np.int64]:
    if len(occurred) > 1 and (np.diff(occurred) < 0).any():
        first = int(np.flatnonzero(np.diff(occurred) < 0)[0]) + 1
        raise Fatal(
            what=f"row {first} is earlier than the row before",
            where=str(path),
            do=f"sort by {name}",
            exit_code=2,
        )
    if len(wrong := np.flatnonzero((occurred < 0) | (occurred > LATEST_MS))):
        raise Fatal(
            what=f"row {wrong[0]} has {name} {occurred[wrong[0]]}, which no ring of events holds",
            where=str(path),
            do=f"give ms since 1970 UTC from 0 to {LATEST_MS}",
            exit_code=2,
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
            exit_code=2,
        )
    return amounts


def one_currency(table: pa.Table, path: Path) -> str:
    """The currency of a table's base amounts, "" where it does not say. Fatal where there are
    several: they are added up.
    """
    if BASE_CURRENCY not in table.column_names:
        return ""
    found = sorted(each for each in pc.unique(table[BASE_CURRENCY]).to_pylist() if each is not None)
    if len(found) > 1:
        raise Fatal(
            what=f"its base amounts are in {' and '.join(found[:5])}, and would be summed",
            where=str(path),
            do="convert base_amount_minor to one base_currency",
            exit_code=2,
        )
    return found[0] if found else ""


def _no_id_twice(ids: pa.ChunkedArray, customers: pa.ChunkedArray, path: Path) -> None:
    """Fatal where a customer has an id twice; two customers may share one."""
    if (
        pa.types.is_integer(ids.type) and (np.diff(ids.to_numpy()) > 0).all()
    ):  # as files number them: no table of ids is made
        return
    if pc.count_distinct(ids).as_py() == len(ids):
        return
    rows = (
        pa.table({"id": ids, "customer": customers})
        .group_by(["customer", "id"])
        .aggregate([([], "count_all")])
    )
    if rows.num_rows == len(ids):
        return
    twice = rows.filter(pc.greater(rows["count_all"], 1)).slice(0, 1).to_pylist()[0]
    raise Fatal(
        what=f"transaction {twice['id']} of customer {twice['customer']} appears twice",
        where=str(path),
        do="drop repeated rows",
        exit_code=2,
    )


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
