"""What a file holds, as its mapping reads it: counts, ranges, days, words, repeats. Memory grows by
8 bytes a row.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.runtime.durations import DAY_MS
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.convert import Converted
from riskstream.workbench.mapping.distinct import Distinct, Repeats
from riskstream.workbench.mapping.findings import shown
from riskstream.workbench.mapping.hashed import hashes
from riskstream.workbench.mapping.survey import Survey

WORDS = ("kind", "channel", "currency", "country", "mcc")
"""Fields whose values are counted."""
IDS = ("customer_id", "terminal_id", "merchant_id", "device_id", "counterparty_id")
"""Fields whose different values are counted."""
SAMPLES = 5
"""Rows that are kept to be shown."""
EDGES_MINOR = 10 ** np.arange(0, 14, dtype=np.int64)
"""Amounts are counted between these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A row that fits: its `place` in its file, its columns as they are `written`, the fields that
    were `read`, and whether it `is_fraud`: None without a label.
    """

    place: int
    written: dict[str, str]
    read: dict[str, Any]
    is_fraud: bool | None


@dataclass(slots=True)
class Looked:
    """Of the rows that fit. Money in minor units, times in ms since 1970 UTC; a day is its number
    since 1970. `amounts` int64[14]: how many are at least EDGES_MINOR[at] and below the next.
    """

    survey: Survey = field(default_factory=Survey)
    first_ms: int = 0
    last_ms: int = 0
    goes_back: int = 0
    least_minor: int = 0
    most_minor: int = 0
    total_minor: int = 0
    frauds: int = 0
    fraud_minor: int = 0
    days: Counter[int] = field(default_factory=Counter)
    fraud_days: Counter[int] = field(default_factory=Counter)
    words: dict[str, Counter[str]] = field(default_factory=dict)
    amounts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(14, np.int64))
    samples: list[Sample] = field(default_factory=list)
    _ids: dict[str, Distinct] = field(default_factory=dict)
    _names: Repeats = field(default_factory=Repeats)

    def add(self, rows: FileRows, found: Converted) -> None:
        """The rows of a batch."""
        self.survey.add(rows, found)
        table = found.transactions
        if not table.num_rows:
            return
        occurred = np.asarray(table["occurred_at"].to_numpy(), np.int64)
        amount = np.asarray(table["base_amount_minor"].to_numpy(), np.int64)
        self._add_times(occurred)
        self._add_amounts(amount)
        if found.labelled is not None:
            is_fraud = found.labelled.is_fraud
            self.frauds += int(is_fraud.sum())
            self.fraud_minor += sum(amount[is_fraud].tolist())
            _count(self.fraud_days, occurred[is_fraud] // DAY_MS)
        for name in WORDS:
            if name in table.column_names:
                counted = pc.value_counts(table[name].combine_chunks())
                into = self.words.setdefault(name, Counter())
                for each in counted.to_pylist():
                    into["(none)" if each["values"] is None else str(each["values"])] += each[
                        "counts"
                    ]
        for name in IDS:
            if name in table.column_names:
                self._ids.setdefault(name, Distinct()).add(hashes(table[name].drop_null()))
        self._add_samples(rows, found)
        joined = pc.binary_join_element_wise(table["customer_id"], table["transaction_id"], "\0")
        self._names.add(hashes(joined))

    def _add_samples(self, rows: FileRows, found: Converted) -> None:
        """The first rows of the file that fit."""
        for at in range(min(SAMPLES - len(self.samples), found.transactions.num_rows)):
            place = int(found.places[at])
            row = int(np.searchsorted(rows.places, place))
            said = found.labelled
            has_label = said is not None and said.has_label[at]
            self.samples.append(
                Sample(
                    place=place,
                    written={
                        name: shown(rows.batch.column(name)[row])
                        for name in rows.batch.schema.names
                    },
                    read={
                        name: found.transactions[name][at].as_py()
                        for name in found.transactions.column_names
                    },
                    is_fraud=bool(said.is_fraud[at]) if said is not None and has_label else None,
                )
            )

    def _add_times(self, occurred: NDArray[np.int64]) -> None:
        latest = np.maximum.accumulate(np.concatenate([[self.last_ms], occurred]))
        self.goes_back += int((occurred < latest[:-1]).sum())
        self.first_ms = min(self.first_ms or int(occurred[0]), int(occurred.min()))
        self.last_ms = max(self.last_ms, int(occurred.max()))
        _count(self.days, occurred // DAY_MS)

    def _add_amounts(self, amount: NDArray[np.int64]) -> None:
        is_first = not self.amounts.any()
        self.least_minor = int(amount.min()) if is_first else min(self.least_minor, amount.min())
        self.most_minor = max(self.most_minor, int(amount.max()))
        self.total_minor += sum(amount.tolist())
        places = np.clip(np.searchsorted(EDGES_MINOR, amount, side="right") - 1, 0, 13)
        self.amounts += np.bincount(places, minlength=14)

    def ids(self) -> dict[str, tuple[int, bool]]:
        """(how many different values each field of ids has, whether that is exact)."""
        return {name: (found.count(), found.is_exact) for name, found in self._ids.items()}

    def repeats(self) -> int:
        """Rows whose customer and transaction stand above already."""
        return self._names.count()


def _count(into: Counter[int], days: NDArray[np.int64]) -> None:
    for day, count in zip(*np.unique(days, return_counts=True), strict=True):
        into[int(day)] += int(count)
