"""A forward lane: records in, keyed records out, at least once and in order; readers drop repeats
by source position.

Offsets are committed only up to what the broker has acknowledged, dead letters of what cannot be
read among it. For stages that are stateless and pure (the profiler's shuffle): what is written
twice is written the same.
"""

import time
from contextlib import closing
from functools import partial
from threading import Event

import numpy as np
from confluent_kafka import Consumer, KafkaException, TopicPartition
from numpy.typing import NDArray

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.clients.native.choice import take_of
from riskstream.platform.kafka.clients.polled import Polled
from riskstream.platform.kafka.lanes.forward_outputs import ForwardOutputs
from riskstream.platform.kafka.lanes.forward_partitions import ForwardPartitions
from riskstream.platform.kafka.lanes.forward_settings import ForwardSettings
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.member import Member
from riskstream.platform.kafka.lanes.ports import Forwarded, ForwardWork, Intake
from riskstream.platform.kafka.lanes.waits import firsts
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import monotonic

__all__ = ["ForwardLane", "ForwardSettings"]
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
        take = partial(take_of, way=settings.client, shown=metrics.native)
        self._member = Member(settings, settings.sources, metrics, take)
        self._partitions = ForwardPartitions(settings.group, self._member, metrics)
        self._outputs = ForwardOutputs(settings, self._member, metrics.native)

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
        with (
            closing(self._outputs),
            self._member.joined(
                on_assign=self._partitions.on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._partitions.forget,
                on_expired=self._partitions.on_expired,
            ),
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
        if not self._member.wait(0.02):
            return
        polled = self._member.polled(self._settings.max_batch)
        for topic, rows in polled.topics.items():
            is_ours = self._owned(topic, polled, rows)
            self._forward(topic, polled if is_ours.all() else polled.kept(is_ours))

    def _forward(self, topic: str, polled: Polled) -> None:
        """1 take what is ours, 2 outputs and dead letters, 3 move on; what is acknowledged is
        committed later.
        """
        started_ns = time.time_ns()
        # 1
        taken = self._taken(topic, polled)
        if taken is None:
            return
        owned, intake, made = taken
        spans, rows = self._spans[topic], list(owned.traces)
        begun = spans.begin(
            list(owned.traces.values()),
            intake.partitions[rows].tolist(),
            intake.offsets[rows].tolist(),
        )
        hops = dict(zip(rows, begun, strict=True))
        # 2
        self._outputs.send(made, hops)
        self._outputs.send_dead_letters(intake, self._work.broken, hops)
        fault_point("forwarded")
        # 3
        self._move(intake)
        spans.end(list(hops.values()), len(owned), started_ns, time.time_ns())
        self._metrics.shuffled.inc(len(made))
        self._metrics.event_age_seconds.observe(intake.appended_at)

    def _owned(self, topic: str, polled: Polled, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: those of a topic from where each partition stands; none of one that was revoked
        while we waited, or is not taken up yet.
        """
        numbers = polled.partitions[rows]
        least = np.full(int(numbers.max(initial=-1)) + 1, _NEVER)
        for number in np.unique(numbers).tolist():
            least[number] = self._partitions.positions.get((topic, number), _NEVER)
        out = np.zeros(len(polled), np.bool_)
        out[rows] = polled.offsets[rows] >= least[numbers]
        return out

    def _taken(self, topic: str, polled: Polled) -> tuple[Polled, Intake, Forwarded] | None:
        """The records up to the first of each partition whose schema is not known yet, and what
        comes of them.
        """
        while len(polled):
            intake = Intake(
                topic=topic,
                values=polled.values,
                keys=polled.keys,
                partitions=polled.partitions,
                offsets=polled.offsets,
                appended_at=polled.appended_at,
            )
            try:
                return polled, intake, self._work.take(intake)
            except SchemaWait as wait:
                first = firsts(intake.partitions.tolist(), intake.offsets.tolist(), wait)
                is_before = np.ones(len(polled), np.bool_)
                for partition, offset in first.items():
                    self._partitions.waits.begin(topic, partition, offset, wait)
                    is_before &= (polled.partitions != partition) | (polled.offsets < offset)
                polled = polled.kept(is_before)
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
