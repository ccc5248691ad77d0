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
        self._ends: dict[tuple[str, int], int] = {}
        """Ends that were told since the last record taken: the client may tell one in a batch,
        before the batch is taken.
        """

    def own(self, topic: str, partition: int) -> None:
        """Behind from now on, until a record or the end says more: taking a partition up takes time
        as well.
        """
        self._since_s[topic, partition] = time.time()
        self._ends.pop((topic, partition), None)
        self._gauge.labels(topic, str(partition)).set_function(
            partial(self._seconds, topic, partition)
        )

    def taken(self, topic: str, partition: int, offset: int, appended_at_ms: int) -> None:
        """The last record taken of a partition: behind by its age, unless it is the one before an
        end that was just told.
        """
        is_last = self._ends.pop((topic, partition), None) == offset + 1
        if (topic, partition) in self._since_s:
            self._since_s[topic, partition] = 0.0 if is_last else appended_at_ms / 1000

    def reached_end(self, topic: str, partition: int, end: int) -> None:
        """The partition ends before offset `end`, and all before it was given to the lane."""
        if (topic, partition) in self._since_s:
            self._since_s[topic, partition] = 0.0
            self._ends[topic, partition] = end

    def forget(self, topic: str, partition: int) -> None:
        """Another member's now."""
        self._ends.pop((topic, partition), None)
        if self._since_s.pop((topic, partition), None) is not None:
            self._gauge.remove(topic, str(partition))

    def _seconds(self, topic: str, partition: int) -> float:
        since_s = self._since_s.get((topic, partition), 0.0)
        return max(time.time() - since_s, 0.0) if since_s else 0.0
