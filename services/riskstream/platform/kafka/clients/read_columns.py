"""A reader without a group that gives the records of one topic as columns, by partition."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from confluent_kafka import TopicPartition

from riskstream.platform.kafka.clients.native.choice import Way, take_of
from riskstream.platform.kafka.clients.polled import Polled, Take
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Records
from riskstream.runtime.machine import monotonic

_MOST = 8192
"""Records that are taken at once."""


class ColumnReader(TopicReader):
    """Reads one topic. `columns` and `columns_until_end` are what it is asked by, nothing else.

    `way`: as `take_of`.
    """

    _take: Take | None = None

    def __init__(self, bootstrap: str, topic: str, *, way: Way = "auto", **asked: Any) -> None:
        """`asked`: as a TopicReader is."""
        self._topic, self._way = topic, way
        super().__init__(bootstrap, [topic], **asked)

    def columns(self, timeout_s: float) -> list[Records]:
        """What is there, of each partition in order, waiting for the first record only."""
        assert self._take is not None
        if not self._take.wait(timeout_s):
            return []
        polled, told = self._take.polled(_MOST)
        out = self._by_partition(polled)
        for each in out:
            place = self._topic, each.partition
            self._fetched[place] = max(self._fetched[place], int(each.offsets[-1]) + 1)
        self._see(told)
        self.positions = dict(self._fetched)
        return out

    def columns_until_end(self, deadline_s: float = 600.0) -> Iterator[Records]:
        """Everything up to the ends as they were when the reader was made, each partition in order;
        the positions do not pass them. Fatal where that takes too long.
        """
        end = monotonic() + deadline_s
        while self._is_before_ends(self._fetched):
            self._check_time(end, deadline_s)
            found = self.columns(0.2)
            self.positions = {
                place: min(at, self.ends[place]) for place, at in self._fetched.items()
            }
            for each in found:
                stop = int(np.searchsorted(each.offsets, self.ends[self._topic, each.partition]))
                if stop == len(each):
                    yield each
                elif stop:
                    yield each[:stop]

    def leave(self, partition: int) -> None:
        """Give nothing more of a partition: what is left of it is for another reader."""
        place = self._topic, partition
        self.ends[place] = min(self.ends[place], self._fetched[place])
        self._consumer.pause([TopicPartition(*place)])

    def close(self) -> None:
        if self._take is not None:
            self._take.close()
        super().close()

    def _by_partition(self, polled: Polled) -> list[Records]:
        return [
            polled.records(self._topic, number, np.flatnonzero(polled.partitions == number))
            for number in np.unique(polled.partitions).tolist()
        ]

    def _assign(self) -> None:
        if self._take is None:
            self._take = take_of(self._consumer, self._way)
        self._take.own(self._places())
        super()._assign()
