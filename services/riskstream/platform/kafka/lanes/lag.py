"""How many seconds behind each partition is, as a metric that grows by itself while nothing is
taken.
"""

import time
from functools import partial

from prometheus_client import Gauge


class Lag:
    """Told by a lane's thread what it takes and where it is at an end; read at each scrape."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._since_s: dict[tuple[str, int], float] = {}
        """Append time of the last record taken; 0 at the end."""

    def own(self, topic: str, partition: int) -> None:
        """Behind from now on, until a record or the end says more: taking a partition up takes time
        as well.
        """
        self._since_s[topic, partition] = time.time()
        self._gauge.labels(topic, str(partition)).set_function(
            partial(self._seconds, topic, partition)
        )

    def taken(self, topic: str, partition: int, appended_at_ms: int) -> None:
        if (topic, partition) in self._since_s:
            self._since_s[topic, partition] = appended_at_ms / 1000

    def reached_end(self, topic: str, partition: int) -> None:
        if (topic, partition) in self._since_s:
            self._since_s[topic, partition] = 0.0

    def forget(self, topic: str, partition: int) -> None:
        """Another member's now."""
        if self._since_s.pop((topic, partition), None) is not None:
            self._gauge.remove(topic, str(partition))

    def _seconds(self, topic: str, partition: int) -> float:
        since_s = self._since_s.get((topic, partition), 0.0)
        return max(time.time() - since_s, 0.0) if since_s else 0.0
