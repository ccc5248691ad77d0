"""The transactions of somebody's file, and what it says of them: the rows that fit, in order of
time.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import bounds_of
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.offline import KnownFrauds, Texts, TransactionColumns, vectors
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.machine import now_ms
from riskstream.runtime.steps import Steps, untold
from riskstream.workbench.files.reader import Files
from riskstream.workbench.mapping.convert import Converter
from riskstream.workbench.mapping.declared import Mapping, Source
from riskstream.workbench.mapping.file import default_mapping
from riskstream.workbench.mapping.hashed import hashes
from riskstream.workbench.mapping.labelled import Labelled, all_of
from riskstream.workbench.mapping.survey import LeftOut, Survey
from riskstream.workbench.rows.columns import BASE_CURRENCY, one_currency, transaction_columns

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
_BOOK = Mapping(
    fields={
        "transaction_id": Source(columns=("TRANSACTION_ID",)),
        "customer_id": Source(columns=("CUSTOMER_ID",)),
        "terminal_id": Source(columns=("TERMINAL_ID",)),
        "occurred_at": Source(columns=("TX_DATETIME",)),
        "base_amount_minor": Source(columns=("TX_AMOUNT",), scale=Decimal(100)),
        "kind": Source(value="UNKNOWN"),
        "channel": Source(value="UNKNOWN"),
        "mcc": Source(value=None),
    },
    is_fraud=Source(columns=("TX_FRAUD",)),
)
"""The public book's files: amounts in major units, and no kind, channel or mcc."""
_FIELDS = (*NEEDED, "terminal_id", "device_id", "corrects", "base_currency")
_NO_LABEL = "is_fraud: no label"
_LABEL_WORDS = r"fraud|betrug|chargeback|^class$|^label$|^target$"

