"""The scorer's core under Faust (`--runtime faust`): at least once, for those who standardise on Faust.

Rules (ADR 0001): raw bytes, `noack` and explicit acks in order after the produce was confirmed and the state
written, concurrency 1, a body that never raises, no tables, windows, web server or leader topic. What Faust itself may
lose is held in `tests/integration/test_faust_limits.py`; the lane is the default for that reason. It keeps its state
apart from the lane's; when Redis itself loses state, only rows in memory are written again.
"""

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

import faust
import numpy as np
import structlog

from riskstream.contracts.writers import SchemaWait
from riskstream.kafka.limits import fitted, producer_bytes, short_key
from riskstream.kafka.ports import LIVE, Batch, Mark, Outcome, ProfileReader, ReadResult, StateStore
from riskstream.kafka.rejects import dead_letter_headers
from riskstream.kafka.traced import HopSpans, context_in, header_of
from riskstream.kafka.watchdog import EXIT_CODE, Watchdog
from riskstream.runtime.errors import Retryable
from riskstream.runtime.faults import fault_point
from riskstream.scorer.core import Prepared, ScorerCore
from riskstream.scorer.scored import Scored
from riskstream.scorer.settings import ScorerSettings
from riskstream.telemetry.metrics import LaneMetrics
from riskstream.telemetry.span import Hop
from riskstream.telemetry.tracing import NO_TRACER, Tracer

log = structlog.get_logger("faust")
WITHIN_S = 0.005
"""How long `noack_take` waits for a batch to fill: what Faust adds to the latency."""
_STORE_DEADLINE_S = 20.0


@dataclass(slots=True)
class _Part:
    """`stored_src`: the store's watermark; `position`: last source offset answered; `unacked`: events answered, not acked."""

    stored_src: int
    position: int
    unacked: list[Any] = field(default_factory=list)


def _end(error: Exception) -> None:
    """End the process at once: Faust's own way out would write a last checkpoint of what was never produced."""
    log.error("ending the process", error=f"{type(error).__name__} {error}")
    os._exit(EXIT_CODE)


