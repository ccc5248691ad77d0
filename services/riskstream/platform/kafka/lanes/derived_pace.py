"""How often a derived lane commits: each `commit_ms`, and less often while it is far behind. Pure.

A backlog needs no fresh outputs, and of a key that changes again before a commit only the last
change is written. Whatever waits for a commit gets a tenth later by it at most.
"""

from riskstream.platform.kafka.lanes.derived_settings import DerivedSettings

SHARE = 10
IDLE_S = 0.2
"""After so long without a record the lane has read all there is: a busy broker's fetch takes less.
"""


class Pace:
    """Instants are seconds of `monotonic`; it starts at `now`."""

    def __init__(self, settings: DerivedSettings, now: float) -> None:
        self._commit_ms, self._flush_ms = settings.commit_ms, settings.flush_ms
        self._committed_at = self._flushed_at = self._came_at = now
        self._behind_ms = 0

    def is_due(self, now: float, behind_ms: int | None) -> bool:
        """Whether to commit. `behind_ms`: how long ago the newest record of the last poll arrived;
        None where that brought none.
        """
        if behind_ms is not None:
            self._behind_ms, self._came_at = behind_ms, now
        elif now - self._came_at >= IDLE_S:
            self._behind_ms = 0
        wait_ms = max(self._commit_ms, min(self._behind_ms // SHARE, self._flush_ms))
        return now - self._committed_at >= wait_ms / 1000

    def is_flush_due(self, now: float) -> bool:
        """Whether a commit takes the changed state with it."""
        return now - self._flushed_at >= self._flush_ms / 1000

    def committed(self, now: float, *, is_flushed: bool) -> None:
        """Note a commit that began at `now`."""
        self._committed_at = now
        self._flushed_at = now if is_flushed else self._flushed_at
