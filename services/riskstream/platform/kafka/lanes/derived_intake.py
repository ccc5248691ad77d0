"""From what a poll gave to what the work of a derived lane makes of it: by partition, up to a
record that must wait.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.clients.polled import Polled
from riskstream.platform.kafka.lanes.derived_part import Part
from riskstream.platform.kafka.lanes.derived_partitions import DerivedPartitions
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.ports import DerivedWork
from riskstream.platform.kafka.record import Made, Records


class DerivedIntake:
    """Used by the polling thread alone."""

    def __init__(
        self, source: str, work: DerivedWork, partitions: DerivedPartitions, spans: HopSpans
    ) -> None:
        self._source, self._work, self._partitions, self._spans = source, work, partitions, spans
        self._taken = self._taken_ns = 0
        """Records since the last commit, and when the first sampled one of them was taken."""

    def take(self, polled: Polled) -> dict[int, tuple[int, int]]:
        """Give the work the records; of each partition that moved the last one's (offset, append
        time in ms since 1970).
        """
        moved: dict[int, tuple[int, int]] = {}
        for number, given in self._by_partition(polled).items():
            part = self._partitions.parts[number]
            outputs, records = self._fold(number, given, part.committed)
            if not records:
                continue
            part.position = int(records.offsets[-1]) + 1
            part.is_dirty = True
            part.appended_at.append(records.appended_at[records.offsets >= part.committed])
            part.outputs += outputs
            self._taken += len(records)
            moved[number] = part.position - 1, int(records.appended_at[-1])
        return moved

    def committed(self, parts: list[Part]) -> None:
        """What was taken is committed: the spans of its sampled records end."""
        hops = [hop for part in parts for hop in part.hops]
        self._spans.end(hops, self._taken, self._taken_ns, time.time_ns())
        self.forget()

    def forget(self) -> None:
        """Nothing was taken since the last commit."""
        self._taken = self._taken_ns = 0

    def _by_partition(self, polled: Polled) -> dict[int, Records]:
        """Those of partitions that are taken up and were not revoked while we waited, from where
        each stands.
        """
        taken: dict[int, Records] = {}
        for number in np.unique(polled.partitions).tolist():
            part = self._partitions.parts.get(number)
            if part is None:
                continue
            rows = np.flatnonzero(polled.partitions == number)
            at = polled.offsets[rows]
            before = np.maximum.accumulate(np.append(part.position - 1, at[:-1]))
            rows = rows[at > before]  # the others are of a fetch before the seek: they were taken
            if len(rows):
                records = polled.records(self._source, number, rows)
                taken[number] = self._traced(part, records) if records.traces else records
        return taken

    def _fold(
        self, number: int, records: Records, committed: int
    ) -> tuple[Sequence[Made], Records]:
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
        return [], records

    def _traced(self, part: Part, records: Records) -> Records:
        """With our span of each sampled record, of which nothing was committed before, in place of
        its own context.
        """
        number, offsets = records.partition, records.offsets
        contexts = {
            row: context
            for row, context in records.traces.items()
            if offsets[row] >= part.committed
        }
        if not contexts:
            return replace(records, traces={})
        hops = self._spans.begin(
            list(contexts.values()), [number] * len(contexts), offsets[list(contexts)].tolist()
        )
        part.hops += hops
        self._taken_ns = self._taken_ns or time.time_ns()
        ours = {row: hop.context for row, hop in zip(contexts, hops, strict=True)}
        return replace(records, traces=ours)
