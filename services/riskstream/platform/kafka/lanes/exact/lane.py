"""The lane: scores each record of a source partition once by position, at the latency of
at-least-once.

Steps are numbered as in docs/protocol.md (A: assignment, B: batch, C: checkpoint, W: store away).
One polling thread owns the consumer and the producer; a background thread reads for recovery and
writes checkpoints.
"""

import time
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from riskstream.platform.kafka.clients.native.choice import take_of
from riskstream.platform.kafka.lanes.exact.behind import is_behind
from riskstream.platform.kafka.lanes.exact.checkpoints import Checkpoints
from riskstream.platform.kafka.lanes.exact.counts import count
from riskstream.platform.kafka.lanes.exact.edge import LaneEdge
from riskstream.platform.kafka.lanes.exact.failures import naming
from riskstream.platform.kafka.lanes.exact.intake import batch_of
from riskstream.platform.kafka.lanes.exact.openings import Openings
from riskstream.platform.kafka.lanes.exact.outputs import LaneOutputs
from riskstream.platform.kafka.lanes.exact.owned import Phase
from riskstream.platform.kafka.lanes.exact.partitions import LanePartitions
from riskstream.platform.kafka.lanes.exact.reads import LaneReads
from riskstream.platform.kafka.lanes.exact.recovery import Recovery
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.exact.waits import LaneWaits
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.member import Member
from riskstream.platform.kafka.lanes.ports import (
    Batch,
    LaneWork,
    Outcome,
    ProfileReader,
    StateStore,
)
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import background


@dataclass(frozen=True, slots=True)
class Stores:
    """What a lane reads beside the topics: `state`, the rows of its partitions; and `profiles`,
    where the work asks for any.
    """

    state: StateStore
    profiles: ProfileReader | None = None


