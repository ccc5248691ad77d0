"""A derived lane: reads accepted scores, writes outputs and offsets in one Kafka transaction each
commit interval.

Not latency-critical, and its outputs are compacted topics where a zombie's late write could not be
undone: hence transactions here and positions in `lane.py` (ADR 0001). The commit's metadata holds
the offset up to which all changed state was written, and the work's own positions there: a new
owner goes on from that place. Where the group's offsets are lost, it goes on where the state itself
says that it stands.
"""

import time
from contextlib import closing
from functools import partial
from threading import Event

import numpy as np
from confluent_kafka import Consumer, KafkaException, TopicPartition

from riskstream.platform.kafka.clients.native.choice import take_of
from riskstream.platform.kafka.lanes.derived_intake import DerivedIntake
from riskstream.platform.kafka.lanes.derived_pace import Pace
from riskstream.platform.kafka.lanes.derived_part import Part
from riskstream.platform.kafka.lanes.derived_partitions import DerivedPartitions
from riskstream.platform.kafka.lanes.derived_settings import DerivedSettings
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.member import Member
from riskstream.platform.kafka.lanes.ports import DerivedWork, View
from riskstream.platform.kafka.lanes.transactions import Transactions
from riskstream.platform.telemetry.metrics import DerivedMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import monotonic, now_ms

__all__ = ["DerivedLane", "DerivedSettings"]
_MOST = 16_384
"""Records that are taken at once."""
_NONE = np.zeros(0, np.int64)


class DerivedLane:
    """Runs a DerivedWork until stopped. One process owns a partition at a time; a zombie's
    transaction is fenced.
    """

    def __init__(
        self,
        settings: DerivedSettings,
        work: DerivedWork,
        metrics: DerivedMetrics,
        stop: Event,
        view: View | None = None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._settings, self._work, self._metrics = settings, work, metrics
        self._stop, self._view = stop, view
        self._is_broken = False
        """An exception ended a step: memory may be ahead of the log."""
        take = partial(take_of, way=settings.client, shown=metrics.native)
        self._member = Member(settings, [settings.source], metrics, take)
        self._partitions = DerivedPartitions(settings, work, view, self._member, metrics)
        spans = HopSpans(tracer, settings.source, settings.group)
        self._intake = DerivedIntake(settings.source, work, self._partitions, spans)
        self._transactions = Transactions(settings, stop, metrics.native)

    @property
    def is_ready(self) -> bool:
        return self._transactions.failure is None and not self._partitions.waiting

    @property
    def seen_at(self) -> float:
        """When the loop last went round, or waited for the broker on purpose (time.monotonic)."""
        return max(self._member.loop_seen, self._transactions.waited_at)

    def is_behind(self) -> bool:
        """True within a transaction. The client may not come back from a step of one that lost its
        broker, whatever its timeout.

        For the watchdog, from its thread; its progress is `seen_at`.
        """
        return self._transactions.is_under_way

    def run(self) -> None:
        """Poll, apply, commit; drain on stop."""
        self._partitions.read_ahead()
        with (
            closing(self._partitions),
            closing(self._transactions),
            self._member.joined(
                on_assign=self._partitions.on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._partitions.forget,
                on_expired=self._partitions.on_expired,
            ),
        ):
            try:
                self._go_round()
                if self._transactions.failure is None:
                    self._commit(flush=True)
            except BaseException:
                self._is_broken = True  # nothing more is committed, not even on the way out
                raise
        if self._transactions.failure is not None:
            raise self._transactions.failure

    def _go_round(self) -> None:
        pace = Pace(self._settings, monotonic())
        while not self._stop.is_set() and self._transactions.failure is None:
            self._member.check()
            self._partitions.open()
            self._partitions.go_on_at_heads()
            self._partitions.waits.take_up()
            behind_ms = self._poll()
            self._metrics.waiting.set(self._partitions.waiting)
            now = self._member.see()
            if not pace.is_due(now, behind_ms):
                continue
            flush = pace.is_flush_due(now)
            self._commit(flush=flush)
            # idle partitions as well: what it lost or did not take
            if flush and self._view is not None:
                self._view.show(list(self._partitions.parts), [])
            pace.committed(now, is_flushed=flush)

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        if self._transactions.failure is None and not self._is_broken:
            self._commit(flush=True)
        self._partitions.forget(client, partitions)

    def _poll(self) -> int | None:
        """Take what is there; how long ago the newest of it arrived in Kafka, ms, 0 where the work
        does not say. None where nothing came.
        """
        if not self._member.wait(0.02):
            return None
        self._metrics.stages.begin()
        moved = self._intake.take(self._member.polled(_MOST))
        for number, (offset, appended_at) in moved.items():
            self._member.lag.taken(self._settings.source, number, offset, appended_at)
        fault_point("taken")
        self._metrics.stages.mark("take")
        if not moved:  # ends and errors, or records that were taken before
            return None
        arrived = [at for number in moved if (at := self._work.arrived_at(number)) is not None]
        return now_ms() - max(arrived) if arrived else 0

    def _commit(self, *, flush: bool) -> None:
        """One transaction: 1 outputs, 2 changed state when `flush`, 3 offsets with metadata, 4
        commit.
        """
        dirty = {number: part for number, part in self._partitions.parts.items() if part.is_dirty}
        if not dirty:
            return
        started = time.perf_counter()
        self._metrics.stages.begin()
        # 1
        outputs = [output for part in dirty.values() for output in part.outputs]
        for number, part in dirty.items():
            outputs += self._work.settle(number, part.committed)
        # 2: a state that was written early (by `take`) must not stand alone, for readers reconcile
        # at flush points
        states = self._work.state_topics[:1]
        flush = flush or any(output.topic in states for output in outputs)
        if flush:
            outputs += [each for number in dirty for each in self._work.flush(number)]
        # 3 and 4
        offsets = self._offsets(dirty, flush=flush)
        try:
            self._transactions.write(
                outputs, offsets, self._member.client.consumer_group_metadata()
            )
        except KafkaException as error:
            self._metrics.aborts.inc()
            self._transactions.abort(error)
            self._partitions.go_back()
            self._intake.forget()
            return
        self._see_committed(dirty, is_flushed=flush)
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.stages.mark("write")
        if self._view is not None:
            self._view.show(list(dirty), outputs)

    def _offsets(self, dirty: dict[int, Part], *, flush: bool) -> list[TopicPartition]:
        """Where the group goes on; the metadata says up to where state was written, and the work's
        own positions there.
        """
        offsets = []
        for number, part in dirty.items():
            if flush:
                part.flushed, part.flushed_metadata = part.position, self._work.metadata(number)
            at, metadata = (
                max(part.position, part.committed),
                f"flushed={part.flushed};{part.flushed_metadata}",
            )
            offsets.append(TopicPartition(self._settings.source, number, at, metadata))
        return offsets

    def _see_committed(self, dirty: dict[int, Part], *, is_flushed: bool) -> None:
        ages = [at for part in dirty.values() for at in part.appended_at]
        self._metrics.source_age_seconds.observe(np.concatenate([_NONE, *ages]))
        self._intake.committed(list(dirty.values()))
        for part in dirty.values():
            part.appended_at, part.outputs, part.hops = [], [], []
            part.committed = max(part.position, part.committed)
            part.is_dirty = not is_flushed
