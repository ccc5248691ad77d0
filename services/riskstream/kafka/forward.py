"""A forward lane: records in, keyed records out, at least once and in order; readers drop repeats by source position.

Offsets are committed only up to what the broker has acknowledged. For stages that are stateless and pure (the profiler's
shuffle): what is written twice is written the same.
"""

import time
from dataclasses import dataclass
from operator import itemgetter
from threading import Event
from typing import Any

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from riskstream.contracts.writers import SchemaWait
from riskstream.kafka.client import GAPLESS, client_log, consumer, group_settings, producing, translated
from riskstream.kafka.lag import Lag
from riskstream.kafka.ports import ForwardWork, Intake
from riskstream.kafka.starts import begin_anew, is_expired, legal_start
from riskstream.kafka.traced import HopSpans, contexts_in, header_of
from riskstream.kafka.waits import Waits, firsts
from riskstream.runtime.errors import Fatal
from riskstream.runtime.faults import fault_point
from riskstream.telemetry.metrics import ProfilerMetrics
from riskstream.telemetry.span import Hop
from riskstream.telemetry.tracing import NO_TRACER, Tracer

log = structlog.get_logger("forward")
_MILLISECONDS = itemgetter(1)
_DRAIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSettings:
    """What a forward lane is told."""

    kafka: str
    group: str
    sources: tuple[str, ...]
    output: str
    max_batch: int = 4096
    commit_ms: int = 1000
    group_protocol: str = "consumer"
    session_timeout_ms: int = 6000


