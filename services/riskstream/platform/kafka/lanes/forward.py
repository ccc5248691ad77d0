"""A forward lane: records in, keyed records out, at least once and in order; readers drop repeats
by source position.

Offsets are committed only up to what the broker has acknowledged, dead letters of what cannot be
read among it. For stages that are stateless and pure (the profiler's shuffle): what is written
twice is written the same.
"""

import time
from operator import itemgetter
from threading import Event

import numpy as np
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.lanes.forward_outputs import ForwardOutputs
from riskstream.platform.kafka.lanes.forward_partitions import ForwardPartitions
from riskstream.platform.kafka.lanes.forward_settings import ForwardSettings
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.member import Member
from riskstream.platform.kafka.lanes.ports import ForwardWork, Intake
from riskstream.platform.kafka.lanes.waits import firsts
from riskstream.platform.kafka.traced import contexts_in
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import monotonic

__all__ = ["ForwardLane", "ForwardSettings"]
_MILLISECONDS = itemgetter(1)
_NEVER = 1 << 62


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
        self._spans = {topic: HopSpans(tracer, topic, settings.group) for topic in settings.sources}
        self._member = Member(settings, settings.sources, metrics)
        self._partitions = ForwardPartitions(settings.group, self._member, metrics)
        self._outputs = ForwardOutputs(settings, self._member)

    @property
    def is_ready(self) -> bool:
        """True once partitions were given to us, as long as none waits for a schema or for
        Kafka.
        """
        return self._partitions.is_ready

    @property
    def loop_seen(self) -> float:
        """When the loop last went round, or waited for room on purpose (time.monotonic)."""
        return self._member.loop_seen

    def run(self) -> None:
        """Poll, forward, commit; drain on stop."""
        with self._member.joined(
            on_assign=self._partitions.on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._partitions.forget,
            on_expired=self._partitions.on_expired,
        ):
            try:
                self._go_round()
                self._commit()
            except KafkaException as error:
                self._outputs.fail(error)
        if self._outputs.failure is not None:
            raise self._outputs.failure

    def _go_round(self) -> None:
        committed_at = monotonic()
        while not self._stop.is_set() and self._outputs.failure is None:
            self._member.check()
            self._partitions.open()
            self._partitions.go_on_at_heads()
            self._partitions.waits.take_up()
            self._poll()
            self._outputs.poll()
            now = self._member.see()
            if now - committed_at >= self._settings.commit_ms / 1000:
                self._commit()
                committed_at = now

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        self._partitions.forget(client, partitions)

    def _poll(self) -> None:
        first = self._member.client.poll(0.02)
        if first is None:
            return
        by_topic: dict[str, list[Message]] = {}
        for message in self._member.take(first, self._settings.max_batch):
            by_topic.setdefault(message.topic() or "", []).append(message)
        for topic, messages in by_topic.items():
            self._forward(topic, messages)

    def _forward(self, topic: str, messages: list[Message]) -> None:
        """1 take what is ours, 2 outputs and dead letters, 3 move on; what is acknowledged is
        committed later.
        """
        started_ns = time.time_ns()
        # 1
        taken = self._taken(topic, self._owned(topic, messages))
        if taken is None:
            return
        owned, intake, outputs = taken
        spans, traces = self._spans[topic], contexts_in(owned)
        rows = list(traces)
        begun = spans.begin(
            list(traces.values()), intake.partitions[rows].tolist(), intake.offsets[rows].tolist()
        )
        hops = dict(zip(rows, begun, strict=True))
        # 2
        self._outputs.send(outputs, hops)
        self._outputs.send_dead_letters(intake, self._work.broken, hops)
        fault_point("forwarded")
        # 3
        self._move(intake)
        spans.end(list(hops.values()), len(owned), started_ns, time.time_ns())
        self._metrics.shuffled.inc(len(outputs))
        self._metrics.event_age_seconds.observe(intake.appended_at)

    def _owned(self, topic: str, messages: list[Message]) -> list[Message]:
        """Those from where each partition stands; none of one that was revoked inside consume, or
        is not taken up yet.
        """
        positions = self._partitions.positions
        return [
            each
            for each in messages
            if (each.offset() or 0) >= positions.get((topic, each.partition() or 0), _NEVER)
        ]

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
                    self._partitions.waits.begin(topic, partition, offset, wait)
                messages = [
                    m for m in messages if (m.offset() or 0) < first.get(m.partition() or 0, _NEVER)
                ]
        return None

    def _move(self, intake: Intake) -> None:
        """Each partition stands behind its last record."""
        places = zip(intake.offsets.tolist(), intake.appended_at.tolist(), strict=True)
        ends = dict(zip(intake.partitions.tolist(), places, strict=True))
        for partition, (offset, appended_at) in ends.items():
            self._partitions.positions[intake.topic, partition] = offset + 1
            self._member.lag.taken(intake.topic, partition, offset, appended_at)

    def _commit(self) -> None:
        """Commit what the broker has; nothing where some of it is still on its way after 10 s, or
        was refused.
        """
        moved = self._partitions.uncommitted()
        if not moved or not self._outputs.is_all_acknowledged():
            return
        fault_point("acknowledged")
        self._partitions.commit(moved)
