"""Which dead letters were redriven: notes beside the letters, in their own partition, for as long
as these are kept.

A note is written in the transaction that redrives. It has no bound on how many letters, in how many
gaps: it is split into records that fit. Before, a commit of a group said the same in 4,096
characters and for seven days; it is still read.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from riskstream.platform.kafka.record import Record

HEADER = "riskstream-redriven-offsets"
"""Of a note: offsets of letters in its partition, as ranges in its value."""
NOTE_BYTES = 262_144
_RANGES = re.compile(rb"[0-9]{1,18}(?:-[0-9]{1,18})?(?:,[0-9]{1,18}(?:-[0-9]{1,18})?)*")


@dataclass(slots=True)
class Redriven:
    """Offsets of redriven letters by partition."""

    _ranges: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def take(self, record: Record) -> bool:
        """Take a note; False where the record is none. A note that cannot be read says nothing."""
        if not any(name == HEADER for name, _ in record.headers):
            return False
        if record.value is not None and _RANGES.fullmatch(record.value):
            self._ranges.setdefault(record.partition, []).extend(_pairs(record.value.decode()))
        return True

    def take_commit(self, partition: int, offset: int, metadata: str | None) -> None:
        """Take what a commit of versions up to 0.1 says: ranges, or without any all before its
        offset.
        """
        mine = self._ranges.setdefault(partition, [])
        if metadata is None or "only=" not in metadata:
            mine.append((0, offset - 1))
        elif _RANGES.fullmatch(said := metadata.removeprefix("only=").encode()):
            mine.extend(_pairs(said.decode()))

    def among(self, partition: int, offsets: Iterable[int]) -> set[int]:
        """Those of some offsets of a partition that were redriven."""
        ranges = sorted(self._ranges.get(partition, []))
        found, at, end = set(), 0, -1
        for offset in sorted(offsets):
            while at < len(ranges) and ranges[at][0] <= offset:
                end = max(end, ranges[at][1])
                at += 1
            if offset <= end:
                found.add(offset)
        return found


def notes(offsets: Iterable[int]) -> Iterator[bytes]:
    """Values of the notes that say that some offsets of one partition were redriven, none over
    NOTE_BYTES.
    """
    parts: list[list[int]] = []
    for at in sorted(offsets):
        if parts and parts[-1][1] >= at - 1:
            parts[-1][1] = at
        else:
            parts.append([at, at])
    said = [f"{first}-{last}" if last > first else str(first) for first, last in parts]
    each = NOTE_BYTES // 40
    for start in range(0, len(said), each):
        yield ",".join(said[start : start + each]).encode()


def _pairs(said: str) -> Iterator[tuple[int, int]]:
    for part in said.split(","):
        first, _, last = part.partition("-")
        yield int(first), int(last or first)
