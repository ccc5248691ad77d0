"""The profiler's two stages in one process: the owner on the main thread, the shuffle on one beside
it.
"""

import time
from threading import Event, Thread

from riskstream.platform.kafka.lanes.derived import DerivedLane
from riskstream.platform.kafka.lanes.forward import ForwardLane

_SILENT_S = 30.0


class Stages:
    """Runs both until stopped. Where the shuffle fails, the whole process ends with its error."""

    def __init__(self, owner: DerivedLane, shuffle: ForwardLane, stop: Event) -> None:
        self._owner, self._shuffle, self._stop = owner, shuffle, stop
        self._failed: list[BaseException] = []

    def is_alive(self) -> bool:
        return time.monotonic() - min(self._owner.seen_at, self._shuffle.loop_seen) < _SILENT_S

    def is_ready(self) -> bool:
        return self._owner.is_ready and self._shuffle.is_ready

    def run(self) -> None:
        beside = Thread(target=self._run_shuffle, name="shuffle", daemon=True)
        beside.start()
        try:
            self._owner.run()
        finally:
            self._stop.set()
            beside.join(15)
        if self._failed:
            raise self._failed[0]

    def _run_shuffle(self) -> None:
        try:
            self._shuffle.run()
        except BaseException as error:
            self._failed.append(error)
            self._stop.set()
