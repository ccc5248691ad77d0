"""One partition's log: records, markers of transactions, what is visible to whom, and what
retention and compaction take.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError

from riskstream.platform.kafka.memory.errors import error

Writer = tuple[str, int]
"""A transactional id and its epoch."""
Headers = list[tuple[str, str | bytes | None]]


class Refused(Exception):
    """The broker does not take a record, or does not hold what is asked for."""

    def __init__(self, why: KafkaError) -> None:
        super().__init__(why)
        self.error = why


@dataclass(slots=True)
class Entry:
    """One offset: a record, or the marker of a transaction. `is_giant`: no client decompresses
    it.
    """

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None
    appended_at: int
    writer: Writer | None = None
    is_marker: bool = False
    is_aborted: bool = False
    is_giant: bool = False


@dataclass(slots=True)
class PartitionLog:
    """`low`: the first offset that it holds; `end`: the next one. Offsets in between may be
    gone.
    """

    max_bytes: int = 1_048_588
    low: int = 0
    end: int = 0
    entries: list[Entry] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    open: dict[Writer, int] = field(default_factory=dict)
    """By transaction that is under way the first offset of its records."""

    @property
    def stable(self) -> int:
        """The last stable offset: a reader of committed records reads up to here."""
        return min(self.open.values()) if self.open else self.end

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None,
        appended_at: int,
        writer: Writer | None = None,
    ) -> int:
        """The record's offset. Refused where it is too large."""
        if len(key or b"") + len(value or b"") > self.max_bytes:
            raise Refused(
                error(KafkaError.MSG_SIZE_TOO_LARGE, "the record is larger than the topic takes")
            )
        if writer is not None:
            self.open.setdefault(writer, self.end)
        return self._add(Entry(self.end, key, value, headers, appended_at, writer))

    def mark(self, writer: Writer, appended_at: int, *, is_commit: bool) -> None:
        """End a transaction here; nothing where it wrote nothing here."""
        first = self.open.pop(writer, None)
        if first is None:
            return
        if not is_commit:
            for entry in self.entries[bisect_left(self.offsets, first) :]:
                entry.is_aborted = entry.is_aborted or entry.writer == writer
        self._add(Entry(self.end, None, None, None, appended_at, writer, is_marker=True))

    def _add(self, entry: Entry) -> int:
        self.entries.append(entry)
        self.offsets.append(entry.offset)
        self.end += 1
        return entry.offset

    def limit(self, *, committed_only: bool) -> int:
        """Where a reader's log ends."""
        return self.stable if committed_only else self.end

    def next(self, position: int, *, committed_only: bool) -> tuple[Entry | None, int]:
        """The first record from a position on that a reader sees, and where to go on; Refused where
        it is not to be had.
        """
        if position < self.low or position > self.end:
            raise Refused(
                error(
                    KafkaError._AUTO_OFFSET_RESET,
                    f"offset {position} is not in {self.low} to {self.end}",
                )
            )
        limit = self.limit(committed_only=committed_only)
        for at in range(bisect_left(self.offsets, position), len(self.entries)):
            entry = self.entries[at]
            if entry.offset >= limit:
                break
            if not entry.is_marker and not (committed_only and entry.is_aborted):
                return entry, entry.offset + 1
        return None, max(position, limit)

    def expire(self, before: int) -> None:
        """Retention: take everything before an offset."""
        self.low = max(self.low, min(before, self.stable))
        at = bisect_left(self.offsets, self.low)
        del self.entries[:at], self.offsets[:at]

    def compact(self) -> None:
        """Keep of each key the newest committed record, and whatever a transaction under way may
        still decide about.
        """
        newest = {each.key: each.offset for each in self.seen()}
        stable = self.stable
        self.entries = [
            each
            for each in self.entries
            if each.offset >= stable or newest.get(each.key) == each.offset
        ]
        self.offsets = [each.offset for each in self.entries]

    def seen(self) -> list[Entry]:
        """What a reader of committed records sees."""
        stable = self.stable
        return [
            each
            for each in self.entries
            if not each.is_marker and not each.is_aborted and each.offset < stable
        ]


@dataclass(slots=True)
class Topic:
    """`id` changes where a topic is made again under its name."""

    id: str
    config: dict[str, Any]
    partitions: list[PartitionLog]
