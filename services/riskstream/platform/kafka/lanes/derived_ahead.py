"""Reads a work's state topics while its process waits for partitions.

A killed owner keeps them until its session ends, for seconds in which there is nothing else to do.
"""

from collections.abc import Collection
from contextlib import suppress
from threading import Event, Thread

import structlog

from riskstream.platform.kafka.clients.read_columns import ColumnReader
from riskstream.platform.kafka.lanes.derived_settings import DerivedSettings
from riskstream.platform.kafka.lanes.ports import DerivedWork, ForeseeingWork
from riskstream.platform.kafka.record import Records
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("derived")
_KEPT_S = 30.0
"""What was read is dropped after so long without a partition: this process stands by."""


class StatesAhead:
    """Reads on a thread, from its making until `taken` or `close`, and lets the work foresee what
    was read. Where Kafka does not answer or refuses it gives nothing: whoever reads then is told.
    """

    def __init__(self, settings: DerivedSettings, work: DerivedWork) -> None:
        self._settings, self._work = settings, work
        self._foreseen: set[int] = set()
        self._wanted = Event()
        self._read: dict[str, tuple[ColumnReader, list[Records]]] = {}
        self._thread = Thread(target=self._run, name="states-ahead", daemon=True)
        self._thread.start()

    def taken(self) -> dict[str, tuple[ColumnReader, list[Records]]]:
        """By topic a reader, and what it gave so far: the caller goes on with it, and closes it.

        Empty at every call but the first.
        """
        self._wanted.set()
        self._thread.join()
        found, self._read = self._read, {}
        for topic, (reader, parts) in found.items():
            count = sum(len(each) for each in parts)
            log.info("read ahead", topic=topic, records=count, is_all=not reader.has_more)
        return found

    def drop_others(self, owned: Collection[int]) -> None:
        """Let the work forget what it foresaw of partitions that were given to others."""
        if isinstance(self._work, ForeseeingWork):
            for number in self._foreseen.difference(owned):
                self._work.forget(number)
        self._foreseen.clear()

    def close(self) -> None:
        for reader, _ in self.taken().values():
            reader.close()

    def _run(self) -> None:
        end = monotonic() + _KEPT_S
        with suppress(Fatal, Retryable):
            for topic in self._work.state_topics:
                if self._wanted.is_set():
                    return
                reader, parts = self._read[topic] = self._reader(topic), []
                while not self._wanted.is_set() and monotonic() < end and reader.has_more:
                    parts += self._seen(reader.columns(0.1))
            if self._wanted.wait(max(end - monotonic(), 0)):
                return
        for reader, _ in self._read.values():
            reader.close()
        self._read = {}
        self.drop_others(())

    def _seen(self, parts: list[Records]) -> list[Records]:
        if isinstance(self._work, ForeseeingWork):
            for each in parts:
                self._foreseen.add(each.partition)
                self._work.foresee(each.partition, each)
        return parts

    def _reader(self, topic: str) -> ColumnReader:
        return ColumnReader(self._settings.kafka, topic, way=self._settings.client)