class FaustShell:
    """Runs a ScorerCore as the agent of a Faust app until SIGTERM."""

    def __init__(
        self, settings: ScorerSettings, core: ScorerCore, store: StateStore, metrics: LaneMetrics,
        tracer: Tracer = NO_TRACER, profiles: ProfileReader | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._core, self._store, self._metrics = settings, core, store, metrics
        self._profiles = profiles
        self._spans = HopSpans(tracer, settings.source, settings.group)
        self._parts: dict[int, _Part] = {}
        self._lock = asyncio.Lock()
        self._partition_count = 1
        self._waited = 0
        self._is_at_edge = True
        """False while memory may hold what was not produced: nothing is written then, not even on the way out."""
        self.app = self._make_app()

    def run(self) -> None:
        """Start the worker; it ends by SIGTERM, SIGINT or the watchdog."""
        watchdog = Watchdog(self._progress, self._is_behind)
        watchdog.start()
        try:
            faust.Worker(self.app, loglevel="WARNING", override_logging=False).execute_from_commandline()
        finally:
            watchdog.stop()

    def _make_app(self) -> Any:
        settings = self._settings
        app = faust.App(
            settings.group,
            broker=[f"kafka://{address}" for address in settings.kafka.split(",")],
            datadir=tempfile.mkdtemp(prefix="riskstream-faust-"),
            key_serializer="raw",
            value_serializer="raw",
            consumer_auto_offset_reset="earliest",
            producer_acks=-1,
            producer_max_request_size=producer_bytes(),
            producer_linger_ms=0,
            broker_max_poll_records=settings.max_batch,
            broker_commit_interval=1.0,
            broker_session_timeout=settings.session_timeout_ms / 1000,
            broker_heartbeat_interval=settings.session_timeout_ms / 3000,
            stream_buffer_maxsize=2 * settings.max_batch,
            stream_wait_empty=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            autodiscover=False,
        )
        source = app.topic(settings.source, key_type=bytes, value_type=bytes)

        async def score(stream: Any) -> None:
            async for events in stream.noack_take(settings.max_batch, within=WITHIN_S):
                await self._take(events)

        async def every_second() -> None:
            self._metrics.loop_seen.set(time.time())
            await self._checkpoint()

        async def on_revoked(_: Any, revoked: Any, **__: Any) -> None:
            await self._checkpoint()
            self._forget([each.partition for each in revoked])

        async def on_assigned(_: Any, assigned: Any, **__: Any) -> None:
            self._forget([each.partition for each in assigned])
            log.info("assigned", partitions=sorted(each.partition for each in assigned))

        async def before_shutdown(_: Any, **__: Any) -> None:
            await self._checkpoint()

        app.agent(source, concurrency=1, name="scorer")(score)
        app.timer(settings.checkpoint_every_ms / 1000)(every_second)
        app.on_partitions_revoked.connect(on_revoked, weak=False)
        app.on_partitions_assigned.connect(on_assigned, weak=False)
        app.on_before_shutdown.connect(before_shutdown, weak=False)
        return app

    def _forget(self, partitions: list[int]) -> None:
        for partition in partitions:
            self._parts.pop(partition, None)
            self._core.drop(partition)

    async def _take(self, events: list[Any]) -> None:
        """One micro-batch; it never raises: the world's faults are waited for, ours end the process."""
        try:
            async with self._lock:
                while events:
                    events = await self._process(events)
                    self._is_at_edge = True
        except Exception as error:
            _end(error)

    async def _process(self, events: list[Any]) -> list[Any]:
        """Score, produce in order, remember for the next checkpoint; events of partitions to be taken up anew are left."""
        for partition in {event.message.partition for event in events} - self._parts.keys():
            mark = await self._patiently(self._store.mark, partition)
            stored_src = mark.stored_src if mark else -1
            self._parts[partition] = _Part(stored_src=stored_src, position=stored_src)
        fresh = []
        for event in events:
            part = self._parts[event.message.partition]
            if event.message.offset > part.position:
                fresh.append(event)
            else:  # answered before: at once where the store has it, else with the others
                part.unacked.append(event)
        if not fresh:
            return []
        batch = self._batch_of(fresh)
        started, started_ns = time.perf_counter(), time.time_ns()
        rows = list(batch.traces)
        begun = self._spans.begin(
            list(batch.traces.values()), batch.partitions[rows].tolist(), batch.offsets[rows].tolist()
        )
        hops = dict(zip(rows, begun, strict=True))
        self._metrics.stages.begin()
        self._is_at_edge = False  # it stays so where this is cancelled or raises
        try:
            prepared = self._core.prepare(batch)
        except SchemaWait as wait:  # in place: all partitions of the batch wait, and this counts as moving
            log.warning("waits for a schema", why=str(wait))
            self._waited += 1
            await asyncio.sleep(0.2)
            return fresh
        outcome = self._score(prepared)  # nothing else runs between the two
        fault_point("processed")
        await self._produce(batch, outcome, hops)
        fault_point("produced")
        self._metrics.stages.mark("produce")
        answered = [hop for hop in hops.values() if hop.partition not in outcome.abandoned]
        self._spans.end(answered, len(fresh), started_ns, time.time_ns(), self._metrics.stages.shown())
        again = []
        for event in fresh:
            if event.message.partition in outcome.abandoned:
                again.append(event)
            else:
                part = self._parts[event.message.partition]
                part.position = event.message.offset
                part.unacked.append(event)
        self._forget(list(outcome.abandoned))
        self._metrics.records.labels(mode="live").inc(len(fresh) - len(again))
        self._metrics.batch_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_records.observe(len(fresh))
        return again

    def _batch_of(self, events: list[Any]) -> Batch:
        messages = [event.message for event in events]
        partitions = np.array([message.partition for message in messages], np.int32)
        offsets = np.array([message.offset for message in messages], np.int64)
        prevs = np.empty(len(events), np.int64)
        for partition in np.unique(partitions).tolist():
            rows = np.flatnonzero(partitions == partition)
            prevs[rows[0]] = self._parts[partition].position
            prevs[rows[1:]] = offsets[rows[:-1]]
        self._partition_count = max(self._partition_count, *(len(self._partitions()), 1))
        return Batch(
            values=[message.value for message in messages],
            keys=[message.key for message in messages],
            partitions=partitions,
            offsets=offsets,
            prevs=prevs,
            appended_at=np.array([round(message.timestamp * 1000) for message in messages], np.int64),
            modes=np.full(len(events), LIVE, np.uint8),
            partition_count=self._partition_count,
            traces={
                index: context for index, message in enumerate(messages)
                if message.headers and (context := context_in(dict(message.headers).items())) is not None
            },
            mark=self._metrics.stages.mark,
        )  # fmt: skip

    def _partitions(self) -> set[int]:
        """Partitions of the source, by the client's metadata."""
        return self.app.consumer._thread._consumer._client.cluster.partitions_for_topic(self._settings.source) or set()

    def _score(self, prepared: Prepared) -> Scored:
        """The outcome of a batch, after what it needs was read."""
        mark = self._metrics.stages.mark
        rows = self._read_rows(prepared.rows) if prepared.rows else ReadResult.empty({})
        mark("read")
        profiles: list[bytes | None] | None = []
        if prepared.profiles:
            profiles = self._profiles.read(prepared.profiles) if self._profiles is not None else None
        mark("profile")
        return self._core.score(prepared, rows, profiles)

    def _read_rows(self, keys: dict[int, list[bytes]]) -> ReadResult:
        """Rows of the asked keys; waits in place for a store that is away, at most 20 s."""
        end = time.monotonic() + _STORE_DEADLINE_S
        while True:
            try:
                answers = self._store.read(keys)
                break
            except Retryable:
                self._metrics.store_errors.inc()
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        return ReadResult(
            rows={partition: rows for partition, (_, rows) in answers.items()}, unreadable=frozenset(), abandoned=frozenset()
        )  # fmt: skip

    async def _produce(self, batch: Batch, outcome: Outcome, hops: dict[int, Hop]) -> None:
        """Scores in order, then dead letters; what failed is sent again, with all that came after it."""
        todo: list[tuple[str, Any, Any, int, Any]] = [
            (
                self._settings.output, short_key(batch.keys[index])[0], frame, int(batch.partitions[index]),
                header_of(hops[index].context) if index in hops else None,
            )
            for index, frame in enumerate(outcome.frames)
            if frame is not None
        ]  # fmt: skip
        for index, reason in outcome.rejected:
            partition = int(batch.partitions[index])
            headers: Any = dead_letter_headers(
                self._settings.source, partition, int(batch.offsets[index]), reason, batch.values[index]
            )
            if index in hops:
                hops[index].error = f"rejected: {reason}"
                headers += header_of(hops[index].context)
            key, value, headers = fitted(batch.keys[index], batch.values[index], headers, producer_bytes())
            todo.append((self._settings.dead_letters, key, value, partition, headers))
        producer = self.app.producer
        while todo:
            sent = [await producer.send(topic, k, v, p, None, headers) for topic, k, v, p, headers in todo]
            results = await asyncio.gather(*sent, return_exceptions=True)
            failed = next(
                (index for index, result in enumerate(results) if isinstance(result, BaseException)), len(todo)
            )
            todo = todo[failed:]
            if todo:
                log.warning("produce failed, again", error=str(results[failed]), records=len(todo))
                await asyncio.sleep(0.2)

    async def _checkpoint(self) -> None:
        """Rows and watermark of each partition to the store, then the acks; it never raises, as `_take`."""
        try:
            async with self._lock:
                if self._is_at_edge:
                    self._is_at_edge = False
                    await self._write()
                    self._is_at_edge = True
        except Exception as error:
            _end(error)

    async def _write(self) -> None:
        for partition, part in list(self._parts.items()):
            if part.position > part.stored_src:
                mark = Mark(stored_src=part.position, output_offset=0, identity="faust")
                rows = self._core.take_changed(partition)
                fault_point("copied")
                found = await self._patiently(self._store.checkpoint, partition, part.stored_src, mark, rows)
                if found is None:  # the store went back: write everything that is in memory
                    log.error("the store went back", partition=partition)
                    rows = self._core.fold.take_all(partition)
                    await self._patiently(self._store.checkpoint, partition, -1, mark, rows)
                fault_point("written")
                part.stored_src = part.position
                self._metrics.checkpoints.inc()
            for event in part.unacked:
                event.ack()
            part.unacked = []

    async def _patiently(self, call: Any, *arguments: Any) -> Any:
        while True:
            try:
                return await asyncio.to_thread(call, *arguments)
            except Retryable as error:
                self._metrics.store_errors.inc()
                self._metrics.loop_seen.set(time.time())
                log.warning("the store does not answer", error=str(error))
                await asyncio.sleep(0.2)

    def _progress(self) -> tuple[float, ...]:
        positions = tuple(float(part.position) for part in list(self._parts.values()))
        return (*positions, self._metrics.store_errors._value.get(), float(self._waited))

    def _is_behind(self) -> bool:
        try:
            return any(
                (self.app.consumer.highwater(each) or 0) > self._parts[each.partition].position + 1
                for each in self.app.consumer.assignment()
                if each.topic == self._settings.source and each.partition in self._parts
            )
        except Exception:  # the consumer is starting, stopping or rebalancing
            return False
