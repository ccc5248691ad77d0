"""The lane: scores each record of a source partition once by position, at the latency of
at-least-once.

Steps are numbered as in docs/protocol.md (A: assignment, B: batch, C: checkpoint, W: store away).
One polling thread owns the consumer and the producer; a background thread reads for recovery and
writes checkpoints.
"""

import time
from threading import Event
from typing import Any

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from riskstream.platform.kafka.clients.client import consumer, group_settings, translated
from riskstream.platform.kafka.clients.giants import Giants, is_giant
from riskstream.platform.kafka.clients.starts import heads, is_expired
from riskstream.platform.kafka.lanes.exact.behind import is_behind
from riskstream.platform.kafka.lanes.exact.checkpoints import Checkpoints
from riskstream.platform.kafka.lanes.exact.commits import commit
from riskstream.platform.kafka.lanes.exact.counts import count
from riskstream.platform.kafka.lanes.exact.failures import naming
from riskstream.platform.kafka.lanes.exact.intake import batch_of
from riskstream.platform.kafka.lanes.exact.openings import MOST_REOPENINGS, WITHIN_S, Openings
from riskstream.platform.kafka.lanes.exact.outputs import LaneOutputs
from riskstream.platform.kafka.lanes.exact.owned import Owned, Phase, Recovered
from riskstream.platform.kafka.lanes.exact.reads import LaneReads
from riskstream.platform.kafka.lanes.exact.recovery import Hold, Recovery
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.exact.waits import LaneWaits
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.lag import Lag
from riskstream.platform.kafka.lanes.membership import Membership
from riskstream.platform.kafka.lanes.ports import (
    Batch,
    LaneWork,
    Outcome,
    ProfileReader,
    StateStore,
)
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import background, monotonic

log = structlog.get_logger("lane")


