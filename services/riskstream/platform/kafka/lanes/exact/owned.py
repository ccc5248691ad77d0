"""One owned partition of a lane: where it stands. The letters are those of the protocol
(docs/protocol.md).
"""

from dataclasses import dataclass, field
from enum import Enum

from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts
from riskstream.platform.kafka.lanes.ports import Mark

REJECT_WINDOW = 1000
"""Records over which the share of rejected ones is taken."""


class Phase(Enum):
    """OPENING: A1-A4 run in the background; RUNNING: records are taken; WAITING: for a schema;
    HELD: for a person.
    """

    OPENING = "opening"
    RUNNING = "running"
    WAITING = "waiting"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Where to go on: read from `start`, the first record after `stored_src`; up to `known_src`
    silently by `recorded`, then live.

    `highest_stored_src`: the watermark that the store has, -1 where it has none. `stored_src` of a
    fresh group is then the offset before the source's first record. `position`: the record before
    `start` as scores tell it. `whole_since`: as in the mark. Records up to `judged_to` were
    answered, and those among them that `recorded` lacks are judged again.
    """

    start: int
    stored_src: int
    position: int
    highest_stored_src: int
    output_offset: int
    known_src: int
    identity: str
    partition_count: int
    recorded: Verdicts
    whole_since: int = 0
    judged_to: int = -1


@dataclass(slots=True)
class PendingCheckpoint:
    """Rows copied at a batch edge (C1), written once everything up to `copied_to_src` (t) is acked
    (C2).
    """

    copied_to_src: int
    rows: list[tuple[bytes, bytes]]
    recorded_output_offset: int | None


@dataclass(slots=True)
class Owned:
    """`stored_src` (s): the store's watermark; `output_offset` (e): where in the output to look
    from there; `position`: last source offset processed; `known_src` (o): outputs are known up to
    here; `acked_src` (a): everything up to here is acked; `acked_output_offset`: where in the
    output the record of `acked_src` stands; `highest_stored_src` (h): highest watermark seen;
    `end`: where the source ended when `at_end` was told; `row_ahead`: offset of a row for which it
    was taken up anew, -1: none; `whole_since`, `judged_to`: as Recovered says.
    """

    partition: int
    number: int
    phase: Phase = Phase.OPENING
    held_because: str = ""
    identity: str = ""
    partition_count: int = 1
    stored_src: int = -1
    output_offset: int = 0
    position: int = -1
    known_src: int = -1
    acked_src: int = -1
    acked_output_offset: int = -1
    highest_stored_src: int = -1
    recorded: Verdicts = field(default_factory=Verdicts)
    whole_since: int = 0
    judged_to: int = -1
    pending: PendingCheckpoint | None = None
    is_writing: bool = False
    changed_rows: int = 0
    dead_letters_out: set[int] = field(default_factory=set)
    touched_unreadable: bool = False
    at_end: bool = False
    end: int = 0
    committed: int = -1
    told_empty_to: int = 0
    row_ahead: int = -1
    write_again_at: float = 0.0
    window_records: int = 0
    window_rejected: int = 0

    def resume(self, found: Recovered) -> None:
        """A5: run on from where the partition stands."""
        self.stored_src, self.position = found.stored_src, found.position
        self.highest_stored_src, self.output_offset = found.highest_stored_src, found.output_offset
        self.known_src = self.acked_src = found.known_src
        self.identity, self.partition_count = found.identity, found.partition_count
        self.whole_since, self.judged_to, self.recorded = (
            found.whole_since,
            found.judged_to,
            found.recorded,
        )
        self.phase, self.held_because, self.at_end = Phase.RUNNING, "", False

    @property
    def may_be_copied(self) -> bool:
        """True where a checkpoint may begin: none is under way, and no row is unknown."""
        return (
            self.phase in (Phase.RUNNING, Phase.WAITING)
            and self.pending is None
            and not self.is_writing
            and not self.touched_unreadable
        )

    def is_acked_to(self, up_to: int) -> bool:
        """True when every output and dead letter up to source offset `up_to` is with the broker."""
        return self.acked_src >= up_to and not any(src <= up_to for src in self.dead_letters_out)

    def output_offset_for(self, pending: PendingCheckpoint) -> int:
        """Where in the output the record of `copied_to_src` stands."""
        return (
            self.acked_output_offset
            if pending.recorded_output_offset is None
            else pending.recorded_output_offset
        )

    def mark_for(self, pending: PendingCheckpoint) -> Mark:
        return Mark(
            stored_src=pending.copied_to_src,
            output_offset=self.output_offset_for(pending),
            identity=self.identity,
            whole_since=self.whole_since,
        )

    def empty_to(self) -> int:
        """Where the source ends when no record stands between `acked_src` and there, but markers of
        transactions do; else 0.
        """
        return (
            self.end
            if self.at_end and self.position == self.acked_src and self.end > self.acked_src + 1
            else 0
        )

    def empty_metadata(self) -> str:
        """The same for the commit's metadata: a new owner must know that nothing was lost when
        retention takes them.
        """
        return f"empty={self.acked_src + 1}-{self.empty_to()}" if self.empty_to() else ""

    def rejected_share(self, records: int, rejected: int) -> float:
        """Note these records; how many of the current window of REJECT_WINDOW records were
        rejected, 0 to 1.
        """
        if self.window_records >= REJECT_WINDOW:
            self.window_records = self.window_rejected = 0
        self.window_records += records
        self.window_rejected += rejected
        return self.window_rejected / max(self.window_records, REJECT_WINDOW)
