"""The lane: scores each record of a source partition once by position, at the latency of at-least-once.

Numbered as in the design (A: assignment, B: batch, C: checkpoint, W: store away). One polling thread owns the
consumer and the producer; a background thread reads for recovery and writes checkpoints.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from riskstream.kafka.checkpoints import Checkpoints
from riskstream.kafka.client import consumer, group_settings, translated
from riskstream.kafka.lag import Lag
from riskstream.kafka.lane_intake import batch_of, scored_at
from riskstream.kafka.lane_outputs import LaneOutputs
from riskstream.kafka.lane_settings import LaneSettings
from riskstream.kafka.owned import Owned, Phase
from riskstream.kafka.ports import LIVE, Batch, LaneWork, Outcome, ReadResult, StateStore
from riskstream.kafka.recovery import Hold, Recovered, Recovery
from riskstream.kafka.starts import is_expired
from riskstream.kafka.traced import HopSpans
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import fault_point
from riskstream.telemetry.metrics import LaneMetrics
from riskstream.telemetry.span import Hop
from riskstream.telemetry.tracing import NO_TRACER, Tracer

log = structlog.get_logger("lane")

_DECISIONS = ("unknown", "approve", "review", "block")


class Lane:
    """Runs a LaneWork over the partitions that the group gives it, until `stop` is set."""

    def __init__(
        self, settings: LaneSettings, work: LaneWork, store: StateStore, metrics: LaneMetrics, stop: Event,
        tracer: Tracer = NO_TRACER,
    ) -> None:  # fmt: skip
        self._settings, self._work, self._store, self._metrics, self._stop = settings, work, store, metrics, stop
        self._owned: dict[int, Owned] = {}
        self._next_number = 0
        self._background = ThreadPoolExecutor(1, thread_name_prefix="lane-background")
        self._recovering: dict[int, tuple[int, Future[Recovered]]] = {}
        self._retry_at: dict[int, float] = {}
        self._store_away_until = 0.0
        self._probe: Future[Any] | None = None
        self._recovery = Recovery(settings.kafka, settings.group, settings.source, settings.output, store)
        self._consumer: Consumer = consumer(
            settings.kafka, settings.group, **group_settings(settings.group_protocol, settings.session_timeout_ms)
        )
        self._outputs = LaneOutputs(settings, metrics)
        self._spans = HopSpans(tracer, settings.source, settings.group)
        self._lag = Lag(metrics.lag)
        self._checkpoints = Checkpoints(work, store, self._background, metrics)

    @property
    def is_ready(self) -> bool:
        """True when every partition given to us is running; a member without partitions is ready."""
        return self._outputs.failure is None and all(each.phase is Phase.RUNNING for each in self._owned.values())

    def progress(self) -> tuple[int, ...]:
        """Changes whenever the lane moves; for the watchdog, from its thread. A held partition counts as moving."""
        owned = list(self._owned.values())
        if any(each.phase is not Phase.RUNNING for each in owned):
            return (time.monotonic_ns(),)
        return tuple(value for each in owned for value in (each.number, each.position, each.a))

    def is_behind(self) -> bool:
        """True where a running partition has records that were not taken, by what the last fetch told."""
        for each in list(self._owned.values()):
            where = TopicPartition(self._settings.source, each.partition)
            try:
                marks = self._consumer.get_watermark_offsets(where, cached=True)
            except (KafkaException, RuntimeError):  # RuntimeError: the consumer is closed
                return False
            if marks is not None and each.phase is Phase.RUNNING and marks[1] > each.position + 1:
                return not each.at_end
        return False

    def run(self) -> None:
        """Poll, process, checkpoint until stopped; then drain. Fatal where the lane must not go on."""
        self._consumer.subscribe(
            [self._settings.source], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        last_checkpoint = time.monotonic()
        try:
            while not self._stop.is_set() and self._outputs.failure is None:
                self._take_up_recovered()
                self._poll_batch()
                self._outputs.poll()
                now = time.monotonic()
                rows = max((each.changed_rows for each in self._owned.values()), default=0)
                if now - last_checkpoint >= self._settings.checkpoint_every_ms / 1000 or (
                    rows >= self._settings.checkpoint_rows
                ):
                    last_checkpoint = now
                    self._checkpoints.begin(self._owned)
                    self._probe_store()
                    self._commit()
                for partition in self._checkpoints.advance(self._owned):
                    self._reopen(partition, "the store's watermark is lower than one seen before")
                self._metrics.loop_seen.set(time.time())
            if self._outputs.failure is None:
                self._drain(list(self._owned))
        finally:
            self._outputs.flush(5)
            self._consumer.close()
            self._background.shutdown(wait=True, cancel_futures=True)
        if self._outputs.failure is not None:
            raise self._outputs.failure

    # Assignment ------------------------------------------------------------------------------------------------

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """A1: assign paused, with a new ownership number; A2-A4 begin in the background."""
        for each in partitions:
            each.offset = OFFSET_END  # one that is always there: a fetch may win over the pause, and A5 seeks
        client.incremental_assign(partitions)
        client.pause(partitions)
        for each in partitions:
            self._open(each.partition)
        log.info("assigned", partitions=[each.partition for each in partitions])
        fault_point("assigned")

    def _open(self, partition: int) -> None:
        self._next_number += 1
        self._work.drop(partition)
        self._owned[partition] = Owned(partition=partition, number=self._next_number)
        self._retry_at.pop(partition, None)
        self._lag.own(self._settings.source, partition)
        self._submit_recovery(partition)

    def _submit_recovery(self, partition: int) -> None:
        number = self._owned[partition].number
        self._recovering[partition] = (number, self._background.submit(self._recovery.recover, partition))

    def _take_up_recovered(self) -> None:
        """A5 for partitions whose A2-A4 are done: seek to s + 1 and resume. The polling thread alone does this."""
        for partition in [each for each, at in self._retry_at.items() if time.monotonic() >= at]:
            self._retry_at.pop(partition)
            if partition in self._owned:
                self._submit_recovery(partition)
        for partition, (number, future) in list(self._recovering.items()):
            if not future.done():
                continue
            del self._recovering[partition]
            owned = self._owned.get(partition)
            if owned is None or owned.number != number:
                continue
            try:
                found = future.result()
            except Hold as hold:
                self._hold(owned, hold.why)
                self._retry_at[partition] = time.monotonic() + 1.0
            except Retryable as error:
                log.warning("recovery waits", partition=partition, why=str(error))
                self._retry_at[partition] = time.monotonic() + 0.5
            else:
                self._resume(owned, found)

    def _resume(self, owned: Owned, found: Recovered) -> None:
        fault_point("recovered")
        where = TopicPartition(self._settings.source, owned.partition, found.start)
        try:
            self._consumer.seek(where)
        except KafkaException:  # _STATE until the partition has started: try again
            self._retry_at[owned.partition] = time.monotonic() + 0.05
            return
        owned.s = owned.position = found.s
        owned.high, owned.e, owned.o, owned.a, owned.identity = found.high, found.e, found.o, found.o, found.identity
        owned.partition_count = found.partition_count
        owned.recorded, owned.phase, owned.held_because = found.recorded, Phase.RUNNING, ""
        self._consumer.resume([where])
        self._metrics.held.labels(partition=str(owned.partition)).set(0)
        log.info("running", partition=owned.partition, s=found.s, o=found.o, replay=found.o - found.s)
        fault_point("resumed")

    def _hold(self, owned: Owned, why: str) -> None:
        """Take nothing more of a partition, until a person has looked; readiness says so, the process goes on."""
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
        self._recovering.pop(partition, None)
        self._retry_at.pop(partition, None)
        self._lag.forget(self._settings.source, partition)
        self._work.drop(partition)

    def _reopen(self, partition: int, why: str) -> None:
        """W3, and B3 when another owner is ahead: drop the partition's memory and run A2-A5 again; a held one stays."""
        if self._owned[partition].phase is Phase.HELD:
            return
        log.warning("taking up anew", partition=partition, why=why)
        self._metrics.reopened.inc()
        self._consumer.pause([TopicPartition(self._settings.source, partition)])
        self._open(partition)

    # Batch -----------------------------------------------------------------------------------------------------

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
        batch = batch_of(good, running, self._read_rows, self._hold, stages.mark)
        if batch is None:
            return
        stages.mark("poll")
        fault_point("polled")
        hops = self._hops(batch) if batch.traces else {}
        outcome = self._work.process(batch)
        fault_point("processed")
        if hops and outcome.abandoned:  # they come again
            hops = {index: hop for index, hop in hops.items() if hop.partition not in outcome.abandoned}
        self._outputs.send(batch, outcome.frames, self._owned, hops)
        fault_point("produced")
        self._outputs.send_dead_letters(batch, outcome.rejected, self._owned, hops)
        stages.mark("produce")
        fault_point("dead_lettered")
        if hops:
            self._spans.end(list(hops.values()), len(batch.values), started_ns, time.time_ns(), stages.shown())
        self._after(batch, outcome)
        for partition in outcome.abandoned:
            self._reopen(partition, "another owner is ahead, or the store went back")
        self._metrics.batch_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_records.observe(len(batch.values))
        self._metrics.event_age_seconds.observe(scored_at(batch, outcome))
        for name, count in zip(_DECISIONS, outcome.decisions, strict=False):
            if count:
                self._metrics.decisions.labels(decision=name).inc(count)
        for flag, count in outcome.flags.items():
            self._metrics.flagged.labels(flag=flag).inc(count)

    def _hops(self, batch: Batch) -> dict[int, Hop]:
        """A hop of each sampled record that is answered now: one that was before had its span then."""
        indices = list(batch.traces)
        if np.count_nonzero(batch.modes):  # LIVE is 0
            indices = [index for index in indices if batch.modes[index] == LIVE]
        contexts = [batch.traces[index] for index in indices]
        hops = self._spans.begin(contexts, batch.partitions[indices].tolist(), batch.offsets[indices].tolist())
        return dict(zip(indices, hops, strict=True))

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
                if (owned := self._owned.get(each.partition() or 0)) is not None:
                    owned.at_end, owned.end = True, each.offset() or 0
                    self._lag.reached_end(self._settings.source, owned.partition)
                continue
            if is_expired(error):
                self._see_expired(each.partition() or 0)
                continue
            if error.fatal():
                raise Fatal(what=f"consumer failed: {error.str()}", where=self._settings.source, do="restart")
            problem = translated(error, f"{self._settings.source}[{each.partition()}]")
            if isinstance(problem, Fatal):
                raise problem
            log.warning("consumer error", error=str(problem))

    def _see_expired(self, partition: int) -> None:
        """The head of the source passed us: A3 says whether anything is lost. A seek cannot start such a fetch again."""
        if partition not in self._owned:
            return
        where = TopicPartition(self._settings.source, partition, OFFSET_END)
        self._consumer.incremental_unassign([where])
        self._consumer.incremental_assign([where])
        self._consumer.pause([where])
        self._reopen(partition, "the source does not hold the next record any more")

    def _read_rows(self, keys: dict[int, list[bytes]]) -> ReadResult:
        """B2: one round trip with a deadline; the watermark that comes with it sets h or shows that the store went back."""
        answers = None
        if time.monotonic() >= self._store_away_until:  # W1: while it is away, do not wait for it at every batch
            try:
                answers = self._store.read(keys)
            except Retryable as error:
                self._store_away_until = time.monotonic() + 0.2
                self._metrics.store_errors.inc()
                log.warning("state store does not answer", error=str(error))
        if answers is None:
            for partition in keys:
                self._owned[partition].touched_unreadable = True
            return ReadResult(rows={}, unreadable=frozenset(keys), abandoned=frozenset())
        rows = {}
        abandoned = set()
        for partition, (s, found) in answers.items():
            owned = self._owned[partition]
            went_back = (s if s is not None else -1) < owned.high
            if went_back or owned.touched_unreadable:  # I6 and W3
                abandoned.add(partition)
                continue
            owned.high = max(owned.high, s if s is not None else -1)
            rows[partition] = found
        fault_point("rows_read")
        return ReadResult(rows=rows, unreadable=frozenset(), abandoned=frozenset(abandoned))

    def _after(self, batch: Batch, outcome: Outcome) -> None:
        rejected = [int(batch.partitions[index]) for index, _ in outcome.rejected]
        for partition in set(batch.partitions.tolist()):
            if partition in outcome.abandoned or partition not in self._owned:
                continue
            rows = np.flatnonzero(batch.partitions == partition)
            owned = self._owned[partition]
            owned.position = int(batch.offsets[rows[-1]])
            owned.at_end = False
            self._lag.taken(self._settings.source, partition, int(batch.appended_at[rows[-1]]))
            owned.changed_rows += len(rows)
            share = owned.rejected_share(len(rows), rejected.count(partition))
            if share > self._settings.reject_limit:
                self._hold(owned, f"{share:.0%} of the last records were rejected: see `riskstream dlq list`, mend the "
                           "producer or raise reject_limit, and restart")  # fmt: skip
        replayed = int(np.count_nonzero(batch.modes))  # LIVE is 0
        self._metrics.records.labels(mode="live").inc(len(batch.modes) - replayed)
        if replayed:
            self._metrics.records.labels(mode="replay").inc(replayed)

    # Once a second -------------------------------------------------------------------------------------------

    def _probe_store(self) -> None:
        """W3: rows were unknown; when the store answers again, take those partitions up anew."""
        touched = [each.partition for each in self._owned.values() if each.touched_unreadable]
        if self._probe is not None and self._probe.done():
            is_back = self._probe.exception() is None
            self._probe = None
            for partition in touched if is_back else []:
                self._reopen(partition, "the state store is back")
        elif self._probe is None and touched:
            self._probe = self._background.submit(self._store.mark, touched[0])

    def _commit(self) -> None:
        """Commit a + 1, for lag tools and as a floor of o; a failed commit is ignored."""
        offsets = []
        for owned in self._owned.values():
            if owned.phase is Phase.RUNNING and (owned.a > owned.committed or owned.empty_to() > owned.told_empty_to):
                owned.committed, owned.told_empty_to = owned.a, owned.empty_to()
                told = owned.empty_metadata()
                offsets.append(TopicPartition(self._settings.source, owned.partition, owned.a + 1, told))
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                log.debug("commit failed", error=str(error))
            fault_point("committed")

    def _drain(self, partitions: list[int]) -> None:
        """Revocation and shutdown: wait a little for acks, write a last checkpoint, commit."""
        end = time.monotonic() + self._settings.drain_ms / 1000
        mine = [self._owned[each] for each in partitions if each in self._owned]
        asked = False
        while time.monotonic() < end and self._outputs.failure is None:
            self._outputs.poll(0.005)
            self._checkpoints.advance(self._owned)  # a store that went back is the next owner's to see
            if not asked and all(each.pending is None and not each.is_writing for each in mine):
                self._checkpoints.begin(self._owned)
                asked = True
            done = all(each.pending is None and not each.is_writing for each in mine)
            if asked and done:
                break
        self._commit()
