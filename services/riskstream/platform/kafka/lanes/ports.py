"""What a lane needs from others: the work done on records, and the store of its rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.joined import Joined
from riskstream.platform.kafka.record import Made, Record, Records
from riskstream.platform.telemetry.context import TraceContext

LIVE, REPLAY, SKIP, REPLAY_DUPLICATE, JUDGE = 0, 1, 2, 3, 4
"""Modes of a record: score it; recorded as good: apply it silently, once; leave it (recorded as
rejected); recorded duplicate; answered before, but the answer is gone: judge it again and apply it
silently.
"""

OnStateLost = Literal["degrade", "restore", "hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """Rows of the asked keys by partition, in their order (None: the store has none).

    Of partitions in `unreadable` the store did not answer in time; those in `abandoned` are taken
    up anew.
    """

    rows: dict[int, list[bytes | None]]
    unreadable: frozenset[int]
    abandoned: frozenset[int]

    @classmethod
    def empty(cls, keys: dict[int, list[bytes]]) -> "ReadResult":
        """Of keys that the store does not have."""
        rows: dict[int, list[bytes | None]] = {
            partition: [None] * len(mine) for partition, mine in keys.items()
        }
        return cls(rows=rows, unreadable=frozenset(), abandoned=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A micro-batch of n records in the order they were read. Partitions are mixed; each partition
    is in order. Values and keys are `Joined` in a lane; kernels and the client read that fastest.
    """

    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    prevs: NDArray[np.int64]
    appended_at: NDArray[np.int64]
    modes: NDArray[np.uint8]
    partition_count: int
    answers: NDArray[np.int64] | None = None
    """Of each record to be replayed as a good one what it was answered
    (`risk.features.repeats.answers_of`), 0 where not known.
    """
    traces: dict[int, TraceContext] = field(default_factory=dict)
    """By index the context of each sampled record."""
    whole_since: dict[int, int] = field(default_factory=dict)
    """Of each partition whose rows are not whole: as in its mark."""


@dataclass(slots=True)
class Outcome:
    """What the work made of a batch: a frame for each live record, in order; who was rejected and
    why.

    Partitions in `abandoned` were not applied: their frames are None and the lane takes them up
    anew.
    """

    frames: Sequence[bytes | None]
    rejected: list[tuple[int, str]] = field(default_factory=list)
    abandoned: frozenset[int] = frozenset()
    ahead: dict[int, int] = field(default_factory=dict)
    """Of abandoned partitions the highest offset of a row that was at or past its own live record:
    another owner answered that far, or an owner before wrote what it never answered. Rows up to the
    answers known at assignment never show here.
    """

    @property
    def counted(self) -> Mapping[str, Mapping[str, int]]:
        """What the work has the lane count: how many of each kind, by the name of a counter in
        `LaneMetrics.counted`.
        """
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """n records of the output. `is_unread`: nobody knows the schema. Where `is_answer` is False the
    rest says nothing.

    `srcs` and `prevs`: source offsets. `verdicts`: places in the reader's verdicts. `answers`: as
    in `Recorded`. `reasons`: by row why it was rejected.
    """

    is_answer: NDArray[np.bool_]
    is_unread: NDArray[np.bool_]
    srcs: NDArray[np.int64]
    prevs: NDArray[np.int64]
    verdicts: NDArray[np.int64]
    answers: NDArray[np.int64]
    reasons: dict[int, str]


class AnswerReader(Protocol):
    """How a lane reads its own output. `verdicts`: their names. `replay_modes`: by verdict the mode
    of a record answered so.
    """

    @property
    def verdicts(self) -> Sequence[str]: ...

    @property
    def replay_modes(self) -> Mapping[str, int]: ...

    def read(self, frames: Sequence[bytes | None]) -> Answers: ...


class NeedsRows(Protocol):
    """A batch that was prepared. `rows`: by partition the keys whose rows must be read before it
    can be applied.
    """

    @property
    def rows(self) -> dict[int, list[bytes]]: ...


class Prepared(NeedsRows, Protocol):
    """A batch that can be scored once it was read for. `profiles`: what a ProfileReader is to
    read.
    """

    @property
    def profiles(self) -> list[bytes]: ...


class ProfileReader(Protocol):
    """What is held of each key, `:<entity>:<key>` or the clock `#<entity>:<partition>`; None where
    there was no answer in time.
    """

    def read(self, keys: list[bytes]) -> list[bytes | None] | None: ...


_N = TypeVar("_N", bound=NeedsRows)
_P = TypeVar("_P", bound=Prepared)


class FoldWork(Protocol[_N]):
    """What makes the state of owned keys: `prepare` changes none, `apply` takes the rows that it
    asked for.

    `prepare` raises SchemaWait where a record cannot be read yet. The next one comes after the
    `apply`.
    """

    def prepare(self, batch: Batch) -> _N: ...

    def apply(self, prepared: _N, rows: ReadResult) -> object: ...

    def take_changed(self, partition: int) -> list[tuple[bytes, bytes]]: ...

    def drop(self, partition: int) -> None: ...