class Lane:
    """Runs a LaneWork over the partitions that the group gives it, until `stop` is set."""

    def __init__(
        self,
        settings: LaneSettings,
        work: LaneWork[Any],
        store: StateStore,
        metrics: LaneMetrics,
        stop: Event,
        tracer: Tracer = NO_TRACER,
        profiles: ProfileReader | None = None,
    ) -> None:
        self._settings, self._work, self._metrics, self._stop = settings, work, metrics, stop
        self._owned: dict[int, Owned] = {}
        self._next_number = 0
        self._background = background("lane-background")
        self._is_at_edge, self._is_broken = True, False
        recovery = Recovery(
            settings.kafka,
            settings.group,
            settings.source,
            settings.output,
            work.answers,
            store,
            settings.on_state_lost,
            settings.snapshots,
        )
        self._openings = Openings(recovery, self._background)
        self._consumer: Consumer = consumer(
            settings.kafka,
            settings.group,
            **group_settings(settings.group_protocol, settings.session_timeout_ms),
        )
        self._membership = Membership(self._consumer, settings.group)
        self._giants = Giants(self._consumer, settings.kafka, metrics.giants)
        self._outputs = LaneOutputs(settings, metrics)
        self._spans = HopSpans(tracer, settings.source, settings.group)
        self._lag = Lag(metrics.lag)
        self._reads = LaneReads(store, profiles, self._background, metrics)
        self._waits = LaneWaits(self._consumer, settings.source, work, metrics)
        self._checkpoints = Checkpoints(work, store, self._background, metrics)

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

    @property
    def _may_write(self) -> bool:
        """False within a batch, and for ever once an exception or a failed delivery has ended
        one.
        """
        return self._is_at_edge and not self._is_broken and self._outputs.failure is None

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
        return is_behind(self._consumer, self._settings.source, list(self._owned.values()))

    def run(self) -> None:
        """Poll, process, checkpoint until stopped; then drain. Fatal where the lane must not go
        on.
        """
        self._membership.subscribe(
            [self._settings.source],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        last_checkpoint = monotonic()
        try:
            while not self._stop.is_set() and self._outputs.failure is None:
                self._membership.check()
                self._take_up_recovered()
                self._waits.take_up(self._owned)
                self._poll_batch()
                self._outputs.poll()
                now = monotonic()
                rows = max((each.changed_rows for each in self._owned.values()), default=0)
                if now - last_checkpoint >= self._settings.checkpoint_every_ms / 1000 or (
                    rows >= self._settings.checkpoint_rows
                ):
                    last_checkpoint = now
                    self._checkpoints.begin(self._owned)
                    for partition in self._reads.came_back(self._owned):
                        self._reopen(partition, "the state store is back", by_the_world=True)
                    self._commit()
                if self._outputs.failure is not None:
                    break
                for partition in self._checkpoints.advance(self._owned):
                    self._reopen(partition, "the store's watermark is lower than one seen before")
                self._metrics.loop_seen.set(time.time())
            self._drain(list(self._owned))
        except BaseException as error:
            self._is_broken = True
            if isinstance(error, KafkaException):
                raise translated(error, self._settings.group) from error
            raise
        finally:
            self._outputs.flush(5)
            self._consumer.close()
            self._background.shutdown(wait=True, cancel_futures=True)
        if self._outputs.failure is not None:
            raise self._outputs.failure

    # Assignment
    # ----------------------------------------------------------------------------------------------

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """A1: assign paused, with a new ownership number; A2-A4 begin in the background."""
        # A fetch may win over the pause, and what it brought may come after A5's seek: from the
        # head on nothing is missing in it, and `batch_of` leaves out what was taken before. A fetch
        # at the end would step over unanswered records.
        first = heads(client, self._settings.source, [each.partition for each in partitions])
        for each in partitions:
            each.offset = first[each.partition]
        client.incremental_assign(partitions)
        client.pause(partitions)
        for each in partitions:
            self._open(each.partition)
        log.info("assigned", partitions=[each.partition for each in partitions])
        fault_point("assigned")

    def _open(self, partition: int, row_ahead: int = -1) -> None:
        self._next_number += 1
        self._waits.forget(partition)
        self._work.drop(partition)
        self._owned[partition] = Owned(
            partition=partition, number=self._next_number, row_ahead=row_ahead
        )
        self._lag.own(self._settings.source, partition)
        self._openings.begin(partition, self._next_number, row_ahead)

    def _take_up_recovered(self) -> None:
        """A5 for partitions whose A2-A4 are done: seek and resume. The polling thread alone does
        this.
        """
        for partition in self._openings.due():
            if partition in self._owned:
                owned = self._owned[partition]
                self._openings.begin(partition, owned.number, owned.row_ahead)
        for partition, number, future in self._openings.finished():
            if partition not in self._owned or self._owned[partition].number != number:
                continue
            owned = self._owned[partition]
            try:
                found = future.result()
            except Hold as hold:
                self._hold(owned, hold.why)
                self._openings.try_again(partition, 1.0)
            except Retryable as error:
                log.warning("recovery waits", partition=partition, why=str(error))
                self._openings.try_again(partition, 0.5)
            else:
                self._resume(owned, found)

    def _resume(self, owned: Owned, found: Recovered) -> None:
        fault_point("recovered")
        if owned.row_ahead > found.known_src:
            self._hold(
                owned,
                f"a row is of source offset {owned.row_ahead}, but {self._settings.output} "
                "answers up to "
                f"{found.known_src}: "
                "state was written of what was never answered. `riskstream "
                "rebuild`, then restart",
            )
            return
        where = TopicPartition(self._settings.source, owned.partition, found.start)
        try:
            self._consumer.seek(where)
        except KafkaException:  # _STATE until the partition has started: try again
            self._openings.try_again(owned.partition, 0.05)
            return
        owned.resume(found)
        self._metrics.whole_since.labels(partition=str(owned.partition)).set(
            found.whole_since / 1000
        )
        self._consumer.resume([where])
        self._metrics.held.labels(partition=str(owned.partition)).set(0)
        log.info(
            "running",
            partition=owned.partition,
            stored_src=found.stored_src,
            known_src=found.known_src,
            replay=found.known_src - found.stored_src,
        )
        fault_point("resumed")

    def _hold(self, owned: Owned, why: str) -> None:
        """Take nothing more of a partition, until a person has looked; readiness says so, the
        process goes on.
        """
        if owned.held_because != why:
            log.error("partition held", partition=owned.partition, why=why)
        owned.phase, owned.held_because = Phase.HELD, why
        self._metrics.held.labels(partition=str(owned.partition)).set(1)
        self._consumer.pause([TopicPartition(self._settings.source, owned.partition)])

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._drain([each.partition for each in partitions])
        for each in partitions:
            self._forget(each.partition)
        client.incremental_unassign(partitions)
        log.info("revoked", partitions=[each.partition for each in partitions])

    def _on_lost(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._forget(each.partition)
        client.incremental_unassign(partitions)
        log.warning("lost", partitions=[each.partition for each in partitions])

    def _forget(self, partition: int) -> None:
        self._owned.pop(partition, None)
        self._metrics.held.labels(partition=str(partition)).set(0)
        self._openings.forget(partition)
        self._waits.forget(partition)
        self._lag.forget(self._settings.source, partition)
        self._work.drop(partition)

    def _reopen(
        self, partition: int, why: str, *, row_ahead: int = -1, by_the_world: bool = False
    ) -> None:
        """W3, and B3 when another owner is ahead: drop the partition's memory and run A2-A5 again;
        a held one stays.

        `row_ahead`: the offset of a row that was ahead; the answers that were found then must reach
        it. One that is taken up anew again and again is held, but where the world's store only
        comes and goes.
        """
        if self._owned[partition].phase is Phase.HELD:
            return
        log.warning("taking up anew", partition=partition, why=why)
        self._metrics.reopened.inc()
        if not by_the_world and self._openings.is_too_often(partition):
            self._hold(
                self._owned[partition],
                f"taken up anew more than {MOST_REOPENINGS} times within {WITHIN_S:.0f} "
                "s "
                f"({why}): look at the store, and restart",
            )
            return
        self._consumer.pause([TopicPartition(self._settings.source, partition)])
        self._open(partition, row_ahead)

    # Batch
    # ----------------------------------------------------------------------------------------------

    def _poll_batch(self) -> None:
        """B1-B4 for one micro-batch."""
        numbers = {p: each.number for p, each in self._owned.items() if each.phase is Phase.RUNNING}
        first = self._consumer.poll(self._settings.poll_ms / 1000)
        if first is None:
            return
        started, started_ns = time.perf_counter(), time.time_ns()
        stages = self._metrics.stages
        stages.begin()
        messages = [first, *self._consumer.consume(self._settings.max_batch - 1, 0)]
        good = [each for each in messages if each.error() is None]
        if len(good) < len(messages):
            self._see_errors(messages)
        running = {p: self._owned[p] for p, number in numbers.items() if self._is_still(p, number)}
        modes = self._work.answers.replay_modes
        self._is_at_edge = False  # until everything that memory holds is produced
        done = self._waits.prepare(
            good, self._owned, lambda left: batch_of(left, running, modes, self._hold, stages.mark)
        )
        if done is None:
            self._is_at_edge = True
            return
        batch, prepared = done
        with naming(batch):
            rows = self._reads.read(self._owned, prepared.rows)
            stages.mark("read")
            profiles = self._reads.profiles(prepared.profiles)
            stages.mark("profile")
            outcome = self._work.score(prepared, rows, profiles)
        hops = self._spans.of_live(batch) if batch.traces else {}
        fault_point("processed")
        if hops and outcome.abandoned:  # they come again
            hops = {
                index: hop for index, hop in hops.items() if hop.partition not in outcome.abandoned
            }
        self._outputs.send(batch, outcome, self._owned, hops)
        fault_point("produced")
        self._outputs.send_dead_letters(batch, outcome.rejected, self._owned, hops)
        stages.mark("produce")
        fault_point("dead_lettered")
        if hops:
            self._spans.end(
                list(hops.values()), len(batch.values), started_ns, time.time_ns(), stages.shown()
            )
        self._after(batch, outcome)
        self._is_at_edge = True
        self._take_up_abandoned(outcome)
        count(self._metrics, batch, outcome, started)

    def _take_up_abandoned(self, outcome: Outcome) -> None:
        """Rows that were not read in time are the world's (W3); a store that went back, or another
        owner, must not come often.
        """
        for partition in outcome.abandoned:
            ahead = outcome.ahead.get(partition, -1)
            is_back = ahead < 0 and self._owned[partition].touched_unreadable
            why = (
                "the store went back"
                if ahead < 0
                else (f"another owner is ahead: a row is of source offset {ahead}")
            )
            self._reopen(
                partition,
                "the state store is back" if is_back else why,
                row_ahead=ahead,
                by_the_world=is_back,
            )

    def _is_still(self, partition: int, number: int) -> bool:
        """True where the partition was not revoked, given anew or held inside the poll."""
        owned = self._owned.get(partition)
        return owned is not None and owned.number == number and owned.phase is Phase.RUNNING

    def _see_errors(self, messages: list[Message]) -> None:
        for each in messages:
            error = each.error()
            if error is None:
                continue
            if error.code() == KafkaError._PARTITION_EOF:
                owned = self._owned.get(each.partition() or 0)
                # else of a fetch before the seek
                if owned is not None and owned.phase is Phase.RUNNING:
                    owned.at_end, owned.end = True, each.offset() or 0
                    self._lag.reached_end(self._settings.source, owned.partition)
                continue
            if is_expired(error):
                self._see_expired(each.partition() or 0)
                continue
            if is_giant(error):
                self._giants.go_on_behind(
                    self._settings.source, each.partition() or 0, each.offset() or 0
                )
                continue
            if error.fatal():
                raise Fatal(
                    what=f"consumer failed: {error.str()}",
                    where=self._settings.source,
                    do="restart",
                )
            problem = translated(error, f"{self._settings.source}[{each.partition()}]")
            if isinstance(problem, Fatal):
                raise problem
            log.warning("consumer error", error=str(problem))

    def _see_expired(self, partition: int) -> None:
        """The head of the source passed us: A3 says whether anything is lost. A seek cannot start
        such a fetch again.
        """
        if partition not in self._owned:
            return
        first = heads(self._consumer, self._settings.source, [partition])[partition]
        where = TopicPartition(self._settings.source, partition, first)
        self._consumer.incremental_unassign([where])
        self._consumer.incremental_assign([where])
        self._consumer.pause([where])
        self._reopen(partition, "the source does not hold the next record any more")

    def _after(self, batch: Batch, outcome: Outcome) -> None:
        rejected = [int(batch.partitions[index]) for index, _ in outcome.rejected]
        for partition in set(batch.partitions.tolist()):
            if partition in outcome.abandoned or partition not in self._owned:
                continue
            rows = np.flatnonzero(batch.partitions == partition)
            owned = self._owned[partition]
            owned.position = int(batch.offsets[rows[-1]])
            # the end may be told within the same batch
            owned.at_end = owned.at_end and owned.end > owned.position
            self._lag.taken(self._settings.source, partition, int(batch.appended_at[rows[-1]]))
            owned.changed_rows += len(rows)
            share = owned.rejected_share(len(rows), rejected.count(partition))
            if share > self._settings.reject_limit:
                self._hold(
                    owned,
                    f"{share:.0%} of the last records were rejected: see `riskstream dlq "
                    "list`, mend the "
                    "producer or raise reject_limit, and restart",
                )

    # Once a second
    # -------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        if self._may_write:
            commit(self._consumer, self._settings.source, self._owned)

    def _drain(self, partitions: list[int]) -> None:
        """Revocation and shutdown: wait a little for acks, write a last checkpoint, commit.

        Nothing of it after an exception or a failed delivery: memory may hold what was never
        produced (I5).
        """
        end = monotonic() + self._settings.drain_ms / 1000
        mine = [self._owned[each] for each in partitions if each in self._owned]
        asked = False
        while monotonic() < end and self._may_write:
            self._outputs.poll(0.005)
            if not self._may_write:
                return
            # a store that went back is the next owner's to see
            self._checkpoints.advance(self._owned)
            if not asked and all(each.pending is None and not each.is_writing for each in mine):
                self._checkpoints.begin(self._owned)
                asked = True
            done = all(each.pending is None and not each.is_writing for each in mine)
            if asked and done:
                break
        self._commit()
