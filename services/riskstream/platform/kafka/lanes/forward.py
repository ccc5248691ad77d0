"""A forward lane: records in, keyed records out, at least once and in order; readers drop repeats
by source position.

Offsets are committed only up to what the broker has acknowledged, dead letters of what cannot be
read among it. For stages that are stateless and pure (the profiler's shuffle): what is written
twice is written the same.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from threading import Event
from typing import Any

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.clients.client import (
    GAPLESS,
    consumer,
    flushed,
    group_settings,
    producer_of,
    producing,
    translated,
)
from riskstream.platform.kafka.clients.giants import Giants, is_giant
from riskstream.platform.kafka.clients.limits import fitted, producer_bytes
from riskstream.platform.kafka.clients.starts import (
    assign_paused,
    begin_anew,
    go_on_at,
    is_expired,
    legal_start,
)
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.lag import Lag
from riskstream.platform.kafka.lanes.membership import Membership
from riskstream.platform.kafka.lanes.ports import ForwardWork, Intake
from riskstream.platform.kafka.lanes.waits import Waits, firsts
from riskstream.platform.kafka.rejects import dead_letter_headers
from riskstream.platform.kafka.traced import contexts_in, header_of
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.span import Hop
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("forward")
_MILLISECONDS = itemgetter(1)
_DRAIN_S = 10.0
_AGAIN_S, _ANSWER_S = 1.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSettings:
    """What a forward lane is told. `dead_letters`: by source the topic for its records that cannot
    be read.

    `dead_letter_bytes`: max.message.bytes of those topics.
    """

    kafka: str
    group: str
    sources: tuple[str, ...]
    output: str
    dead_letters: Mapping[str, str] = field(default_factory=dict)
    dead_letter_bytes: int = field(default_factory=producer_bytes)
    max_batch: int = 4096
    commit_ms: int = 1000
    group_protocol: str = "consumer"
    session_timeout_ms: int = 6000


class ForwardLane:
    """Runs a ForwardWork until stopped; a record that the broker refuses ends the process."""

    def __init__(
        self,
        settings: ForwardSettings,
        work: ForwardWork,
        metrics: ProfilerMetrics,
        stop: Event,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._settings, self._work, self._metrics, self._stop = settings, work, metrics, stop
        self._positions: dict[tuple[str, int], int] = {}
        self._committed: dict[tuple[str, int], int] = {}
        self._spans = {topic: HopSpans(tracer, topic, settings.group) for topic in settings.sources}
        self._lag = Lag(metrics.lag)
        self.failure: Fatal | Retryable | None = None
        self.loop_seen = monotonic()
        self._is_assigned = False
        self._unopened: set[tuple[str, int]] = set()
        """Partitions given to us whose offsets Kafka has not told yet: nothing of theirs is
        taken.
        """
        self._open_at = 0.0
        self._expired: set[tuple[str, int]] = set()
        """Partitions whose head passed us: they go on where Kafka says that records are."""
        self._consumer: Consumer = consumer(
            settings.kafka,
            settings.group,
            **group_settings(settings.group_protocol, settings.session_timeout_ms),
        )
        self._membership = Membership(self._consumer, settings.group)
        self._giants = Giants(self._consumer, settings.kafka, metrics.giants)
        self._waits = Waits(self._consumer)
        self._producer = producer_of(
            {
                **producing(settings.kafka, settings.group),
                **GAPLESS,
            }
        )

    @property
    def is_ready(self) -> bool:
        """True once partitions were given to us, as long as none waits for a schema or for
        Kafka.
        """
        return self._is_assigned and not self._waits and not self._unopened

    def run(self) -> None:
        """Poll, forward, commit; drain on stop."""
        self._membership.subscribe(
            list(self._settings.sources),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        committed_at = monotonic()
        try:
            while not self._stop.is_set() and self.failure is None:
                self._membership.check()
                self._open()
                self._go_on_at_heads()
                self._waits.take_up()
                self._poll()
                self._producer.poll(0)
                now = self.loop_seen = monotonic()
                if now - committed_at >= self._settings.commit_ms / 1000:
                    self._commit()
                    committed_at = now
            self._commit()
        except KafkaException as error:
            self.failure = self.failure or translated(error, self._settings.group)
        finally:
            self._consumer.close()
        if self.failure is not None:
            raise self.failure

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """Assign paused, at the head; the loop asks for offsets, and may have to wait for Kafka."""
        assign_paused(client, partitions)
        for each in partitions:
            self._unopened.add((each.topic, each.partition))
            self._lag.own(each.topic, each.partition)
        self._open_at = 0.0
        self._is_assigned = True
        log.info("assigned", partitions=[f"{each.topic}[{each.partition}]" for each in partitions])

    def _open(self) -> None:
        """Take up the partitions given to us: at the group's offset, or where that is lost at what
        the topic still holds.
        """
        if not self._unopened or monotonic() < self._open_at:
            return
        places = [TopicPartition(*place) for place in sorted(self._unopened)]
        try:
            for each in self._consumer.committed(places, timeout=_ANSWER_S):
                place, wanted = (each.topic, each.partition), max(each.offset, 0)
                self._positions[place] = self._committed[place] = legal_start(
                    self._consumer, *place, wanted, _ANSWER_S
                )
                self._metrics.expired.inc(self._positions[place] - wanted)
            for each in places:
                each.offset = self._positions[each.topic, each.partition]
            go_on_at(self._consumer, places)
        except (KafkaException, Retryable) as error:
            problem = (
                translated(error, self._settings.group)
                if isinstance(error, KafkaException)
                else error
            )
            for each in places:
                self._positions.pop((each.topic, each.partition), None)
            if isinstance(problem, Fatal):
                raise problem from error
            log.warning(
                "taking up waits",
                partitions=[f"{each.topic}[{each.partition}]" for each in places],
                why=str(problem),
            )
            self._open_at = monotonic() + _AGAIN_S
            return
        self._unopened.clear()
        log.info(
            "taken up", offsets={f"{each.topic}[{each.partition}]": each.offset for each in places}
        )

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        self._on_lost(client, partitions)

    def _on_lost(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._positions.pop((each.topic, each.partition), None)
            self._unopened.discard((each.topic, each.partition))
            self._expired.discard((each.topic, each.partition))
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
                self._expired.add((message.topic() or "", message.partition() or 0))
            elif is_giant(error):
                self._giants.go_on_behind(
                    message.topic() or "", message.partition() or 0, message.offset() or 0
                )
            else:
                problem = translated(error, f"{message.topic()}[{message.partition()}]")
                if isinstance(problem, Fatal):
                    raise problem
                log.warning("consumer error", error=str(problem))
        for topic, messages in by_topic.items():
            self._forward(topic, messages)

    def _go_on_at_heads(self) -> None:
        """The head of a source passed a partition: go on at what is there."""
        for place in sorted(self._expired):
            try:
                if (at := self._positions.get(place)) is not None:
                    self._positions[place] = begin_anew(self._consumer, *place, at)
                    self._metrics.expired.inc(self._positions[place] - at)
            except Retryable as error:
                log.warning(
                    "the head is not known", topic=place[0], partition=place[1], why=str(error)
                )
                return
            self._expired.discard(place)

    def _forward(self, topic: str, messages: list[Message]) -> None:
        no = 1 << 62  # of a partition that was revoked inside consume, or is not taken up yet
        owned = [
            each
            for each in messages
            if (each.offset() or 0) >= self._positions.get((topic, each.partition() or 0), no)
        ]
        started_ns = time.time_ns()
        taken = self._taken(topic, owned)
        if taken is None:
            return
        owned, intake, outputs = taken
        n = len(owned)
        spans = self._spans[topic]
        traces = contexts_in(owned)
        rows = list(traces)
        begun = spans.begin(
            list(traces.values()), intake.partitions[rows].tolist(), intake.offsets[rows].tolist()
        )
        hops = dict(zip(rows, begun, strict=True))
        for at, (key, frame, row) in enumerate(outputs):
            if at == len(outputs) // 2:
                fault_point("forwarding")
            self._produce(self._settings.output, key, frame, hops.get(row))
        self._send_dead_letters(topic, intake, self._work.broken, hops)
        fault_point("forwarded")
        places = zip(intake.offsets.tolist(), intake.appended_at.tolist(), strict=True)
        # of each partition the last
        ends = dict(zip(intake.partitions.tolist(), places, strict=True))
        for partition, (offset, appended_at) in ends.items():
            self._positions[topic, partition] = offset + 1
            self._lag.taken(topic, partition, appended_at)
        spans.end(list(hops.values()), n, started_ns, time.time_ns())
        self._metrics.shuffled.inc(len(outputs))
        self._metrics.event_age_seconds.observe(intake.appended_at)

    def _taken(
        self, topic: str, messages: list[Message]
    ) -> tuple[list[Message], Intake, list[tuple[bytes, bytes, int]]] | None:
        """The messages up to the first of each partition whose schema is not known yet, and what
        comes of them.
        """
        while messages:
            n = len(messages)
            intake = Intake(
                topic=topic,
                values=list(map(Message.value, messages)),
                keys=list(map(Message.key, messages)),
                partitions=np.fromiter(map(Message.partition, messages), np.int32, n),
                offsets=np.fromiter(map(Message.offset, messages), np.int64, n),
                appended_at=np.fromiter(
                    map(_MILLISECONDS, map(Message.timestamp, messages)), np.int64, n
                ),
            )
            try:
                return messages, intake, self._work.take(intake)
            except SchemaWait as wait:
                first = firsts(intake.partitions.tolist(), intake.offsets.tolist(), wait)
                for partition, offset in first.items():
                    self._waits.begin(topic, partition, offset, wait)
                messages = [
                    m
                    for m in messages
                    if (m.offset() or 0) < first.get(m.partition() or 0, 1 << 62)
                ]
        return None

    def _send_dead_letters(
        self, topic: str, intake: Intake, broken: list[tuple[int, str]], hops: dict[int, Hop]
    ) -> None:
        """Records that cannot be read, byte for byte, at the same partition number; none of a
        source that others keep.
        """
        letters = self._settings.dead_letters.get(topic)
        if letters is None:
            return
        for row, reason in broken:
            partition, offset, value = (
                int(intake.partitions[row]),
                int(intake.offsets[row]),
                intake.values[row],
            )
            headers: Any = dead_letter_headers(topic, partition, offset, reason, value)
            limit = min(self._settings.dead_letter_bytes, producer_bytes())
            key, value, headers = fitted(intake.keys[row], value, headers, limit)
            self._produce(letters, key, value, hops.get(row), partition, headers)
            log.warning(
                "cannot be read", topic=topic, partition=partition, offset=offset, reason=reason
            )

    def _produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        hop: Hop | None,
        partition: int = -1,
        headers: Any = None,
    ) -> None:
        """`partition` -1: by the key."""
        named = [*(headers or []), *(header_of(hop.context) if hop is not None else [])]
        extra: Any = {"headers": named} if named else {}
        while self.failure is None:
            try:
                self._producer.produce(
                    topic, value, key, partition, on_delivery=self._on_delivered, **extra
                )
                return
            except BufferError:
                self._producer.poll(0.05)
                self.loop_seen = monotonic()
        raise self.failure

    def _commit(self) -> None:
        """Commit what the broker has; nothing where some of it is still on its way after 10 s, or
        was refused.
        """
        moved = {
            place: at
            for place, at in self._positions.items()
            if at > self._committed.get(place, -1)
        }
        if self.failure is not None or not moved:
            return
        try:
            if flushed(self._producer, _DRAIN_S) or self.failure is not None:
                return
        except KafkaException as error:
            # caught here: the group calls us as well, from within the consumer
            self.failure = self.failure or translated(error, self._settings.group)
            return
        fault_point("acknowledged")
        offsets = [TopicPartition(topic, number, at) for (topic, number), at in moved.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # what follows is written again, and dropped
            log.warning("commit failed, tried again", error=str(error))
            return
        self._committed.update(moved)

    def _on_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failure = Fatal(
                what=f"a record was not delivered: {error.str()}",
                where=message.topic() or self._settings.output,
                do="restart the process",
            )