_PLAIN = ("occurred_at", "base_amount_minor", "kind", "channel", "mcc", "mcc_null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transactions:
    """A file's rows, in order of time. `units`: minor units in one of the file's amounts; `ids` as
    in the file.

    `base_currency`: of the amounts, "" where the file does not say. `labels` are False where
    `has_label` is. `left_out`: rows of the file that are none of these. `more`: other fields that
    were asked for.
    """

    columns: TransactionColumns
    ids: pa.Array
    id_name: str
    units: int
    labels: NDArray[np.bool_] | None
    frauds: KnownFrauds | None
    path: Path
    base_currency: str = ""
    has_label: NDArray[np.bool_] | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    more: pa.Table | None = None

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
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """float32[n, columns], or `out`: see offline.vectors. Fatal where the file lacks the key of
        a profile.
        """
        for entity in features.profiles:
            if entity.key not in self.columns.keys:
                raise Fatal(
                    what=f"column {entity.key} is missing, which profiles of {features.label} "
                    "are kept by",
                    where=str(self.path),
                    do="give a file with it, or another feature set",
                    exit_code=Exit.INPUT,
                )
        return vectors(
            features,
            self.columns,
            progress,
            frauds=self.frauds,
            is_at_event=is_at_event,
            out=out,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a file is read: by `mapping`, else by the contract's names or the book's. Rows in another
    currency than `base_currency` are left out; "": amounts may be in any one. `accepted`: checks of
    what is implausible that are not made. `more`: fields of the contract beside those that rows are
    made from. `steps`: who is told how far it is.
    """

    mapping: Mapping | None = None
    base_currency: str = ""
    accepted: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    steps: Steps = untold


AS_IS = Reading()


def read_transactions(
    path: Path, reading: Reading = AS_IS, *, is_labelled: bool = False
) -> Transactions:
    """The rows that fit, in order of time. `is_labelled`: those without a label are left out too.

    Fatal where the file is not there, lacks a column, holds an id twice or amounts of several
    currencies, or none of its rows fits.
    """
    files = Files(path, reading.mapping.layout if reading.mapping else None)
    is_book = reading.mapping is None and "TX_DATETIME" in files.names
    mapping = _whole(reading.mapping, reading.more) if reading.mapping else None
    mapping = mapping or (_book(files) if is_book else default_mapping(files.names))
    if is_labelled and mapping.is_fraud is None:
        raise without_label(path, reading, files.names)
    table, labelled, survey = _converted(files, mapping, reading)
    if is_labelled and labelled is not None:
        table, labelled = _labelled_alone(table, labelled, survey.left_out)
    _no_id_twice(table["transaction_id"], table["customer_id"], path)
    columns = transaction_columns(table, path)
    ids = table["transaction_id"].combine_chunks()
    currency, others = _currency(table, mapping, path), table.select(reading.more)
    del table
    pa.default_memory_pool().release_unused()
    return Transactions(
        columns=columns,
        ids=_as_written(ids) if is_book else ids,
        id_name="TRANSACTION_ID" if is_book else "transaction_id",
        units=100 if is_book else 1,
        labels=None if labelled is None else labelled.is_fraud,
        frauds=None if labelled is None else _frauds(labelled),
        path=path,
        base_currency=currency,
        has_label=None if labelled is None else labelled.has_label,
        left_out=survey.left_out,
        more=others if reading.more else None,
    )


def _whole(mapping: Mapping, more: tuple[str, ...]) -> Mapping:
    """The mapping, with what it leaves out of these and of `more` unknown, where the contract lets$
    it be.
    """
    fields = bounds_of("transaction.v1")
    unknown = {name: _BOOK.fields[name] for name in ("kind", "channel", "mcc")}
    unknown |= {name: Source(value=None) for name in more if fields[name].is_nullable}
    return replace(mapping, fields={**unknown, **mapping.fields})


def _book(files: Files) -> Mapping:
    """The book's mapping; without labels where the file has none."""
    return _BOOK if "TX_FRAUD" in files.names else replace(_BOOK, is_fraud=None)


def _converted(
    files: Files, mapping: Mapping, reading: Reading
) -> tuple[pa.Table, Labelled | None, Survey]:
    """The rows that fit, sorted by time, with their labels; and what was found of all."""
    wanted = [name for name in (*_FIELDS, *reading.more) if name in mapping.fields]
    if _is_one_amount(mapping):
        wanted.append("currency")
    for name in (*NEEDED, *reading.more):
        if name not in mapping.fields or any(
            each not in files.names for each in mapping.fields[name].columns
        ):
            raise _lacks(files.given, name)
    converter = Converter(mapping, reading.base_currency, now_ms(), reading.accepted, wanted)
    survey, tables, said = Survey(), [], []
    with reading.steps("read", files.total) as advance:
        for rows in files.batches(converter.columns, converter.absent):
            found = converter.convert(rows)
            survey.add(rows, found)
            tables.append(found.transactions)
            if found.labelled is not None:
                said.append(found.labelled)
            advance(rows.batch.num_rows)
    survey.check(files.given, (*reading.accepted, "one-customer"))
    table = pa.concat_tables(tables)
    labelled = all_of(said) if said else None
    occurred = table["occurred_at"].to_numpy()
    if (np.diff(occurred) < 0).any():
        order = np.argsort(occurred, kind="stable")
        table = table.take(pa.array(order))
        labelled = None if labelled is None else labelled.of(order)
    return table, labelled, survey


def _labelled_alone(
    table: pa.Table, labelled: Labelled, left_out: LeftOut
) -> tuple[pa.Table, Labelled]:
    """The rows with a label; the others are counted as left out."""
    there = labelled.has_label
    if not there.all():
        amounts = table["base_amount_minor"].filter(pa.array(~there))
        left_out.add_all(_NO_LABEL, amounts.to_pylist())
    return table.filter(pa.array(there)), labelled.of(there)


def _is_one_amount(mapping: Mapping) -> bool:
    """Whether base amounts are the file's amounts, which have a currency: then they are in it."""
    fields = mapping.fields
    return "currency" in fields and fields.get("base_amount_minor") is fields.get("amount_minor")


def _currency(table: pa.Table, mapping: Mapping, path: Path) -> str:
    if BASE_CURRENCY not in table.column_names and _is_one_amount(mapping):
        table = table.rename_columns(
            [BASE_CURRENCY if name == "currency" else name for name in table.column_names]
        )
    return one_currency(table, path)


def _as_written(ids: pa.Array) -> pa.Array:
    """The book's ids as the numbers that they are there."""
    try:
        return ids.cast(pa.int64())
    except pa.ArrowInvalid:
        return ids


def _frauds(labelled: Labelled) -> KnownFrauds:
    """The frauds in the order in which they became known."""
    rows = np.flatnonzero(labelled.is_fraud)
    known = labelled.known_at[rows]
    order = np.argsort(known, kind="stable")
    return KnownFrauds(row=rows[order], known_at=known[order])


def without_label(path: Path, reading: Reading, names: Collection[str] = ()) -> Fatal:
    """The refusal of a file without labels. `names`: its columns, of which one may be the label."""
    if reading.mapping is None:
        return _lacks(path, LABEL)
    likely = next((each for each in names if re.search(_LABEL_WORDS, each.lower())), None)
    like = f", perhaps `{{{LABEL}: {likely}}}`" if likely else f" with {LABEL}"
    return Fatal(
        what="the mapping has no section `label` that says what is a fraud",
        where=str(path),
        do=f"add one to the mapping{like}",
        exit_code=Exit.INPUT,
    )


def _lacks(path: Path, name: str) -> Fatal:
    return Fatal(
        what=f"column {name} is missing",
        where=str(path),
        do=f"give a file with {', '.join(NEEDED)}, or a --mapping",
        exit_code=Exit.INPUT,
    )


def _no_id_twice(ids: pa.ChunkedArray, customers: pa.ChunkedArray, path: Path) -> None:
    """Fatal where a customer has an id twice; two customers may share one."""
    if (
        pa.types.is_integer(ids.type) and (np.diff(ids.to_numpy()) > 0).all()
    ):  # as files number them: no table of ids is made
        return
    found = np.sort(hashes(ids))
    if (found[1:] != found[:-1]).all():  # equal ids have equal hashes, which are sorted faster
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
        exit_code=Exit.INPUT,
    )
