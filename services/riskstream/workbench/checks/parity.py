"""Parity: the vector that a score logged against the one that the kernel gives at its position, bit
for bit.

Every accepted score is paired with its transaction and computed again, partition by partition in
order, from an empty state. What was scored without its customer's row (flagged cold) is applied as
recorded and not compared: its vector is not of the whole state. Vectors of profiles are computed
again from profile-events.v1 as of the offset that the score names.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import ColumnDecoder, Columns, longs
from riskstream.domain.contracts.writers import when_known
from riskstream.domain.risk.features.declare import Entity, FeatureSet
from riskstream.domain.risk.features.profiles.entity_profiles import Profiles
from riskstream.domain.risk.features.profiles.log import ProfileLog
from riskstream.domain.risk.features.profiles.vector import NEVER
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.lanes.ports import LIVE, REPLAY, REPLAY_DUPLICATE, Batch, ReadResult
from riskstream.platform.kafka.record import Record
from riskstream.scorer.flags import FLAG_COLD, FLAG_PARTIAL
from riskstream.scorer.fold import VERDICT_DUPLICATE, Applied, Fold

CHUNK = 2048
SHOWN = 20


@dataclass(slots=True)
class Parity:
    """Counts of scores: `compared` equal or not, `flagged` left out, `other_set` of another feature
    set and left out.

    `profiles_compared`: vectors of profiles, one an entity and score; `profiles_missing` of them
    were not there when it was scored.
    """

    compared: int = 0
    rejected: int = 0
    flagged: int = 0
    other_set: int = 0
    verdicts_differ: int = 0
    vectors_differ: int = 0
    without_source: int = 0
    profiles_compared: int = 0
    profiles_missing: int = 0
    profiles_differ: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """True where nothing differs and something was compared."""
        return bool(self.compared) and not (
            self.verdicts_differ
            or self.vectors_differ
            or self.without_source
            or self.profiles_differ
        )


@dataclass(slots=True)
class _Partition:
    """Of one partition: transactions and scores that wait for each other, and the scorer's
    state.
    """

    fold: Fold
    transactions: deque[Record] = field(default_factory=deque)
    scores: deque[tuple[int, bytes]] = field(default_factory=deque)
    pairs: list[tuple[Record, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Used:
    """A profile's vector that a score used: of which key, as of which offset, at the end of which
    tile.
    """

    entity: Entity
    key: bytes
    as_of: int
    closed_at: int
    vector: bytes
    score: str


class ParityCheck:
    """Takes records of the source and of scores, in order by partition; `finish` gives what was
    found.
    """

    def __init__(
        self, features: FeatureSet, source: str, partition_count: int, base_currency: str = "EUR"
    ) -> None:
        self._base_currency = base_currency
        self.found = Parity()
        self._features, self._source, self._count = features, source, partition_count
        self._accepted = AcceptedScores()
        self._decoder = ColumnDecoder("score.v1")
        self._transactions = ColumnDecoder("transaction.v1")
        self._partitions: dict[int, _Partition] = {}
        self._used: dict[int, list[_Used]] = {}
        self._logs: dict[int, ProfileLog] = {}
        self._owned = len(features.inputs) + len(features.owned)
        self._wide = {entity: len(mine) for entity, mine in features.profiles.items()}
        self._empty = {
            entity: Profiles(entity, mine).read(b"", 0)
            for entity, mine in features.profiles.items()
        }

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
                self._note(f"partition {number} src {src}: no such transaction")
        return self.found

    def take_profile_events(self, records: list[Record]) -> None:
        """Records of profile-events.v1 in order by partition, from its beginning; call it when all
        scores were taken.
        """
        for number in sorted({record.partition for record in records}):
            log = self._logs.setdefault(number, ProfileLog(self._features))
            wanted = self._used.get(number, [])
            wanted.sort(key=lambda each: -each.as_of)
            mine = [record for record in records if record.partition == number]
            done = 0
            while wanted and wanted[-1].as_of <= mine[-1].offset:
                used = wanted.pop()
                stop = done
                while stop < len(mine) and mine[stop].offset <= used.as_of:
                    stop += 1
                _take(log, mine[done:stop])
                done = stop
                self._compare_profile(
                    used, log.profiles[used.entity].read(used.key, used.closed_at)
                )
            _take(log, mine[done:])

    def _compare_profile(self, used: _Used, computed: NDArray[np.float32]) -> None:
        self.found.profiles_compared += 1
        if computed.tobytes() != used.vector:
            self.found.profiles_differ += 1
            logged = np.frombuffer(used.vector, np.float32)
            self._note(
                f"{used.score} {used.entity.name} as of {used.as_of}: {logged.tolist()} "
                f"logged, {computed.tolist()} computed"
            )

    def without_profile_events(self) -> int:
        """Vectors of profiles that are still to be compared: where there are some,
        profile-events.v1 ends too early.
        """
        return sum(map(len, self._used.values()))

    def _note_profiles(self, logged: Columns, transactions: Columns, at: int, words: str) -> None:
        vector = _floats(logged, at, len(self._features.names))[self._owned :]
        places = longs(_part(logged, "profiles", at))
        start = 0
        for index, (entity, wide) in enumerate(self._wide.items()):
            mine = vector[start : start + wide]
            start += wide
            partition, as_of, closed_at = places[3 * index : 3 * index + 3]
            if as_of != NEVER:
                used = _Used(
                    entity=entity,
                    key=transactions.text(entity.key, at).encode(),
                    as_of=as_of,
                    closed_at=closed_at,
                    vector=mine.tobytes(),
                    score=words,
                )
                self._used.setdefault(partition, []).append(used)
            elif np.isnan(mine).all():
                self.found.profiles_missing += 1
            else:
                self._compare_profile(
                    _Used(
                        entity=entity,
                        key=b"",
                        as_of=as_of,
                        closed_at=closed_at,
                        vector=mine.tobytes(),
                        score=words,
                    ),
                    self._empty[entity],
                )

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
                self._note(f"partition {record.partition} src {src}: no such transaction")
            elif record.offset == src:
                partition.scores.popleft()
                partition.pairs.append((record, frame))

    def _compare(
        self, number: int, partition: _Partition, pairs: list[tuple[Record, bytes]]
    ) -> None:
        logged = self._decoder.decode_known([frame for _, frame in pairs])
        # of a state that the topics alone do not give
        unlike = FLAG_COLD.encode(), FLAG_PARTIAL.encode()
        flags = [_part(logged, "flags", at) for at in range(len(pairs))]
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
            if self._wide
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
                self._note_profiles(
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
            self._note(
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
        theirs = _floats(logged, at, len(self._features.names))[: self._owned]
        if ours.tobytes() != theirs.tobytes():
            self.found.vectors_differ += 1
            names = [
                name
                for name, a, b in zip(
                    self._features.names, ours.tolist(), theirs.tolist(), strict=False
                )
                if a != b and (a == a or b == b)
            ]
            self._note(
                f"partition {number} src {src} {logged.text('customer_id', at)}: "
                f"{', '.join(names)} differ"
            )
        return True

    def _note(self, words: str) -> None:
        if len(self.found.problems) < SHOWN:
            self.found.problems.append(words)


def _take(log: ProfileLog, records: list[Record]) -> None:
    """Fold records of one partition of profile-events.v1 in."""
    when_known(lambda: log.take([record.value for record in records]))


def _floats(columns: Columns, at: int, count: int) -> NDArray[np.float32]:
    """float32[count] of a score's features, of which there must be so many."""
    raw = _part(columns, "features", at)
    return np.frombuffer(raw, "<f4", count, len(raw) - 1 - 4 * count)


def _part(columns: Columns, name: str, at: int) -> bytes:
    """The bytes of a list field: equal where all values are, bit for bit; empty where the list
    is.
    """
    starts, lengths = columns.span(name)
    raw = columns.data[starts[at] : starts[at] + lengths[at]].tobytes()
    return b"" if raw == b"\0" else raw
