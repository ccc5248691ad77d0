"""A lane's work that costs little: the scorer's fold with a count and a digest in place of windows,
and no model.

Modes, rows, repeats, rejects and rows that are ahead are as in `scorer/fold.py`; the real core
stands in for it now and then.
"""

import marshal
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from riskstream.platform.kafka.lanes.ports import (
    JUDGE,
    LIVE,
    REPLAY,
    REPLAY_DUPLICATE,
    SKIP,
    Answers,
    Batch,
    Outcome,
    ReadResult,
)

VERDICTS = ("UNKNOWN", "GOOD", "REJECTED", "DUPLICATE")
GOOD, REJECTED, DUPLICATE = 1, 2, 3
COLD, PARTIAL = 1, 2
"""Flags of a score."""


class Row(NamedTuple):
    """A customer's state: last offset applied, good records, a digest of them in order, their
    ids.
    """

    at: int = -1
    records: int = 0
    digest: int = 0
    ids: tuple[str, ...] = ()

    def applied(self, at: int, name: str, verdict: int) -> "Row":
        if verdict == DUPLICATE:
            return self._replace(at=at)
        return Row(at, self.records + 1, zlib.crc32(name.encode(), self.digest), (*self.ids, name))


class Score(NamedTuple):
    """An answer."""

    src: int
    prev: int
    verdict: int
    reason: str
    key: bytes
    records: int
    digest: int
    flags: int
    features: tuple[float, ...] = ()


def name_of(value: bytes | None) -> str | None:
    """The id of a record; None where it is to be rejected."""
    text = (value or b"").decode()
    return None if text.startswith("bad") else text


class SimpleAnswers:
    """How the lane reads its output."""

    verdicts: Sequence[str] = VERDICTS
    replay_modes: Mapping[str, int] = {
        "GOOD": REPLAY,
        "REJECTED": SKIP,
        "DUPLICATE": REPLAY_DUPLICATE,
    }

    def read(self, frames: Sequence[bytes | None]) -> Answers:
        scores = [Score(*marshal.loads(frame or b"")) for frame in frames]
        n = len(scores)
        return Answers(
            is_answer=np.ones(n, np.bool_),
            is_unread=np.zeros(n, np.bool_),
            srcs=np.array([each.src for each in scores], np.int64),
            prevs=np.array([each.prev for each in scores], np.int64),
            verdicts=np.array([each.verdict for each in scores], np.int64),
            answers=np.zeros(n, np.int64),
            reasons={at: each.reason for at, each in enumerate(scores) if each.reason},
        )


@dataclass(slots=True)
class Judged:
    batch: Batch
    rows: dict[int, list[bytes]]

    @property
    def profiles(self) -> list[bytes]:
        return []


class SimpleWork:
    """A LaneWork."""

    def __init__(self) -> None:
        self.answers = SimpleAnswers()
        self._held: dict[int, dict[bytes, Row]] = {}
        self._cold: set[tuple[int, bytes]] = set()
        self._changed: dict[int, set[bytes]] = {}

    @property
    def partitions(self) -> set[int]:
        """Those of which memory holds rows."""
        return set(self._held)

    def prepare(self, batch: Batch) -> Judged:
        wanted: dict[int, list[bytes]] = {}
        modes = batch.modes.tolist()
        for at, partition in enumerate(batch.partitions.tolist()):
            key = batch.keys[at] or b""
            if modes[at] == SKIP or (
                modes[at] in (LIVE, JUDGE) and name_of(batch.values[at]) is None
            ):
                continue
            mine = wanted.setdefault(partition, [])
            if key not in self._held.setdefault(partition, {}) and key not in mine:
                mine.append(key)
        return Judged(batch, {partition: keys for partition, keys in wanted.items() if keys})

    def score(
        self, prepared: Judged, rows: ReadResult, profiles: list[bytes | None] | None
    ) -> Outcome:
        del profiles
        self._load(prepared, rows)
        batch = prepared.batch
        abandoned, ahead = self._abandoned(batch, rows.abandoned)
        outcome = Outcome(frames=[], abandoned=abandoned, ahead=ahead)
        outcome.frames = [
            None if partition in abandoned else self._one(batch, at, partition, outcome)
            for at, partition in enumerate(batch.partitions.tolist())
        ]
        return outcome

    def _load(self, prepared: Judged, rows: ReadResult) -> None:
        for partition, keys in prepared.rows.items():
            found = rows.rows.get(partition)
            held = self._held.setdefault(partition, {})
            for at, key in enumerate(keys):
                row = None if found is None else found[at]
                held[key] = Row() if row is None else Row(*marshal.loads(row))
                if found is None:
                    self._cold.add((partition, key))

    def _abandoned(
        self, batch: Batch, before: frozenset[int]
    ) -> tuple[frozenset[int], dict[int, int]]:
        ahead: dict[int, int] = {}
        for at, partition in enumerate(batch.partitions.tolist()):
            if batch.modes[at] != LIVE or name_of(batch.values[at]) is None or partition in before:
                continue
            row = self._held.get(partition, {}).get(batch.keys[at] or b"")
            if row is not None and row.at >= batch.offsets[at]:
                ahead[partition] = max(ahead.get(partition, -1), row.at)
        return before | frozenset(ahead), ahead

    def _one(self, batch: Batch, at: int, partition: int, outcome: Outcome) -> bytes | None:
        mode, offset = int(batch.modes[at]), int(batch.offsets[at])
        if mode == SKIP:
            return None
        key, name = batch.keys[at] or b"", name_of(batch.values[at])
        flags = PARTIAL if batch.whole_since.get(partition) else 0
        if mode in (LIVE, JUDGE) and name is None:
            if mode == JUDGE:
                return None
            outcome.rejected.append((at, "bad"))
            return marshal.dumps(
                tuple(Score(offset, int(batch.prevs[at]), REJECTED, "bad", key, 0, 0, flags))
            )
        held = self._held[partition]
        row = held[key]
        if mode != LIVE and row.at >= offset:
            return None
        name = name or ""
        is_repeat = mode == REPLAY_DUPLICATE or name in row.ids
        verdict = DUPLICATE if is_repeat else GOOD
        row = held[key] = row.applied(offset, name, verdict)
        is_cold = (partition, key) in self._cold
        if not is_cold:
            self._changed.setdefault(partition, set()).add(key)
        if mode != LIVE:
            return None
        flags |= COLD if is_cold else 0
        return marshal.dumps(
            tuple(
                Score(
                    offset, int(batch.prevs[at]), verdict, "", key, row.records, row.digest, flags
                )
            )
        )

    def take_changed(self, partition: int) -> list[tuple[bytes, bytes]]:
        held = self._held.get(partition, {})
        return [
            (key, marshal.dumps(tuple(held[key])))
            for key in sorted(self._changed.pop(partition, ()))
        ]

    def drop(self, partition: int) -> None:
        self._held.pop(partition, None)
        self._changed.pop(partition, None)
        self._cold = {each for each in self._cold if each[0] != partition}
