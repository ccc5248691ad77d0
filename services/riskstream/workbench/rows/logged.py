"""Rows to train on from the topics themselves: the vectors that scores logged, joined with the
labels that came later.

The vector is the one that was used, so that no feature is computed again and none can know what
came after.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import ColumnDecoder, Columns
from riskstream.domain.risk.features.declare import LABEL_DELAY_MS, FeatureSet
from riskstream.domain.risk.features.owned.repeats_kernel import GOOD
from riskstream.domain.risk.features.profiles.labels import FRAUD, standings
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.record import Record, Records
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.files.columnar import notes_of
from riskstream.workbench.files.reader import Files, paths_of, read_columns
from riskstream.workbench.rows.columns import BASE_CURRENCY, one_currency
from riskstream.workbench.rows.dataset import Dataset, check_two_classes

MARK = b"riskstream.logged"
"""Key of the Parquet file's metadata that says of which feature set its vectors are."""
STAGE2 = "stage2_score"
"""Column of the second stage's scores, null where it was not asked; files of older versions have
none.
"""
MAX_LATE_MS = 120 * DAY_MS
_DECISIONS = ("UNKNOWN", "APPROVE", "REVIEW", "BLOCK")


@dataclass(slots=True)
class Joined:
    """Counts: rows written and the frauds among them; what was left out, and why.

    `immature`: no label yet and younger than the delay; `cold`: scored without the customer's
    state; `late`: labels known more than MAX_LATE_MS after their transaction; `strange`: labels of
    transactions without a score here; `other_currency`: scores of another base currency, which
    scorers of before let pass.
    """

    rows: int = 0
    frauds: int = 0
    immature: int = 0
    cold: int = 0
    other_set: int = 0
    late: int = 0
    strange: int = 0
    other_currency: int = 0


@dataclass(slots=True)
class _Part:
    """Scores of one partition and poll."""

    texts: dict[str, list[str]]
    numbers: dict[str, NDArray[np.int64]]
    score: NDArray[np.float32]
    stage2_score: NDArray[np.float32]
    """NaN where no second stage was asked."""
    vectors: NDArray[np.float32]


