"""A reader without a group that gives records as columns, by topic and partition."""

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
    """Reads one topic, or several. `columns` and `columns_until_end` are what it is asked by,
    nothing else.

    `way`, `is_told`: as `take_of`.
    """

    _take: Take | None = None

    def __init__(
        self,
        bootstrap: str,
        *topics: str,
        way: Way = "auto",
        is_told: bool = True,
        **asked: Any,
    ) -> None:
        """`asked`: as a TopicReader is."""
        self._way, self._is_told = way, is_told
        super().__init__(bootstrap, list(topics), **asked)

    def columns(self, timeout_s: float) -> list[Records]:
        """What is there, of each partition in order, waiting for the first record only."""
        assert self._take is not None
        if not self._take.wait(timeout_s):
            return []
        polled, told = self._take.polled(_MOST)
        out = self._by_partition(polled)
        for each in out:
            place = each.topic, each.partition
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
                limit = self.ends[each.topic, each.partition]
                stop = int(np.searchsorted(each.offsets, limit))
                if stop == len(each):
                    yield each
                elif stop:
                    yield each.rows(np.arange(stop))

    def leave(self, topic: str, partition: int) -> None:
        """Give nothing more of a partition: what is left of it is for another reader."""
        place = topic, partition
        self.ends[place] = min(self.ends[place], self._fetched[place])
        self._consumer.pause([TopicPartition(*place)])

    def close(self) -> None:
        if self._take is not None:
            self._take.close()
        super().close()

    def _by_partition(self, polled: Polled) -> list[Records]:
        return [
            polled.records(topic, number, rows[polled.partitions[rows] == number])
            for topic, rows in polled.topics.items()
            for number in np.unique(polled.partitions[rows]).tolist()
        ]

    def _assign(self) -> None:
        if self._take is None:
            self._take = take_of(self._consumer, self._way, is_told=self._is_told)
        self._take.own(self._places())
        super()._assign()
