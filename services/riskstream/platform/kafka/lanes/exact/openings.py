"""Partitions that are being taken up: A2-A4 of each in the background, again while the world is
away, and not for ever.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from functools import partial

from riskstream.platform.kafka.lanes.exact.owned import Recovered
from riskstream.platform.kafka.lanes.exact.recovery import Recovery
from riskstream.runtime.machine import monotonic

MOST_REOPENINGS, WITHIN_S = 5, 60.0
"""A failover of the store, or another owner that was ahead, takes a partition up anew once. What
does so again and again within a minute does not pass by itself: the partition is held, where the
watchdog would see it move.
"""


class Openings:
    """Which partitions are under way, and when one is tried again. Called by the polling thread
    alone.
    """

    def __init__(self, recovery: Recovery, background: Executor) -> None:
        self._recovery, self._background = recovery, background
        self._under_way: dict[int, tuple[int, Future[Recovered]]] = {}
        self._again_at: dict[int, float] = {}
        self._reopened_at: dict[int, list[float]] = {}
        self.answers = 0

    def progress(self) -> tuple[int, int]:
        """Changes with each step that the background takes and each answer it gives, `not now`
        among them.
        """
        return self.answers, self._recovery.steps

    def begin(self, partition: int, number: int, row_ahead: int = -1) -> None:
        """Recover a partition for the owner with this ownership number; `row_ahead` as in
        Recovery.recover.
        """
        self._again_at.pop(partition, None)
        work = partial(self._recovery.recover, partition, row_ahead=row_ahead)
        self._under_way[partition] = number, self._background.submit(work)

    def try_again(self, partition: int, in_s: float) -> None:
        self._again_at[partition] = monotonic() + in_s

    def due(self) -> list[int]:
        """Partitions whose time to be tried again has come; they are forgotten here."""
        found = [partition for partition, at in self._again_at.items() if monotonic() >= at]
        for partition in found:
            del self._again_at[partition]
        return found

    def finished(self) -> Iterator[tuple[int, int, "Future[Recovered]"]]:
        """(partition, ownership number, what came out) of each that the background is done with."""
        for partition, (number, future) in list(self._under_way.items()):
            if future.done():
                del self._under_way[partition]
                self.answers += 1
                yield partition, number, future

    def is_too_often(self, partition: int) -> bool:
        """Note that a partition must be taken up anew; True where that was so MOST_REOPENINGS times
        within WITHIN_S.
        """
        now = monotonic()
        before = [at for at in self._reopened_at.get(partition, []) if now - at < WITHIN_S]
        self._reopened_at[partition] = [*before, now]
        return len(before) >= MOST_REOPENINGS

    def forget(self, partition: int) -> None:
        """It is another member's now."""
        for each in (self._under_way, self._again_at, self._reopened_at):
            each.pop(partition, None)
