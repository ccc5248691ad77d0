"""One owned partition of a lane: where it stands. The letters are those of the protocol (design section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from riskstream.kafka.ports import Mark

REJECT_WINDOW = 1000
"""Records over which the share of rejected ones is taken."""


class Phase(Enum):
    """OPENING: A1-A4 run in the background; RUNNING: records are taken; WAITING: for a schema; HELD: for a person."""

    OPENING = "opening"
    RUNNING = "running"
    WAITING = "waiting"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the output says of a source offset: verdict, reason, the offset before it, and where in the output it stands.

    `answer`: decision and score as the customer's row keeps them (`risk.features.repeats.answers_of`), 0 where there is none.
    """

    verdict: str
    prev: int
    reason: str | None
    output_offset: int
    answer: int = 0


@dataclass(slots=True)
class PendingCheckpoint:
    """Rows copied at a batch edge (C1), written once everything up to `t` is acked (C2)."""

    t: int
    rows: list[tuple[bytes, bytes]]
    recorded_e: int | None


@dataclass(slots=True)
class Owned:
    """`position`: last source offset processed; `o`: outputs are known up to here; `a`: everything up to here is acked;
    `a_output`: where in the output the record of `a` stands; `high`: highest store watermark seen (h of I6);
    `end`: where the source ended when `at_end` was told; `row_ahead`: offset of a row for which it was taken up anew, -1: none;
    `whole_since`, `judged_to`: as Recovered says."""

    partition: int
    number: int
    phase: Phase = Phase.OPENING
    held_because: str = ""
    identity: str = ""
    partition_count: int = 1
    s: int = -1
    e: int = 0
    position: int = -1
    o: int = -1
    a: int = -1
    a_output: int = -1
    high: int = -1
    recorded: Mapping[int, Recorded] = field(default_factory=dict)
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

    def is_acked_to(self, t: int) -> bool:
        """True when every output and dead letter up to source offset t is with the broker."""
        return self.a >= t and not any(src <= t for src in self.dead_letters_out)

    def e_for(self, pending: PendingCheckpoint) -> int:
        """Where in the output the record of the checkpoint's t stands."""
        return self.a_output if pending.recorded_e is None else pending.recorded_e

    def mark_for(self, pending: PendingCheckpoint) -> Mark:
        return Mark(s=pending.t, e=self.e_for(pending), identity=self.identity, whole_since=self.whole_since)

    def empty_to(self) -> int:
        """Where the source ends when no record stands between `a` and there, but markers of transactions do; else 0."""
        return self.end if self.at_end and self.position == self.a and self.end > self.a + 1 else 0

    def empty_metadata(self) -> str:
        """The same for the commit's metadata: a new owner must know that nothing was lost when retention takes them."""
        return f"empty={self.a + 1}-{self.empty_to()}" if self.empty_to() else ""

    def rejected_share(self, records: int, rejected: int) -> float:
        """Note these records; how many of the current window of REJECT_WINDOW records were rejected, 0 to 1."""
        if self.window_records >= REJECT_WINDOW:
            self.window_records = self.window_rejected = 0
        self.window_records += records
        self.window_rejected += rejected
        return self.window_rejected / max(self.window_records, REJECT_WINDOW)
