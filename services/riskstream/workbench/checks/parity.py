"""Parity: the vector that a score logged against the one that the kernel gives at its position, bit
for bit.

Every accepted score is paired with its transaction and computed again, partition by partition in
order, from an empty state. What was scored without its customer's row (flagged cold) is applied as
recorded and not compared: its vector is not of the whole state. `profile_parity.py` compares the
vectors of profiles.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import Columns
from riskstream.domain.contracts.writers import when_known
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.lanes.ports import LIVE, REPLAY, REPLAY_DUPLICATE, Batch, ReadResult
from riskstream.platform.kafka.record import Records
from riskstream.scorer.flags import FLAG_COLD, FLAG_PARTIAL
from riskstream.scorer.fold import VERDICT_DUPLICATE, Applied, Fold
from riskstream.workbench.checks.parity_found import Parity
from riskstream.workbench.checks.profile_parity import ProfileParity
from riskstream.workbench.checks.score_columns import equal_floats

_UNLIKE = FLAG_COLD.encode(), FLAG_PARTIAL.encode()
"""Flags of scores of a state that the topics alone do not give."""


@dataclass(frozen=True, slots=True)
class _Scores:
    """Accepted scores of one partition: `rows` of some columns, and of which source offsets they
    are, which rise.
    """

    columns: Columns
    rows: NDArray[np.int64]
    srcs: NDArray[np.int64]

    def __getitem__(self, some: slice | NDArray[np.bool_]) -> "_Scores":
        return _Scores(self.columns, self.rows[some], self.srcs[some])


@dataclass(slots=True)
class _Partition:
    """Of one partition: transactions and scores that wait for each other, and the scorer's
    state.
    """

    number: int
    fold: Fold
    transactions: deque[Records] = field(default_factory=deque)
    scores: deque[_Scores] = field(default_factory=deque)

    def taken(self) -> tuple[Records, _Scores]:
        """Of the first transactions and the first scores those that no later one of the other side
        can belong to.
        """
        records, scores = self.transactions.popleft(), self.scores.popleft()
        up_to = min(records.offsets[-1], scores.srcs[-1])
        read = int(np.searchsorted(records.offsets, up_to, "right"))
        answered = int(np.searchsorted(scores.srcs, up_to, "right"))
        if read < len(records):
            self.transactions.appendleft(records.rows(np.arange(read, len(records))))
        if answered < len(scores.srcs):
            self.scores.appendleft(scores[answered:])
        return records.rows(np.arange(read)), scores[:answered]


class ParityCheck:
    """Takes records of the source and of scores, in order by partition; `finish` gives what was
    found.
    """

    def __init__(
        self, features: FeatureSet, source: str, partition_count: int, base_currency: str
    ) -> None:
        self._base_currency = base_currency
        self.found = Parity()
        self._features, self._source, self._count = features, source, partition_count
        self._accepted = AcceptedScores()
        self._partitions: dict[int, _Partition] = {}
        self._owned = len(features.inputs) + len(features.owned)
        self.profiles = ProfileParity(features, self.found)
        """Its events are to be taken when all scores were."""

    def take(self, records: Records) -> None:
        """Records of one partition, of either topic, as they were read."""
        if not len(records):
            return
        partition = self._of(records.partition)
        if records.topic == self._source:
            partition.transactions.append(records)
        else:
            batch = self._accepted.decode(records)
            rows = self._accepted.rows_of_one(batch, records.partition)
            if len(rows):
                srcs = batch.columns.numbers("src")[rows]
                partition.scores.append(_Scores(batch.columns, rows, srcs))
        while partition.scores and partition.transactions:
            self._pair(partition)

    def finish(self) -> Parity:
        for partition in self._partitions.values():
            for scores in partition.scores:
                self._note_missing(partition, scores.srcs)
        return self.found

    def _of(self, number: int) -> _Partition:
        if number not in self._partitions:
            fold = Fold(self._features, self._base_currency)
            self._partitions[number] = _Partition(number, fold)
        return self._partitions[number]

    def _pair(self, partition: _Partition) -> None:
        """Join by position; a transaction that was passed over (aborted upstream) has no score."""
        records, scores = partition.taken()
        at = np.searchsorted(records.offsets, scores.srcs)
        is_there = at < len(records)
        is_there[is_there] = records.offsets[at[is_there]] == scores.srcs[is_there]
        self._note_missing(partition, scores.srcs[~is_there])
        if is_there.any():
            self._compare(partition, records.rows(at[is_there]), scores[is_there])

    def _note_missing(self, partition: _Partition, srcs: NDArray[np.int64]) -> None:
        """Scores whose transactions are gone from the source, or were never there."""
        self.found.without_source += len(srcs)
        for src in srcs[: self.found.left].tolist():
            self.found.note(f"partition {partition.number} src {src}: no such transaction")

    def _compare(self, partition: _Partition, records: Records, scores: _Scores) -> None:
        """Compare verdicts and the columns that the scorer owns, of scores and their
        transactions.
        """
        logged, rows, found = scores.columns, scores.rows, self.found
        verdicts = logged.numbers("verdict")[rows]
        is_flagged = logged.names_one("flags", rows, _UNLIKE)
        batch = self._batch(records, verdicts, is_flagged)
        judged = when_known(lambda: partition.fold.prepare(batch))
        applied = partition.fold.apply(judged, ReadResult.empty(judged.rows))
        is_other = ~is_flagged & (verdicts != applied.verdicts)
        is_left = ~is_flagged & ~is_other
        is_rejected = logged.is_null("feature_set")[rows] != 0
        is_ours = logged.is_text("feature_set", self._features.label.encode())[rows] & ~is_rejected
        found.flagged += int(is_flagged.sum())
        found.verdicts_differ += int(is_other.sum())
        found.rejected += int((is_left & is_rejected).sum())
        found.other_set += int((is_left & ~is_rejected & ~is_ours).sum())
        compared = np.flatnonzero(is_left & is_ours)
        found.compared += len(compared)
        wide, ours = len(self._features.names), applied.vectors[compared, : self._owned]
        is_equal = equal_floats(logged, rows[compared], ours, wide)
        found.vectors_differ += int((~is_equal).sum())
        unlike = [*np.flatnonzero(is_other).tolist(), *compared[~is_equal].tolist()]
        for at in sorted(unlike)[: found.left]:
            if is_other[at]:
                said = f"verdict {verdicts[at]} logged, {applied.verdicts[at]} computed"
                found.note(f"partition {partition.number} src {scores.srcs[at]}: {said}")
            else:
                self._note_vector(partition, scores, applied, at)
        if self._features.profiles:
            for at in compared.tolist():
                place = f"partition {partition.number} src {scores.srcs[at]}"
                self.profiles.note(logged, rows[at], judged.columns, at, place)

    def _batch(
        self, records: Records, verdicts: NDArray[np.int64], is_flagged: NDArray[np.bool_]
    ) -> Batch:
        """What the scorer saw; flagged scores are applied as they were recorded."""
        recorded = np.where(verdicts == VERDICT_DUPLICATE, REPLAY_DUPLICATE, REPLAY)
        return Batch(
            values=records.values,
            keys=records.keys,
            partitions=np.full(len(records), records.partition, np.int32),
            offsets=records.offsets,
            prevs=records.offsets - 1,
            appended_at=records.appended_at,
            modes=np.where(is_flagged, recorded, LIVE).astype(np.uint8),
            partition_count=self._count,
        )

    def _note_vector(
        self, partition: _Partition, scores: _Scores, applied: Applied, at: int
    ) -> None:
        """Say which features of a score differ."""
        logged, row, wide = scores.columns, int(scores.rows[at]), len(self._features.names)
        customer = logged.text("customer_id", row)
        place = f"partition {partition.number} src {scores.srcs[at]} {customer}"
        theirs = np.array(logged.value("features", row), np.float32)
        if len(theirs) != wide:
            self.found.note(f"{place}: {len(theirs)} features, not {wide}")
            return
        pairs = zip(
            self._features.names[: self._owned],
            applied.vectors[at, : self._owned].tolist(),
            theirs.tolist(),
            strict=False,
        )
        names = [name for name, a, b in pairs if a != b and (a == a or b == b)]
        self.found.note(f"{place}: {', '.join(names)} differ")
