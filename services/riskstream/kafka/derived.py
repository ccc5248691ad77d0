"""A derived lane: reads accepted scores, writes outputs and offsets in one Kafka transaction each commit interval.

Not latency-critical, and its outputs are compacted topics where a zombie's late write could not be undone: hence
transactions here and positions in `lane.py` (ADR 0001). The commit's metadata holds the offset up to which all changed
state was written, and the work's own positions there: a new owner goes on from that place.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from riskstream.contracts.writers import SchemaWait
from riskstream.kafka.client import client_log, consumer, group_settings, producing, translated
from riskstream.kafka.derived_part import Part
from riskstream.kafka.lag import Lag
from riskstream.kafka.ports import DerivedWork, Output, Record, View
from riskstream.kafka.read import TopicReader
from riskstream.kafka.refusals import ADVICE, FENCED
from riskstream.kafka.starts import begin_anew, is_expired, legal_start
from riskstream.kafka.traced import HopSpans, context_in, header_of
from riskstream.kafka.waits import Waits
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import fault_point
from riskstream.telemetry.context import TraceContext
from riskstream.telemetry.metrics import DerivedMetrics
from riskstream.telemetry.tracing import NO_TRACER, Tracer

log = structlog.get_logger("derived")


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedSettings:
    """What a derived lane is told. State is written at most each `flush_ms`, everything else each `commit_ms`."""

    kafka: str
    group: str
    source: str
    instance: str
    commit_ms: int = 200
    flush_ms: int = 1000
    group_protocol: str = "consumer"
    session_timeout_ms: int = 6000


class DerivedLane:
    """Runs a DerivedWork until stopped. One process owns a partition at a time; a zombie's transaction is fenced."""

    def __init__(
        self, settings: DerivedSettings, work: DerivedWork, metrics: DerivedMetrics, stop: Event, view: View | None = None,
        tracer: Tracer = NO_TRACER,
    ) -> None:  # fmt: skip
        self._settings, self._work, self._metrics, self._stop, self._view = settings, work, metrics, stop, view
        self._parts: dict[int, Part] = {}
        self._spans, self._lag = HopSpans(tracer, settings.source, settings.group), Lag(metrics.lag)
        self._taken = self._taken_ns = 0
        """Records since the last commit, and when the first sampled one of them was taken."""
        self._failure: Fatal | None = None
        self._is_broken = self._is_aborted = False
        """An exception ended a step; a transaction was aborted. Memory is ahead of the log then."""
        self.loop_seen = time.monotonic()
        self._consumer: Consumer = consumer(
            settings.kafka,
            settings.group,
            **group_settings(settings.group_protocol, settings.session_timeout_ms),
        )
        self._waits = Waits(self._consumer)
        self._producer = self._transactional()

    @property
    def is_ready(self) -> bool:
        return self._failure is None and not self._waits

    def run(self) -> None:
        """Poll, apply, commit; drain on stop."""
        self._consumer.subscribe(
            [self._settings.source], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        committed_at = flushed_at = time.monotonic()
        try:
            while not self._stop.is_set() and self._failure is None:
                if self._is_aborted:
                    self._go_back()
                self._waits.take_up()
                self._poll()
                now = self.loop_seen = time.monotonic()
                if now - committed_at >= self._settings.commit_ms / 1000:
                    flush = now - flushed_at >= self._settings.flush_ms / 1000
                    self._commit(flush=flush)
                    if flush and self._view is not None:  # idle partitions as well: what it lost or did not take
                        self._view.show(list(self._parts), [])
                    committed_at = now
                    flushed_at = now if flush else flushed_at
            if self._failure is None:
                self._commit(flush=True)
        except BaseException:
            self._is_broken = True  # memory may be ahead of the log: nothing more is committed, not even on the way out
            raise
        finally:
            self._consumer.close()
        if self._failure is not None:
            raise self._failure

    def _transactional(self) -> Producer:
        producer = Producer(
            {
                **producing(self._settings.kafka, self._settings.group),
                "transactional.id": f"{self._settings.group}-{self._settings.instance}",
                "transaction.timeout.ms": 10_000,
                "retry.backoff.ms": 5,  # else each transaction waits about 100 ms on CONCURRENT_TRANSACTIONS
                "linger.ms": 0,
                "partitioner": "murmur2_random",
                "error_cb": self._on_client_error,
            },
            logger=client_log(),
        )
        try:
            producer.init_transactions(30)
        except KafkaException as error:
            raise translated(error, self._settings.kafka) from error
        return producer

    def _on_client_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = self._ended_by(error)

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._take_up(client, partitions)
        client.incremental_assign(partitions)
        log.info("assigned", partitions=[each.partition for each in partitions])

    def _go_back(self) -> None:
        """After an abort: what is owned is taken up as on assignment, from the last commit. The world gets a moment."""
        self._stop.wait(_AFTER_ABORT_S)
        partitions = [TopicPartition(self._settings.source, number) for number in self._parts]
        self._waits.clear()
        self._consumer.incremental_unassign(partitions)
        self._take_up(self._consumer, partitions)
        self._consumer.incremental_assign(partitions)
        self._is_aborted = False
        self._taken = self._taken_ns = 0
        log.info("went back to the last commit", partitions=[each.partition for each in partitions])

    def _take_up(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """State and positions: the state topic is read to its end, records are replayed from the last flush; sets offsets."""
        try:  # read_committed: it waits where an owner before has a commit under way
            found = client.committed([TopicPartition(each.topic, each.partition) for each in partitions], timeout=30)
        except KafkaException as error:
            raise translated(error, self._settings.source) from error
        metadata = {each.partition: each.metadata for each in found}
        offsets = {each.partition: max(each.offset, 0) for each in found}
        numbers = [each.partition for each in partitions]
        for number in numbers:
            self._work.drop(number)
            self._work.resume(number, metadata[number])
        self._restore(numbers)
        fault_point("restored")
        for each in partitions:
            number = each.partition
            flushed = _flushed(metadata[number], offsets[number])
            flushed = legal_start(client, each.topic, number, flushed)
            each.offset = flushed
            self._parts[number] = Part(
                position=flushed,
                committed=offsets[number],
                flushed=flushed,
                flushed_metadata=self._work.metadata(number),
            )
            self._lag.own(self._settings.source, number)

    def _restore(self, partitions: list[int]) -> None:
        with TopicReader(self._settings.kafka, list(self._work.state_topics)) as reader:
            by_partition: dict[int, list[Record]] = {number: [] for number in partitions}
            for record in reader.until_end():
                if record.partition in by_partition:
                    by_partition[record.partition].append(record)
        for number, records in by_partition.items():
            self._work.restore(number, records)
            if self._view is not None:
                self._view.restore(number, records)

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        if self._failure is None and not self._is_broken:
            self._commit(flush=True)
        self._on_lost(client, partitions)

    def _on_lost(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._parts.pop(each.partition, None)
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
            part.appended_at += [record.appended_at for record in records if record.offset >= part.committed]
            part.outputs += outputs
            self._taken += len(records)
            self._lag.taken(self._settings.source, number, records[-1].appended_at)
        fault_point("taken")
        self._metrics.stages.mark("take")

    def _fold(self, number: int, records: list[Record], committed: int) -> tuple[list[Output], list[Record]]:
        """What comes of the records, and those that were taken: up to the first whose schema is not known yet."""
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
                self._see_expired(message.partition() or 0)
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
            topic=self._settings.source, partition=number, offset=offset, appended_at=message.timestamp()[1],
            key=message.key(), value=message.value(), headers=[], trace=self._trace(part, message, number, offset),
        )  # fmt: skip
        taken.setdefault(number, []).append(record)

    def _see_expired(self, number: int) -> None:
        """The head of the source passed us: go on at what is there. The series has a hole, and the work counts it."""
        if (part := self._parts.get(number)) is not None:
            part.position = begin_anew(self._consumer, self._settings.source, number, part.position)

    def _trace(self, part: Part, message: Message, number: int, offset: int) -> TraceContext | None:
        """Our span of a sampled record, of which nothing was committed before."""
        headers = message.headers()
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
        """One transaction: 1 outputs, 2 changed state when `flush`, 3 offsets with metadata, 4 commit."""
        dirty = {number: part for number, part in self._parts.items() if part.is_dirty}
        if not dirty or self._is_aborted:
            return
        started = time.perf_counter()
        self._metrics.stages.begin()
        positions = {number: part.position for number, part in dirty.items()}
        outputs = [output for part in dirty.values() for output in part.outputs]
        outputs += [output for number, part in dirty.items() for output in self._work.settle(number, part.committed)]
        # A state that was written early (by `take`) must not stand alone: readers reconcile at flush points.
        states = self._work.state_topics[:1]
        flush = flush or any(output.topic in states for output in outputs)
        if flush:
            outputs += [output for number in dirty for output in self._work.flush(number)]
        try:
            self._producer.begin_transaction()
            for output in outputs:
                self._produce(output)
            fault_point("begun")
            offsets = []
            for number, part in dirty.items():
                if flush:
                    part.flushed, part.flushed_metadata = positions[number], self._work.metadata(number)
                metadata = f"flushed={part.flushed};{part.flushed_metadata}"
                at = max(positions[number], part.committed)
                offsets.append(TopicPartition(self._settings.source, number, at, metadata))
            group = self._consumer.consumer_group_metadata()
            self._patiently(self._producer.send_offsets_to_transaction, offsets, group, 10)
            fault_point("sent")
            self._patiently(self._producer.commit_transaction, 15)
            fault_point("transacted")
        except KafkaException as error:
            self._abort(error)
            return
        self._metrics.source_age_seconds.observe(
            np.array([at for part in dirty.values() for at in part.appended_at], np.int64)
        )
        self._spans.end(
            [hop for part in dirty.values() for hop in part.hops], self._taken, self._taken_ns, time.time_ns()
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

    def _produce(self, output: Output) -> None:
        extra: Any = {"headers": header_of(output.trace)} if output.trace is not None else {}
        while True:
            try:
                self._producer.produce(output.topic, output.value, output.key, output.partition, **extra)
                return
            except BufferError:
                self._producer.poll(0.02)

    def _patiently(self, call: Callable[..., Any], *arguments: Any) -> None:
        """A step of a transaction; again where the broker did not answer in time, for the outcome is not known else."""
        end = time.monotonic() + _TRANSACTION_S
        while True:
            try:
                call(*arguments)
                return
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > end:
                    raise
                self.loop_seen = time.monotonic()

    def _abort(self, error: KafkaException) -> None:
        """A transaction failed. Aborted, it never was, and memory goes back to the last commit; fenced, the process ends."""
        inner = error.args[0]
        self._metrics.aborts.inc()
        log.error("transaction failed", error=inner.str(), abortable=inner.txn_requires_abort(), fatal=inner.fatal())
        if inner.fatal():
            self._is_broken = True
            raise self._ended_by(inner) from error
        try:
            self._patiently(self._producer.abort_transaction, 10)
        except KafkaException as second:
            self._is_broken = True
            problem = second.args[0]
            if problem.fatal():
                raise self._ended_by(problem) from second
            raise Retryable(
                what=f"a transaction cannot be aborted: {problem.str()}", where=self._settings.group
            ) from second
        self._is_aborted = True
        if not inner.txn_requires_abort() and isinstance(
            problem_of_ours := translated(inner, self._settings.group), Fatal
        ):
            raise problem_of_ours from error  # a record that no broker takes: it comes again each time

    def _ended_by(self, error: KafkaError) -> Fatal:
        """What to say where the producer cannot go on."""
        if error.code() in FENCED:
            what = f"another process runs as instance {self._settings.instance}, or this one stood still for too long"
            return Fatal(what=what, where=self._settings.group, do=ADVICE[error.code()])
        return Fatal(what=f"producer failed: {error.str()}", where=self._settings.group, do="restart")


_TRANSACTION_S = 30.0
_AFTER_ABORT_S = 0.5


def _flushed(metadata: str | None, default: int) -> int:
    for part in (metadata or "").split(";"):
        key, _, value = part.partition("=")
        if key == "flushed":
            return int(value)
    return default