class LaneWork(Protocol[_P]):
    """The pure part of a lane: holds the rows of owned keys and turns micro-batches into outputs.

    `prepare` as FoldWork's; `score` applies the batch and answers it. `profiles`: as their reader
    gave them.
    """

    @property
    def answers(self) -> AnswerReader: ...

    def prepare(self, batch: Batch) -> _P: ...

    def score(
        self, prepared: _P, rows: ReadResult, profiles: list[bytes | None] | None
    ) -> Outcome: ...

    def take_changed(self, partition: int) -> list[tuple[bytes, bytes]]: ...

    def drop(self, partition: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The store's watermark of a partition: `stored_src` (s) is the last source offset that its
    rows hold, `output_offset` (e) the place in the output of that record's answer.

    `whole_since`: what was appended to the source before this instant (ms since 1970 UTC) may be
    missing in the rows; 0: the rows are whole. `rows_to`: rows may be of source offsets up to here,
    -1: none is past `stored_src`.
    """

    stored_src: int
    output_offset: int
    identity: str
    whole_since: int = 0
    rows_to: int = field(default=-1, compare=False)


class StateStore(Protocol):
    """Rows and watermarks, one namespace a feature layout. Raises Retryable when it does not answer
    in time.
    """

    def mark(self, partition: int) -> Mark | None: ...

    def read(
        self, keys: dict[int, list[bytes]], since: dict[int, int] | None = None
    ) -> dict[int, tuple[int | None, list[bytes | None]]]:
        """Watermark and rows of each partition; without a watermark every row is None. A partition
        whose `whole_since` is not as in `since` has OTHER_STATE.
        """
        ...

    def checkpoint(
        self,
        partition: int,
        highest_stored_src: int,
        mark: Mark,
        rows: list[tuple[bytes, bytes]],
        replaces: int | None = None,
    ) -> int | None:
        """Rows and mark in one step; the watermark then, None where the store went back or holds
        another state.

        Another state is one whose `whole_since` is neither the mark's nor `replaces`.
        """
        ...


OTHER_STATE = -2
"""In place of a watermark: the store's rows are not those that the reader's owner went on from.
Below every watermark.
"""


class Snapshots(Protocol):
    """Copies of partitions' rows outside the state store, for when the store has lost them."""

    def restore(self, partition: int, identity: str, first: int = 0) -> Mark | None:
        """Load the newest usable snapshot into the store, in one step; the mark then in the store,
        None where none is.

        Only where the store's watermark is missing or lower, and only a snapshot of these topics
        (`identity`). All fields of the partition but rows come with it; where its rows were read
        after its watermark, `rows_to` is the watermark that stood behind them. A whole one that
        joins up with the source's `first` record comes before a newer one that is not whole. Raises
        Retryable where the store or the place of the snapshots does not answer.
        """
        ...


class RebuiltStore(StateStore, Protocol):
    """A store whose partition can be emptied, to be made again."""

    def clear(self, partition: int) -> None: ...


class DerivedWork(Protocol):
    """The pure part of a derived lane. It applies the reader's rule itself, and `metadata` is what
    to commit of it.

    `resume` comes first, then `restore` with the state topics' records of a partition and, where
    the group's offsets are lost, some of the newest of each of `tails`; `start` says where to go
    on. `take` folds source records in, those below `committed` silently; `settle` gives what is
    written at each commit, `flush` the states that changed.
    """

    @property
    def state_topics(self) -> tuple[str, ...]: ...

    @property
    def tails(self) -> Mapping[str, Callable[[Record], bool]]:
        """Topics, and of each what tells this work's own records from those of others."""
        ...

    def resume(self, partition: int, metadata: str | None) -> None: ...

    def restore(self, partition: int, records: Iterable[Record]) -> None: ...

    def start(self, partition: int, flushed: int | None) -> int:
        """Offset of the source to go on at. `flushed`: up to where the group's metadata says that
        state was written.
        """
        ...

    def take(self, partition: int, records: Sequence[Record], committed: int) -> Sequence[Made]: ...

    def arrived_at(self, partition: int) -> int | None:
        """When the newest record of the last `take` arrived in Kafka, at the head of the chain, ms
        since 1970 UTC; None where the lane is to commit as often as ever, however old it is.
        """
        ...

    def settle(self, partition: int, committed: int) -> Sequence[Made]: ...

    def flush(self, partition: int) -> Sequence[Made]: ...

    def metadata(self, partition: int) -> str: ...

    def drop(self, partition: int) -> None: ...


@runtime_checkable
class ForeseeingWork(Protocol):
    """A DerivedWork that can take states in before it is known who gets their partition."""

    def foresee(self, partition: int, records: Records) -> None:
        """Records of a state topic, in order, from the first on. `restore` gets the same objects
        again, before any other. It is called on a thread that nothing else of the work runs
        beside.
        """
        ...

    def forget(self, partition: int) -> None:
        """Let go of what was foreseen of a partition: another process got it."""
        ...


class View(Protocol):
    """Something outside Kafka that shows what was committed; it may be away, and is told everything
    again on assignment.
    """

    def restore(self, partition: int, records: Iterable[Record]) -> None: ...

    def show(self, partitions: list[int], outputs: Sequence[Made]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Records of one topic as they were read, each partition in order."""

    topic: str
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    appended_at: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """n outputs in order: keys, frames, and of which row of the source each is."""

    keys: Joined
    frames: Joined
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, outputs: Sequence[tuple[bytes, bytes, int]]) -> "Forwarded":
        """Of (key, frame, row) of each."""
        return cls(
            Joined.of([key for key, _, _ in outputs]),
            Joined.of([frame for _, frame, _ in outputs]),
            np.array([row for _, _, row in outputs], np.int64),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[bytes, bytes, int]]:
        yield from zip(self.keys.present(), self.frames.present(), self.rows.tolist(), strict=True)


class ForwardWork(Protocol):
    """The pure part of a forward lane: what is written of some records.

    `broken`: (row, reason) of each record of the last `take` that is none of the topic's contract.
    """

    @property
    def broken(self) -> list[tuple[int, str]]: ...

    def take(self, intake: Intake) -> Forwarded: ...
