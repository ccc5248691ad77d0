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

from riskstream.domain.contracts.columns import ColumnDecoder, Columns
from riskstream.domain.contracts.writers import when_known
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.lanes.ports import LIVE, REPLAY, REPLAY_DUPLICATE, Batch, ReadResult
from riskstream.platform.kafka.record import Record
from riskstream.scorer.flags import FLAG_COLD, FLAG_PARTIAL
from riskstream.scorer.fold import VERDICT_DUPLICATE, Applied, Fold
from riskstream.workbench.checks.parity_found import Parity
from riskstream.workbench.checks.profile_parity import ProfileParity
from riskstream.workbench.checks.score_columns import floats_of, part_of

CHUNK = 2048


@dataclass(slots=True)
class _Partition:
    """Of one partition: transactions and scores that wait for each other, and the scorer's
    state.
    """

    fold: Fold
    transactions: deque[Record] = field(default_factory=deque)
    scores: deque[tuple[int, bytes]] = field(default_factory=deque)
    pairs: list[tuple[Record, bytes]] = field(default_factory=list)


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
        self._decoder = ColumnDecoder("score.v1")
        self._transactions = ColumnDecoder("transaction.v1")
        self._partitions: dict[int, _Partition] = {}
        self._owned = len(features.inputs) + len(features.owned)
        self.profiles = ProfileParity(features, self.found)
        """Its events are to be taken when all scores were."""

    def take(self, records: list[Record]) -> None:
        """Records of both topics as they were read."""
        mine = [record for record in records if record.topic != self._source]
        columns, rows = self._accepted.take(mine)
        srcs = columns.numbers("src").tolist()
        for row in rows:
            self._of(mine[row].partition).scores.append((srcs[row], mine[row].value or b""))
        for record in records:
            if record.topic == self._source:
                self._of(record.partition).transactions.append(record)
        for number, partition in self._partitions.items():
            self._pair(partition)
            while len(partition.pairs) >= CHUNK:
                self._compare(number, partition, partition.pairs[:CHUNK])
                del partition.pairs[:CHUNK]

    def finish(self) -> Parity:
        for number, partition in self._partitions.items():
            if partition.pairs:
                self._compare(number, partition, partition.pairs)
                partition.pairs = []
            for src, _ in partition.scores:
                self.found.without_source += 1
                self.found.note(f"partition {number} src {src}: no such transaction")
        return self.found

    def _of(self, number: int) -> _Partition:
        if number not in self._partitions:
            self._partitions[number] = _Partition(fold=Fold(self._features, self._base_currency))
        return self._partitions[number]

    def _pair(self, partition: _Partition) -> None:
        """Join by position; a transaction that was passed over (aborted upstream) has no score."""
        while partition.scores and partition.transactions:
            src, frame = partition.scores[0]
            record = partition.transactions.popleft()
            if record.offset > src:  # its transaction is gone from the source, or was never there
                partition.transactions.appendleft(record)
                partition.scores.popleft()
                self.found.without_source += 1
                self.found.note(f"partition {record.partition} src {src}: no such transaction")
            elif record.offset == src:
                partition.scores.popleft()
                partition.pairs.append((record, frame))

    def _compare(
        self, number: int, partition: _Partition, pairs: list[tuple[Record, bytes]]
    ) -> None:
        logged = self._decoder.decode_known([frame for _, frame in pairs])
        # of a state that the topics alone do not give
        unlike = FLAG_COLD.encode(), FLAG_PARTIAL.encode()
        flags = [part_of(logged, "flags", at) for at in range(len(pairs))]
        is_flagged = np.array([any(flag in each for flag in unlike) for each in flags])
        is_duplicate = logged.numbers("verdict") == VERDICT_DUPLICATE
        modes = np.where(is_flagged, np.where(is_duplicate, REPLAY_DUPLICATE, REPLAY), LIVE).astype(
            np.uint8
        )
        records = [record for record, _ in pairs]
        offsets = np.array([record.offset for record in records], np.int64)
        batch = Batch(
            values=[record.value for record in records],
            keys=[record.key for record in records],
            partitions=np.full(len(records), number, np.int32),
            offsets=offsets,
            prevs=offsets - 1,
            appended_at=np.array([record.appended_at for record in records], np.int64),
            modes=modes,
            partition_count=self._count,
        )
        judged = when_known(lambda: partition.fold.prepare(batch))
        applied = partition.fold.apply(judged, ReadResult.empty(judged.rows))
        transactions = (
            self._transactions.decode_known([record.value for record in records])
            if self._features.profiles
            else None
        )
        for at in range(len(pairs)):
            if is_flagged[at]:
                self.found.flagged += 1
                continue
            if (
                self._compare_one(number, int(offsets[at]), logged, applied, at)
                and transactions is not None
            ):
                self.profiles.note(
                    logged, transactions, at, f"partition {number} src {int(offsets[at])}"
                )

    def _compare_one(
        self, number: int, src: int, logged: Columns, applied: Applied, at: int
    ) -> bool:
        """Compare verdict and the columns that the scorer owns; True where there is a vector of
        this set.
        """
        verdicts = logged.numbers("verdict")[at], applied.verdicts[at]
        if verdicts[0] != verdicts[1]:
            self.found.verdicts_differ += 1
            self.found.note(
                f"partition {number} src {src}: verdict {verdicts[0]} logged, {verdicts[1]} "
                "computed"
            )
            return False
        if logged.is_null("feature_set")[at]:
            self.found.rejected += 1
            return False
        if logged.text("feature_set", at) != self._features.label:
            self.found.other_set += 1
            return False
        self.found.compared += 1
        ours = applied.vectors[at, : self._owned]
        theirs = floats_of(logged, at, len(self._features.names))[: self._owned]
        if ours.tobytes() != theirs.tobytes():
            self.found.vectors_differ += 1
            names = [
                name
                for name, a, b in zip(
                    self._features.names, ours.tolist(), theirs.tolist(), strict=False
                )
                if a != b and (a == a or b == b)
            ]
            self.found.note(
                f"partition {number} src {src} {logged.text('customer_id', at)}: "
                f"{', '.join(names)} differ"
            )
        return True