class ForwardLane:
    """Runs a ForwardWork until stopped; a record that the broker refuses ends the process."""

    def __init__(
        self, settings: ForwardSettings, work: ForwardWork, metrics: ProfilerMetrics, stop: Event, tracer: Tracer = NO_TRACER
    ) -> None:  # fmt: skip
        self._settings, self._work, self._metrics, self._stop = settings, work, metrics, stop
        self._positions: dict[tuple[str, int], int] = {}
        self._committed: dict[tuple[str, int], int] = {}
        self._spans = {topic: HopSpans(tracer, topic, settings.group) for topic in settings.sources}
        self._lag = Lag(metrics.lag)
        self.failure: Fatal | None = None
        self.loop_seen = time.monotonic()
        self._is_assigned = False
        self._consumer: Consumer = consumer(
            settings.kafka, settings.group, **group_settings(settings.group_protocol, settings.session_timeout_ms)
        )
        self._waits = Waits(self._consumer)
        self._producer = Producer(
            {
                **producing(settings.kafka, settings.group), "error_cb": self._on_client_error, **GAPLESS,
            },
            logger=client_log(),
        )  # fmt: skip

    @property
    def is_ready(self) -> bool:
        """True once partitions were given to us, as long as none waits for a schema."""
        return self._is_assigned and not self._waits

    def run(self) -> None:
        """Poll, forward, commit; drain on stop."""
        self._consumer.subscribe(
            list(self._settings.sources), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        committed_at = time.monotonic()
        try:
            while not self._stop.is_set() and self.failure is None:
                self._waits.take_up()
                self._poll()
                self._producer.poll(0)
                now = self.loop_seen = time.monotonic()
                if now - committed_at >= self._settings.commit_ms / 1000:
                    self._commit()
                    committed_at = now
            self._commit()
        finally:
            self._consumer.close()
        if self.failure is not None:
            raise self.failure

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            found = client.committed([TopicPartition(each.topic, each.partition) for each in partitions], timeout=30)
        except KafkaException as error:
            raise translated(error, self._settings.group) from error
        offsets = {(each.topic, each.partition): each.offset for each in found}
        for each in partitions:
            place = each.topic, each.partition
            each.offset = legal_start(client, *place, max(offsets[place], 0))
            self._positions[place] = self._committed[place] = each.offset
            self._lag.own(*place)
        client.incremental_assign(partitions)
        self._is_assigned = True
        log.info("assigned", partitions=[f"{each.topic}[{each.partition}]" for each in partitions])

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        self._on_lost(client, partitions)

    def _on_lost(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._positions.pop((each.topic, each.partition), None)
            self._waits.forget(each.topic, each.partition)
            self._lag.forget(each.topic, each.partition)
        client.incremental_unassign(partitions)

    def _poll(self) -> None:
        first = self._consumer.poll(0.02)
        if first is None:
            return
        by_topic: dict[str, list[Message]] = {}
        for message in [first, *self._consumer.consume(self._settings.max_batch - 1, 0)]:
            error = message.error()
            if error is None:
                by_topic.setdefault(message.topic() or "", []).append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._lag.reached_end(message.topic() or "", message.partition() or 0)
            elif is_expired(error):
                self._see_expired(message.topic() or "", message.partition() or 0)
            else:
                problem = translated(error, f"{message.topic()}[{message.partition()}]")
                if isinstance(problem, Fatal):
                    raise problem
                log.warning("consumer error", error=str(problem))
        for topic, messages in by_topic.items():
            self._forward(topic, messages)

    def _see_expired(self, topic: str, partition: int) -> None:
        """The head of a source passed us: go on at what is there."""
        if (at := self._positions.get((topic, partition))) is not None:
            self._positions[topic, partition] = begin_anew(self._consumer, topic, partition, at)

    def _forward(self, topic: str, messages: list[Message]) -> None:
        owned = [
            each for each in messages if (topic, each.partition() or 0) in self._positions
        ]  # revoked inside consume
        started_ns = time.time_ns()
        taken = self._taken(topic, owned)
        if taken is None:
            return
        owned, intake, outputs = taken
        n = len(owned)
        spans = self._spans[topic]
        traces = contexts_in(owned)
        rows = list(traces)
        begun = spans.begin(list(traces.values()), intake.partitions[rows].tolist(), intake.offsets[rows].tolist())
        hops = dict(zip(rows, begun, strict=True))
        for at, (key, frame, row) in enumerate(outputs):
            if at == len(outputs) // 2:
                fault_point("forwarding")
            self._produce(key, frame, hops.get(row))
        fault_point("forwarded")
        places = zip(intake.offsets.tolist(), intake.appended_at.tolist(), strict=True)
        ends = dict(zip(intake.partitions.tolist(), places, strict=True))  # of each partition the last
        for partition, (offset, appended_at) in ends.items():
            self._positions[topic, partition] = offset + 1
            self._lag.taken(topic, partition, appended_at)
        spans.end(list(hops.values()), n, started_ns, time.time_ns())
        self._metrics.shuffled.inc(len(outputs))
        self._metrics.event_age_seconds.observe(intake.appended_at)

    def _taken(
        self, topic: str, messages: list[Message]
    ) -> tuple[list[Message], Intake, list[tuple[bytes, bytes, int]]] | None:  # fmt: skip
        """The messages up to the first of each partition whose schema is not known yet, and what comes of them."""
        while messages:
            n = len(messages)
            intake = Intake(
                topic=topic,
                values=list(map(Message.value, messages)),
                keys=list(map(Message.key, messages)),
                partitions=np.fromiter(map(Message.partition, messages), np.int32, n),
                offsets=np.fromiter(map(Message.offset, messages), np.int64, n),
                appended_at=np.fromiter(map(_MILLISECONDS, map(Message.timestamp, messages)), np.int64, n),
            )
            try:
                return messages, intake, self._work.take(intake)
            except SchemaWait as wait:
                first = firsts(intake.partitions.tolist(), intake.offsets.tolist(), wait)
                for partition, offset in first.items():
                    self._waits.begin(topic, partition, offset, wait)
                messages = [m for m in messages if (m.offset() or 0) < first.get(m.partition() or 0, 1 << 62)]
        return None

    def _produce(self, key: bytes, frame: bytes, hop: Hop | None) -> None:
        extra: Any = {"headers": header_of(hop.context)} if hop is not None else {}
        while self.failure is None:
            try:
                self._producer.produce(self._settings.output, frame, key, on_delivery=self._on_delivered, **extra)
                return
            except BufferError:
                self._producer.poll(0.05)
                self.loop_seen = time.monotonic()
        raise self.failure

    def _commit(self) -> None:
        """Commit what the broker has; nothing where some of it is still on its way after 10 s, or was refused."""
        moved = {place: at for place, at in self._positions.items() if at > self._committed.get(place, -1)}
        if not moved or self._producer.flush(_DRAIN_S) or self.failure is not None:
            return
        fault_point("acknowledged")
        offsets = [TopicPartition(topic, number, at) for (topic, number), at in moved.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("commit failed, tried again", error=str(error))  # what follows is written again, and dropped
            return
        self._committed.update(moved)

    def _on_delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.failure = Fatal(
                what=f"a record was not delivered: {error.str()}", where=self._settings.output, do="restart the process"
            )

    def _on_client_error(self, error: KafkaError) -> None:
        if error.fatal():
            self.failure = Fatal(what=f"producer failed: {error.str()}", where=self._settings.output, do="restart")