class Lane:
    """Runs a LaneWork over the partitions that the group gives it, until `stop` is set."""

    def __init__(
        self,
        settings: LaneSettings,
        work: LaneWork[Any],
        stores: Stores,
        metrics: LaneMetrics,
        stop: Event,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._settings, self._work, self._metrics, self._stop = settings, work, metrics, stop
        self._background = background("lane-background")
        self._member = Member(
            settings,
            [settings.source],
            metrics,
            partial(take_of, way=settings.client, shown=metrics.native),
        )
        self._outputs = LaneOutputs(settings, metrics)
        self._spans = HopSpans(tracer, settings.source, settings.group)
        self._reads = LaneReads(stores.state, stores.profiles, self._background, metrics)
        self._waits = LaneWaits(self._member.client, settings.source, work, metrics)
        recovery = Recovery(
            settings.route, work.answers, stores.state, settings.on_state_lost, settings.snapshots
        )
        self._openings = Openings(recovery, self._background)
        self._partitions = LanePartitions(
            settings, work, self._member, self._openings, self._waits, metrics
        )
        self._owned = self._partitions.owned
        checkpoints = Checkpoints(work, stores.state, self._background, metrics)
        self._edge = LaneEdge(
            settings, self._member.client, self._outputs, checkpoints, self._owned
        )

    @property
    def is_ready(self) -> bool:
        """True when every partition given to us is running; a member without partitions is
        ready.
        """
        return self._outputs.failure is None and all(
            each.phase is Phase.RUNNING for each in self._owned.values()
        )

    def owned(self) -> list[int]:
        """The partitions that are ours now; from any thread."""
        return list(self._owned)

    def progress(self) -> tuple[int, ...]:
        """Changes whenever the lane moves; for the watchdog, from its thread.

        A partition that is opening moves with each step of its recovery, and with each answer that
        the world is away.
        """
        owned = list(self._owned.values())
        return (
            *(value for each in owned for value in (each.number, each.position, each.acked_src)),
            *self._openings.progress(),
        )

    def is_behind(self) -> bool:
        """True where a partition is opening, or a running one has records that were not taken."""
        return is_behind(self._member.client, self._settings.source, list(self._owned.values()))

    def run(self) -> None:
        """Poll, process, checkpoint until stopped; then drain. Fatal where the lane must not go
        on.
        """
        try:
            with self._member.joined(
                on_assign=self._partitions.on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._partitions.forget,
                on_end=self._partitions.on_end,
                on_expired=self._partitions.on_expired,
            ):
                self._go_round()
        finally:
            self._background.shutdown(wait=True, cancel_futures=True)
            self._outputs.close()
        if self._outputs.failure is not None:
            raise self._outputs.failure

    def _go_round(self) -> None:
        try:
            while not self._stop.is_set() and self._outputs.failure is None:
                self._member.check()
                self._partitions.take_up_recovered()  # A5
                self._waits.take_up(self._owned)
                self._poll_batch()  # B1-B4
                self._outputs.poll()
                if self._edge.is_due():
                    self._edge.begin()  # C1
                    self._edge.commit()
                for partition in self._reads.came_back(self._owned):  # W3
                    self._partitions.reopen(partition, "the state store is back", by_the_world=True)
                if self._outputs.failure is not None:
                    break
                for partition in self._edge.advance():  # C2
                    self._partitions.reopen(
                        partition, "the store's watermark is lower than one seen before"
                    )
                self._metrics.loop_seen.set(time.time())
            self._edge.drain(list(self._owned))
        except BaseException:
            self._edge.is_broken = True
            raise
        finally:
            self._outputs.flush(5)

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._edge.drain([each.partition for each in partitions])
        self._partitions.forget(client, partitions)

    def _poll_batch(self) -> None:
        """B1-B4 for one micro-batch."""
        # B1: what has arrived, of partitions that are still ours
        numbers = self._partitions.running()
        if not self._member.wait(self._settings.poll_ms / 1000):
            return
        started, started_ns = time.perf_counter(), time.time_ns()
        stages = self._metrics.stages
        stages.begin()
        polled = self._member.polled(self._settings.max_batch)
        running = self._partitions.still(numbers)
        modes, hold = self._work.answers.replay_modes, self._partitions.hold
        # B2: decode and judge, then read what is missing
        self._edge.is_reached = False  # until everything that memory holds is produced
        done = self._waits.prepare(
            polled, self._owned, lambda left: batch_of(left, running, modes, hold)
        )
        if done is None:
            self._edge.is_reached = True
            return
        batch, prepared = done
        with naming(batch):
            rows = self._reads.read(self._owned, prepared.rows)
            stages.mark("read")
            profiles = self._reads.profiles(prepared.profiles)
            stages.mark("profile")
            # B3: apply and score
            outcome = self._work.score(prepared, rows, profiles)
        hops = self._spans.of_live(batch) if batch.traces else {}
        fault_point("processed")
        if hops and outcome.abandoned:  # they come again
            hops = {at: hop for at, hop in hops.items() if hop.partition not in outcome.abandoned}
        # B4: produce in source order
        self._outputs.send(batch, outcome, self._owned, hops)
        fault_point("produced")
        self._outputs.send_dead_letters(batch, outcome.rejected, self._owned, hops)
        stages.mark("produce")
        fault_point("dead_lettered")
        if hops:
            self._spans.end(
                list(hops.values()), len(batch.values), started_ns, time.time_ns(), stages.shown()
            )
        self._moved(batch, outcome)
        self._edge.is_reached = True
        self._partitions.take_up_abandoned(outcome)
        count(self._metrics, batch, outcome, started)

    def _moved(self, batch: Batch, outcome: Outcome) -> None:
        """Where each partition stands behind the batch; one of which too much was rejected is
        held.
        """
        rejected = [int(batch.partitions[index]) for index, _ in outcome.rejected]
        for partition in np.flatnonzero(np.bincount(batch.partitions)).tolist():
            if partition in outcome.abandoned or partition not in self._owned:
                continue
            rows = np.flatnonzero(batch.partitions == partition)
            owned = self._owned[partition]
            owned.position = int(batch.offsets[rows[-1]])
            # the end may be told within the same batch
            owned.at_end = owned.at_end and owned.end > owned.position
            where, appended_at = (
                (self._settings.source, partition),
                int(batch.appended_at[rows[-1]]),
            )
            if owned.at_end:
                self._member.lag.reached_end(*where, owned.end)
            else:
                self._member.lag.taken(*where, owned.position, appended_at)
            owned.changed_rows += len(rows)
            share = owned.rejected_share(len(rows), rejected.count(partition))
            if share > self._settings.reject_limit:
                self._partitions.hold(
                    owned,
                    f"{share:.0%} of the last records were rejected: see `riskstream dlq "
                    "list`, correct the producer or raise reject_limit, and restart",
                )
