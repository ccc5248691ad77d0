"""From what a poll gave to what the work of a derived lane makes of it: by partition, up to a
record that must wait.
"""

import time

from confluent_kafka import Message

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.lanes.derived_part import Part
from riskstream.platform.kafka.lanes.derived_partitions import DerivedPartitions
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.ports import DerivedWork
from riskstream.platform.kafka.record import Output, Record
from riskstream.platform.kafka.traced import context_in, headers_of
from riskstream.platform.telemetry.context import TraceContext


class DerivedIntake:
    """Used by the polling thread alone."""

    def __init__(
        self, source: str, work: DerivedWork, partitions: DerivedPartitions, spans: HopSpans
    ) -> None:
        self._source, self._work, self._partitions, self._spans = source, work, partitions, spans
        self._taken = self._taken_ns = 0
        """Records since the last commit, and when the first sampled one of them was taken."""

    def take(self, messages: list[Message]) -> dict[int, tuple[int, int]]:
        """Give the work the records; of each partition that moved the last one's (offset, append
        time in ms since 1970).
        """
        moved: dict[int, tuple[int, int]] = {}
        for number, given in self._by_partition(messages).items():
            part = self._partitions.parts[number]
            outputs, records = self._fold(number, given, part.committed)
            if not records:
                continue
            part.position = records[-1].offset + 1
            part.is_dirty = True
            part.appended_at += [
                each.appended_at for each in records if each.offset >= part.committed
            ]
            part.outputs += outputs
            self._taken += len(records)
            moved[number] = records[-1].offset, records[-1].appended_at
        return moved

    def committed(self, parts: list[Part]) -> None:
        """What was taken is committed: the spans of its sampled records end."""
        hops = [hop for part in parts for hop in part.hops]
        self._spans.end(hops, self._taken, self._taken_ns, time.time_ns())
        self.forget()

    def forget(self) -> None:
        """Nothing was taken since the last commit."""
        self._taken = self._taken_ns = 0

    def _by_partition(self, messages: list[Message]) -> dict[int, list[Record]]:
        """Those of partitions that are taken up and were not revoked inside consume, from where
        each stands.
        """
        taken: dict[int, list[Record]] = {}
        parts = self._partitions.parts
        for message in messages:
            number, offset = message.partition(), message.offset()
            assert number is not None
            assert offset is not None
            part, mine = parts.get(number), taken.get(number)
            if part is None or offset < part.position or (mine and offset <= mine[-1].offset):
                continue  # of a fetch before the seek: it was taken
            record = Record(
                topic=self._source,
                partition=number,
                offset=offset,
                appended_at=message.timestamp()[1],
                key=message.key(),
                value=message.value(),
                headers=[],
                trace=self._trace(part, message, number, offset),
            )
            taken.setdefault(number, []).append(record)
        return taken

    def _fold(
        self, number: int, records: list[Record], committed: int
    ) -> tuple[list[Output], list[Record]]:
        """What comes of the records, and those that were taken: up to the first whose schema is not
        known yet.
        """
        while records:
            try:
                return self._work.take(number, records, committed), records
            except SchemaWait as wait:  # nothing was folded in
                first = min(wait.rows)
                self._partitions.waits.begin(self._source, number, records[first].offset, wait)
                records = records[:first]
        return [], []

    def _trace(self, part: Part, message: Message, number: int, offset: int) -> TraceContext | None:
        """Our span of a sampled record, of which nothing was committed before."""
        [headers] = headers_of([message])
        if headers is None or offset < part.committed:
            return None
        context = context_in(headers)
        if context is None:
            return None
        [hop] = self._spans.begin([context], [number], [offset])
        part.hops.append(hop)
        self._taken_ns = self._taken_ns or time.time_ns()
        return hop.context
