"""What rules would have done over a file of past transactions: by rule its alerts a day, precision
and money.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.money import exact
from riskstream.domain.risk.rules.expression import Lists
from riskstream.domain.risk.rules.names import Kind, Name
from riskstream.domain.risk.rules.rule import Rule
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.workbench.mapping.hashed import hashes
from riskstream.workbench.rows.columns import enum_indices
from riskstream.workbench.rows.transactions import AS_IS, Reading, read_transactions

CHUNK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one rule, or of all together: rows it is true of, a day at most and in the mean, frauds
    among them, money. `labelled`: of the rows it is true of, those with a label.
    """

    name: str
    action: str
    rows: int
    matched: int
    days: int
    most_a_day: int
    frauds: int
    all_frauds: int
    fraud_minor: int
    genuine_minor: int
    labelled: int
    max_share: float

    @property
    def share(self) -> float:
        return self.matched / max(self.rows, 1)

    @property
    def is_refused(self) -> bool:
        """True where it would stop more than it may."""
        return self.share > self.max_share

    @property
    def precision(self) -> float | None:
        return self.frauds / self.labelled if self.labelled else None

    @property
    def recall(self) -> float | None:
        return self.frauds / self.all_frauds if self.all_frauds else None


class FileRows:
    """Rows of a file as rules read them: the contract's columns, and the features computed over
    it.
    """

    def __init__(
        self,
        path: Path,
        features: FeatureSet,
        names: dict[str, Name],
        needed: frozenset[str],
        reading: Reading = AS_IS,
    ) -> None:
        places = {
            each: features.names.index(each)
            for each in needed
            if each in features.names and each not in _CONTRACT
        }
        wanted = sorted(name for name in needed if name not in places)
        if "score" in wanted:
            raise Fatal(
                what="a rule asks for the score, which a file has not",
                where=str(path),
                do="leave it out of a dry run",
                exit_code=2,
            )
        read = read_transactions(path, replace(reading, more=tuple(wanted)))
        self.occurred_at = read.columns.occurred_at
        self.amount_minor = exact(read.columns.base_amount_minor)
        self.base_currency, self.left_out = read.base_currency, read.left_out
        mapped = reading.mapping.fields if reading.mapping else wanted
        self.left_empty = [name for name in wanted if name not in mapped]
        self.labels, self.has_label = read.labels, read.has_label
        self._names, self._slice = names, slice(0, len(self.occurred_at))
        self._features = read.vectors(features, dtype=np.float64) if places else None
        self._places = places
        self._table = pa.table({}) if read.more is None else read.more

    def __len__(self) -> int:
        return self._slice.stop - self._slice.start

    def at(self, start: int, stop: int) -> "FileRows":
        """These rows from `start` to `stop` are read next."""
        self._slice = slice(start, min(stop, len(self.occurred_at)))
        return self

    def numbers(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if name in self._places and self._features is not None:
            values = self._features[self._slice, self._places[name]]
            return values, ~np.isnan(values)
        column = self._column(name)
        there = np.asarray(pc.is_valid(column).to_numpy(), np.bool_)
        if self._names[name].kind is Kind.SYMBOL:
            return enum_indices(column, name).astype(np.float64), there
        return np.asarray(pc.fill_null(column, 0).to_numpy(), np.float64), there

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        column = self._column(name)
        there = np.asarray(pc.is_valid(column).to_numpy(), np.bool_)
        return hashes(pc.fill_null(column.cast(pa.string()), "")), there

    def _column(self, name: str) -> pa.ChunkedArray:
        return self._table[name].slice(self._slice.start, len(self))


_CONTRACT = frozenset({"kind", "channel", "mcc"})
"""Inputs of feature sets that are fields as well: read as fields."""


def dry_run(
    rules: list[Rule], rows: FileRows, lists: Lists, progress: Any = lambda _: None
) -> list[Outcome]:
    """An outcome a rule, then one of all together (any that is true; its action is the
    strongest).
    """
    n = len(rows.occurred_at)
    matched = np.zeros((len(rules), n), np.bool_)
    for start in range(0, n, CHUNK):
        part = rows.at(start, start + CHUNK)
        for index, rule in enumerate(rules):
            matched[index, start : start + CHUNK] = rule.when.matches(part, lists)
        progress(len(part))
    out = [
        _outcome(rule.rule_id, rule.action, rule.max_share, matched[at], rows)
        for at, rule in enumerate(rules)
    ]
    return [*out, _outcome("all", "", 1.0, np.asarray(matched.any(axis=0)), rows)]


def _outcome(
    name: str, action: str, max_share: float, matched: NDArray[np.bool_], rows: FileRows
) -> Outcome:
    labels = rows.labels if rows.labels is not None else np.zeros(len(matched), np.bool_)
    known = rows.has_label if rows.has_label is not None else np.zeros(len(matched), np.bool_)
    day = rows.occurred_at // DAY_MS
    counts = np.bincount(day[matched] - day[0]) if matched.any() else np.zeros(1, np.int64)
    return Outcome(
        name=name,
        action=action,
        rows=len(matched),
        matched=int(matched.sum()),
        days=int(day[-1] - day[0]) + 1,
        most_a_day=int(counts.max()),
        frauds=int((matched & labels).sum()),
        all_frauds=int(labels.sum()),
        fraud_minor=int(rows.amount_minor[matched & labels].sum()),
        genuine_minor=int(rows.amount_minor[matched & known & ~labels].sum()),
        labelled=int((matched & known).sum()),
        max_share=max_share,
    )