class LoggedRows:
    """Takes records of scores.v1 and labels.v1, each in order by partition; then `table`."""

    def __init__(self, features: FeatureSet, base_currency: str = "EUR") -> None:
        self._base = base_currency
        self.found = Joined()
        self._features = features
        self._parts: list[_Part] = []
        self._labels: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
        """By customer and transaction, whose id is unique within its customer."""
        self._newest_ms = 0
        self._scores, self._said = AcceptedScores(), ColumnDecoder("label.v1")

    def take_scores(self, given: Sequence[Record]) -> None:
        """Of one partition. Repeats and what was rejected are passed over; cold scores and those of
        other sets are counted.
        """
        records = Records.of(given)
        batch = self._scores.decode(records)
        columns, rows = batch.columns, self._scores.rows_of_one(batch, records.partition)
        is_scored = (columns.numbers("verdict") == GOOD) & (columns.is_null("score") == 0)
        rows = rows[is_scored[rows]]
        is_ours = columns.is_text("feature_set", self._features.label.encode())[rows]
        self.found.other_set += int((~is_ours).sum())
        rows = rows[is_ours]
        is_base = columns.is_text("base_currency", self._base.encode())[rows]
        self.found.other_currency += int((~is_base).sum())
        rows = rows[is_base]
        is_cold = columns.names_one("flags", rows, [b"cold"])
        self.found.cold += int(is_cold.sum())
        rows = rows[~is_cold]
        if not len(rows):
            return
        self._parts.append(self._part(columns, rows, records.partition))
        self._newest_ms = max(self._newest_ms, int(columns.numbers("occurred_at")[rows].max()))

    def _part(self, columns: Columns, rows: NDArray[np.int64], partition: int) -> _Part:
        names = ("src", "occurred_at", "base_amount_minor", "decision")
        return _Part(
            texts={name: columns.texts(name, rows) for name in ("transaction_id", "customer_id")},
            numbers={
                "partition": np.full(len(rows), partition, np.int64),
                **{name: columns.numbers(name)[rows] for name in names},
            },
            score=columns.numbers("score")[rows],
            stage2_score=np.where(
                columns.is_null("stage2_score")[rows] == 0,
                columns.numbers("stage2_score")[rows],
                np.float32(np.nan),
            ),
            vectors=columns.float_rows("features", rows, len(self._features.names)),
        )

    def take_labels(self, given: Sequence[Record]) -> None:
        """All that are said of a transaction are kept until `table` knows as of when."""
        columns = self._said.decode_known(Records.of(given).values)
        good = np.flatnonzero(columns.status == 0)
        known, happened = columns.numbers("known_at"), columns.numbers("occurred_at")
        ranks = standings(
            columns.numbers("source") * (columns.status == 0), known, columns.numbers("outcome")
        )
        is_late = known - happened > MAX_LATE_MS
        self.found.late += int(is_late[good].sum())
        rows = good[~is_late[good]]
        said = (each[rows].tolist() for each in (ranks, known, columns.numbers("outcome")))
        names = (columns.texts(name, rows) for name in ("customer_id", "transaction_id"))
        for name, each in zip(zip(*names, strict=True), zip(*said, strict=True), strict=True):
            self._labels.setdefault(name, []).append(each)
        if len(rows):
            self._newest_ms = max(self._newest_ms, int(known[rows].max()))

    def table(self, as_of_ms: int | None = None, delay_ms: int = LABEL_DELAY_MS) -> pa.Table:
        """Rows by time, then position. A label counts that was known by then; without one a row is
        genuine once it is `delay_ms` old, and is left out before. As of the newest event or label
        by default.
        """
        now = self._newest_ms if as_of_ms is None else as_of_ms
        ids, customers = (
            _joined(part.texts[name] for part in self._parts)
            for name in ("transaction_id", "customer_id")
        )
        names = list(zip(customers, ids, strict=True))
        happened = self._column("occurred_at")
        is_fraud = np.zeros(len(ids), np.bool_)
        known_at = happened + delay_ms
        is_known = known_at <= now
        for row, name in enumerate(names):
            said = [each for each in self._labels.get(name, ()) if each[1] <= now]
            if said:
                _, known, outcome = max(said)
                is_fraud[row], known_at[row], is_known[row] = outcome == FRAUD, known, True
        rows = np.flatnonzero(is_known & (happened <= now))
        rows = rows[
            np.lexsort((self._column("src")[rows], self._column("partition")[rows], happened[rows]))
        ]
        self.found.rows, self.found.frauds = len(rows), int(is_fraud[rows].sum())
        self.found.immature = len(ids) - len(rows)
        self.found.strange = len(self._labels.keys() - set(names))
        vectors = np.concatenate(
            [part.vectors for part in self._parts]
            or [np.empty((0, len(self._features.names)), np.float32)]
        )
        picked = pa.array(rows)
        columns = {
            "transaction_id": pa.array(ids, pa.string()).take(picked),
            "customer_id": pa.array(customers, pa.string()).take(picked),
            "occurred_at": pa.array(happened[rows], pa.timestamp("ms")),
            "base_amount_minor": self._column("base_amount_minor")[rows],
            BASE_CURRENCY: pa.array([self._base] * len(rows), pa.string()),
            "score": self._floats("score")[rows],
            STAGE2: pa.array(self._floats("stage2_score")[rows], from_pandas=True),
            "decision": pa.array(
                [_DECISIONS[each] for each in self._column("decision")[rows].tolist()], pa.string()
            ),
            "is_fraud": is_fraud[rows],
            "label_known_at": pa.array(known_at[rows], pa.timestamp("ms")),
        }
        columns |= {
            vector_column(name): vectors[rows, at] for at, name in enumerate(self._features.names)
        }
        return pa.table(columns).replace_schema_metadata({MARK: self._features.label.encode()})

    def _column(self, name: str) -> NDArray[np.int64]:
        return np.concatenate(
            [part.numbers[name] for part in self._parts] or [np.empty(0, np.int64)]
        )

    def _floats(self, name: str) -> NDArray[np.float32]:
        parts = [getattr(part, name) for part in self._parts]
        return np.concatenate(parts or [np.empty(0, np.float32)])


def is_logged(given: Path) -> bool:
    """True where files hold logged vectors; False also where they are no Parquet files at all."""
    return any(MARK in notes_of(path) for path in paths_of(given))


def check_logged(path: Path, features: FeatureSet) -> None:
    """Fatal where the vectors of files are of another feature set."""
    for each in paths_of(path):
        label = notes_of(each).get(MARK, b"no feature set").decode()
        if label != features.label:
            raise Fatal(
                what=f"its vectors belong to {label}, not to {features.label}",
                where=str(each),
                do="give --features as the scorer was started with",
                exit_code=Exit.INPUT,
            )


def read_logged(path: Path, features: FeatureSet, base_currency: str) -> Dataset:
    """The rows of files of logged vectors. Fatal where they are of another feature set or base
    currency, or the labels of one class.
    """
    check_logged(path, features)
    files = Files(path)
    table = read_columns(files, files.names)
    labels = np.array(table["is_fraud"].to_numpy(), np.bool_)
    check_two_classes(labels, path)
    codes = table["customer_id"].combine_chunks().dictionary_encode().indices
    return Dataset(
        rows=np.stack(
            [table[vector_column(name)].to_numpy() for name in features.names], axis=1
        ).astype(np.float32),
        labels=labels,
        occurred_at=np.array(table["occurred_at"].cast(pa.int64()).to_numpy(), np.int64),
        customers=np.array(codes, np.int32),
        amounts_minor=np.array(table["base_amount_minor"].to_numpy(), np.int64),
        base_currency=one_currency(table, path, base_currency),
    )


def vector_column(name: str) -> str:
    """Column of a feature: inputs like the amount have the names of other columns."""
    return f"feature:{name}"


def _joined(parts: Iterable[list[str]]) -> list[str]:
    return [each for part in parts for each in part]
