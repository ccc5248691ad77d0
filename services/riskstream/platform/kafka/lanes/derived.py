"""A derived lane: reads accepted scores, writes outputs and offsets in one Kafka transaction each
commit interval.

Not latency-critical, and its outputs are compacted topics where a zombie's late write could not be
undone: hence transactions here and positions in `lane.py` (ADR 0001). The commit's metadata holds
the offset up to which all changed state was written, and the work's own positions there: a new
owner goes on from that place. Where the group's offsets are lost, it goes on where the state itself
says that it stands.
"""

import time
from dataclasses import dataclass
from threading import Event

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.clients.client import consumer, group_settings, translated
from riskstream.platform.kafka.clients.giants import Giants, is_giant
from riskstream.platform.kafka.clients.starts import (
    assign_paused,
    begin_anew,
    go_on_at,
    is_expired,
    legal_start,
)
from riskstream.platform.kafka.lanes.derived_part import Part
from riskstream.platform.kafka.lanes.derived_start import Committed, read_states
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.lag import Lag
from riskstream.platform.kafka.lanes.membership import Membership
from riskstream.platform.kafka.lanes.ports import DerivedWork, View
from riskstream.platform.kafka.lanes.transactions import Transactions
from riskstream.platform.kafka.lanes.waits import Waits
from riskstream.platform.kafka.record import Output, Record
from riskstream.platform.kafka.traced import context_in, headers_of
from riskstream.platform.telemetry.context import TraceContext
from riskstream.platform.telemetry.metrics import DerivedMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("derived")


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedSettings:
    """What a derived lane is told. State is written at most each `flush_ms`, everything else each
    `commit_ms`.
    """

    kafka: str
    group: str
    source: str
    instance: str
    commit_ms: int = 200
    flush_ms: int = 1000
    group_protocol: str = "consumer"
    session_timeout_ms: int = 6000


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
        self._settings, self._work, self._metrics, self._stop, self._view = (
            settings,
            work,
            metrics,
            stop,
            view,
        )
        self._parts: dict[int, Part] = {}
        self._spans, self._lag = HopSpans(tracer, settings.source, settings.group), Lag(metrics.lag)
        self._taken = self._taken_ns = 0
        """Records since the last commit, and when the first sampled one of them was taken."""
        self._unopened: set[int] = set()
        """Partitions given to us whose state is not taken up yet: nothing of theirs is taken."""
        self._open_at = self._open_by = 0.0
        self._state_waits: list[SchemaWait] = []
        """What partitions whose state cannot be read wait for; looked at again when one is over, or
        at `_open_by`.
        """
        self._expired: set[int] = set()
        """Partitions whose head passed us: they go on where Kafka says that records are."""
        self._is_broken = False
        """An exception ended a step: memory may be ahead of the log."""
        self.loop_seen = monotonic()
        self._consumer: Consumer = consumer(
            settings.kafka,
            settings.group,
            **group_settings(settings.group_protocol, settings.session_timeout_ms),
        )
        self._membership = Membership(self._consumer, settings.group)
        self._giants = Giants(self._consumer, settings.kafka, metrics.giants)
        self._waits = Waits(self._consumer)
        self._transactions = Transactions(settings.kafka, settings.group, settings.instance, stop)

    @property
    def is_ready(self) -> bool:
        return self._transactions.failure is None and not self._waits and not self._unopened

    @property
    def seen_at(self) -> float:
        """When the loop last went round, or waited for the broker on purpose (time.monotonic)."""
        return max(self.loop_seen, self._transactions.waited_at)

    def is_behind(self) -> bool:
        """True within a transaction. The client may not come back from a step of one that lost its
        broker, whatever its timeout.

        For the watchdog, from its thread; its progress is `seen_at`.
        """
        return self._transactions.is_under_way

    def run(self) -> None:
        """Poll, apply, commit; drain on stop."""
        self._membership.subscribe(
            [self._settings.source],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        committed_at = flushed_at = monotonic()
        try:
            while not self._stop.is_set() and self._transactions.failure is None:
                self._membership.check()
                self._open()
                self._go_on_at_heads()
                self._waits.take_up()
                self._poll()
                self._metrics.waiting.set(len(self._waits) + len(self._unopened))
                now = self.loop_seen = monotonic()
                if now - committed_at >= self._settings.commit_ms / 1000:
                    flush = now - flushed_at >= self._settings.flush_ms / 1000
                    self._commit(flush=flush)
                    # idle partitions as well: what it lost or did not take
                    if flush and self._view is not None:
                        self._view.show(list(self._parts), [])
                    committed_at = now
                    flushed_at = now if flush else flushed_at
            if self._transactions.failure is None:
                self._commit(flush=True)
        except BaseException:
            # memory may be ahead of the log: nothing more is committed, not even on the way out
            self._is_broken = True
            raise
        finally:
            self._consumer.close()
        if self._transactions.failure is not None:
            raise self._transactions.failure

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """Assign paused, at the head; state is taken up by the loop, which may have to wait for
        Kafka.
        """
        assign_paused(client, partitions)
        for each in partitions:
            self._lag.own(self._settings.source, each.partition)
        self._unopened |= {each.partition for each in partitions}
        self._open_at = self._open_by = 0.0
        log.info("assigned", partitions=[each.partition for each in partitions])

    def _open(self) -> None:
        """Take up state and positions of the partitions given to us; later, where Kafka or a schema
        is not there yet.
        """
        now = monotonic()
        if not self._unopened or now < self._open_at:
            return
        if (
            self._parts
            and now < self._open_by
            and not any(wait.is_over() for wait in self._state_waits)
        ):
            self._open_at = now + _AGAIN_S  # reading all states again holds up those that go on
            return
        numbers = sorted(self._unopened)
        try:
            starts = self._take_up(numbers)
            go_on_at(
                self._consumer,
                [
                    TopicPartition(self._settings.source, number, at)
                    for number, at in starts.items()
                ],
            )
        except Retryable as error:
            for number in numbers:
                self._parts.pop(number, None)
            self._open_at = monotonic() + _AGAIN_S
            log.warning("taking up waits", partitions=numbers, why=str(error))
            return
        self._unopened -= starts.keys()
        now = monotonic()
        self._open_at, self._open_by = now + _AGAIN_S, now + _AGAIN_BESIDE_S
        log.info("taken up", offsets=starts)

    def _take_up(self, numbers: list[int]) -> dict[int, int]:
        """State, positions, and where to go on: the last flush by the group's metadata, or where
        the state itself stands.

        Without those whose state is of a schema that is not known. Retryable where Kafka does not
        answer.
        """
        source = self._settings.source
        committed = Committed.read(self._consumer, source, numbers)
        for number in numbers:
            self._work.drop(number)
            self._work.resume(number, committed[number].metadata)
        waiting = read_states(self._settings.kafka, self._work, self._view, committed, self._see)
        self._state_waits = list(waiting.values())
        for number, wait in waiting.items():
            self._work.drop(number)
            log.warning("taking up waits", partitions=[number], why=str(wait))
        fault_point("restored")
        starts = {}
        for number in [each for each in numbers if each not in waiting]:
            given = committed[number]
            wanted = self._work.start(number, given.flushed)
            if given.flushed is None:  # set by hand to leave records out, or none
                wanted = max(wanted, given.offset)
            starts[number] = legal_start(self._consumer, source, number, wanted, _ANSWER_S)
            self._metrics.expired.inc(starts[number] - wanted)
        for number, start in starts.items():
            self._parts[number] = Part(
                position=start,
                committed=committed[number].offset,
                flushed=start,
                flushed_metadata=self._work.metadata(number),
            )
        return starts

    def _see(self) -> None:
        self.loop_seen = monotonic()

    def _go_back(self) -> None:
        """After an abort: what is owned is taken up as on assignment, from the last commit. The
        world gets a moment.
        """
        log.info("goes back to the last commit", partitions=sorted(self._parts))
        self._unopened |= self._parts.keys()
        self._parts.clear()
        self._waits.clear()
        self._expired.clear()
        self._taken = self._taken_ns = 0
        self._open_at, self._open_by = monotonic() + _AFTER_ABORT_S, 0.0

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        if self._transactions.failure is None and not self._is_broken:
            self._commit(flush=True)
        self._on_lost(client, partitions)

    def _on_lost(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._parts.pop(each.partition, None)
            self._unopened.discard(each.partition)
            self._expired.discard(each.partition)
            self._waits.forget(self._settings.source, each.partition)
            self._lag.forget(self._settings.source, each.partition)
            self._work.drop(each.partition)
        client.incremental_unassign(partitions)
        log.info("gave up", partitions=[each.partition for each in partitions])

    def _poll(self) -> None:
        first = self._consumer.poll(0.02)
        if first is None:
            return
        self._metrics.stages.begin()
        taken: dict[int, list[Record]] = {}
        for message in [first, *self._consumer.consume(4095, 0)]:
            self._sort_in(message, taken)
        for number, given in taken.items():
            part = self._parts.get(number)
            if part is None:  # revoked inside consume
                continue
            outputs, records = self._fold(number, given, part.committed)
            if not records:
                continue
            part.position = records[-1].offset + 1
            part.is_dirty = True
            part.appended_at += [
                record.appended_at for record in records if record.offset >= part.committed
            ]
            part.outputs += outputs
            self._taken += len(records)
            self._lag.taken(self._settings.source, number, records[-1].appended_at)
        fault_point("taken")
        self._metrics.stages.mark("take")

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
                self._waits.begin(self._settings.source, number, records[first].offset, wait)
                records = records[:first]
        return [], []

    def _sort_in(self, message: Message, taken: dict[int, list[Record]]) -> None:
        """Put a good record of an owned partition into its list."""
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._lag.reached_end(self._settings.source, message.partition() or 0)
                return
            if is_expired(error):
                self._expired.add(message.partition() or 0)
                return
            if is_giant(error):
                self._giants.go_on_behind(
                    self._settings.source, message.partition() or 0, message.offset() or 0
                )
                return
            problem = translated(error, self._settings.source)
            if isinstance(problem, Fatal):
                raise problem
            log.warning("consumer error", error=str(problem))
            return
        number, offset = message.partition(), message.offset()
        assert number is not None
        assert offset is not None
        part = self._parts.get(number)
        if part is None or offset < part.position:
            return
        record = Record(
            topic=self._settings.source,
            partition=number,
            offset=offset,
            appended_at=message.timestamp()[1],
            key=message.key(),
            value=message.value(),
            headers=[],
            trace=self._trace(part, message, number, offset),
        )
        taken.setdefault(number, []).append(record)

    def _go_on_at_heads(self) -> None:
        """The head of the source passed a partition: go on at what is there. The series has a hole,
        and the work says so.
        """
        for number in sorted(self._expired):
            part = self._parts.get(number)
            try:
                if part is not None:
                    at = begin_anew(self._consumer, self._settings.source, number, part.position)
                    self._metrics.expired.inc(at - part.position)
                    part.position = at
            except Retryable as error:
                log.warning("the head is not known", partition=number, why=str(error))
                return
            self._expired.discard(number)

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

    def _commit(self, *, flush: bool) -> None:
        """One transaction: 1 outputs, 2 changed state when `flush`, 3 offsets with metadata, 4
        commit.
        """
        dirty = {number: part for number, part in self._parts.items() if part.is_dirty}
        if not dirty:
            return
        started = time.perf_counter()
        self._metrics.stages.begin()
        positions = {number: part.position for number, part in dirty.items()}
        outputs = [output for part in dirty.values() for output in part.outputs]
        outputs += [
            output
            for number, part in dirty.items()
            for output in self._work.settle(number, part.committed)
        ]
        # A state that was written early (by `take`) must not stand alone: readers reconcile at
        # flush points.
        states = self._work.state_topics[:1]
        flush = flush or any(output.topic in states for output in outputs)
        if flush:
            outputs += [output for number in dirty for output in self._work.flush(number)]
        offsets = []
        for number, part in dirty.items():
            if flush:
                part.flushed, part.flushed_metadata = positions[number], self._work.metadata(number)
            at, metadata = (
                max(positions[number], part.committed),
                f"flushed={part.flushed};{part.flushed_metadata}",
            )
            offsets.append(TopicPartition(self._settings.source, number, at, metadata))
        try:
            self._transactions.write(outputs, offsets, self._consumer.consumer_group_metadata())
        except KafkaException as error:
            self._metrics.aborts.inc()
            self._transactions.abort(error)
            self._go_back()
            return
        self._metrics.source_age_seconds.observe(
            np.array([at for part in dirty.values() for at in part.appended_at], np.int64)
        )
        self._spans.end(
            [hop for part in dirty.values() for hop in part.hops],
            self._taken,
            self._taken_ns,
            time.time_ns(),
        )
        self._taken = self._taken_ns = 0
        for number, part in dirty.items():
            part.appended_at, part.outputs, part.hops = [], [], []
            part.committed = max(positions[number], part.committed)
            part.is_dirty = not flush
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.stages.mark("write")
        if self._view is not None:
            self._view.show(list(dirty), outputs)


_AFTER_ABORT_S = 0.5
_AGAIN_S, _AGAIN_BESIDE_S, _ANSWER_S = 1.0, 15.0, 10.0
