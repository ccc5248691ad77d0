"""Ends the process when there is work, nothing is held, and nothing has moved for 30 s: a restart
is the cure.
"""

import os
import time
from collections.abc import Callable, Hashable
from threading import Event, Thread

import structlog

from riskstream.runtime.exits import Exit

log = structlog.get_logger("watchdog")
LIMIT_S = 30.0
_ASLEEP_S = 5.0
"""Nobody looked for so long: the process itself stood still, paused from outside, and nothing could
move.
"""


class Watchdog:
    """Looks once a second, on a thread of its own, so that a loop that is stuck is seen too.

    `progress` changes whenever something moved (holding counts as moving); `is_behind` tells
    whether there is work. A process that was paused (a debugger, a frozen container) gets its time
    anew.
    """

    def __init__(
        self,
        progress: Callable[[], Hashable],
        is_behind: Callable[[], bool],
        *,
        limit_s: float = LIMIT_S,
        now: Callable[[], float] = time.monotonic,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._progress, self._is_behind, self._limit_s, self._now, self._end = (
            progress,
            is_behind,
            limit_s,
            now,
            end,
        )
        self._seen: Hashable = None
        self._moved_at = self._looked_at = now()
        self._done = Event()
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def look(self) -> None:
        """One look: note what moved, or end the process with exit code 70."""
        seen, now = self._progress(), self._now()
        was_asleep, self._looked_at = now - self._looked_at > _ASLEEP_S, now
        if seen != self._seen or was_asleep or not self._is_behind():
            self._seen, self._moved_at = seen, now
        elif now - self._moved_at >= self._limit_s:
            log.error("no progress: ending the process", seconds=self._limit_s, progress=repr(seen))
            self._end(Exit.FAULT)

    def _watch(self) -> None:
        while not self._done.wait(1.0):
            self.look()
