"""The scorer's core under Faust (`--runtime faust`): at least once, for those who standardise on
Faust.

Rules (ADR 0001): raw bytes, `noack` and explicit acks in order after the produce was confirmed and
the state written, concurrency 1, a body that never raises, no tables, windows, web server or leader
topic. What Faust itself may lose is held in `tests/integration/test_faust_limits.py`; the lane is
the default for that reason. It keeps its state apart from the lane's; when Redis itself loses
state, only rows in memory are written again.
"""

import asyncio
import os
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import faust
import structlog

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.lanes.ports import Mark, ProfileReader, StateStore
from riskstream.platform.kafka.lanes.watchdog import Watchdog
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.exits import Exit
from riskstream.runtime.faults import fault_point
from riskstream.scorer.core import Prepared, ScorerCore
from riskstream.scorer.faust_app import Doors, make_app
from riskstream.scorer.faust_reads import FaustReads
from riskstream.scorer.faust_records import batch_of, records_of, send
from riskstream.scorer.scored import Scored
from riskstream.scorer.settings import ScorerSettings

log = structlog.get_logger("faust")


@dataclass(slots=True)
class _Part:
    """`stored_src`: the store's watermark; `position`: last source offset answered; `unacked`:
    events answered, not acked.
    """

    stored_src: int
    position: int
    unacked: list[Any] = field(default_factory=list)


def _end(error: Exception) -> None:
    """End the process at once: Faust's own way out would write a last checkpoint of what was never
    produced.
    """
    log.error("ending the process", error=f"{type(error).__name__} {error}")
    os._exit(Exit.FAULT)


def _partitions(app: Any, topic: str) -> int:
    """How many partitions a topic has, by the client's metadata; 0 where it is not known yet."""
    return len(app.consumer._thread._consumer._client.cluster.partitions_for_topic(topic) or ())


class FaustShell:
    """Runs a ScorerCore as the agent of a Faust app until SIGTERM."""

    def __init__(
        self,
        settings: ScorerSettings,
        core: ScorerCore,
        store: StateStore,
        metrics: LaneMetrics,
        tracer: Tracer = NO_TRACER,
        profiles: ProfileReader | None = None,
    ) -> None:
        self._settings, self._core, self._store, self._metrics = settings, core, store, metrics
        self._reads = FaustReads(store, profiles, metrics)
        self._spans = HopSpans(tracer, settings.source, settings.group)
        self._parts: dict[int, _Part] = {}
        self._lock = asyncio.Lock()
        self._partition_count = 1
        self._waited = 0
        self._is_at_edge = True
        """False while memory may hold what was not produced: nothing is written then, not even on
        the way out.
        """
        self.app = make_app(
            settings,
            Doors(
                take=self._take,
                checkpoint=self._checkpoint,
                forget=self._forget,
                seen=lambda: metrics.loop_seen.set(time.time()),
            ),
        )

    def run(self) -> None:
        """Start the worker; it ends by SIGTERM, SIGINT or the watchdog."""
        watchdog = Watchdog(self._progress, self._is_behind)
        watchdog.start()
        try:
            faust.Worker(
                self.app, loglevel="WARNING", override_logging=False
            ).execute_from_commandline()
        finally:
            watchdog.stop()

    def _forget(self, partitions: list[int]) -> None:
        for partition in partitions:
            self._parts.pop(partition, None)
            self._core.drop(partition)

    async def _take(self, events: list[Any]) -> None:
        """One micro-batch; it never raises: the world's faults are waited for, ours end the
        process.
        """
        try:
            async with self._lock:
                while events:
                    events = await self._process(events)
                    self._is_at_edge = True
        except Exception as error:
            _end(error)

    async def _process(self, events: list[Any]) -> list[Any]:
        """Score, produce in order, remember for the next checkpoint; events of partitions to be
        taken up anew are left.
        """
        fresh = await self._fresh(events)
        if not fresh:
            return []
        self._partition_count = max(
            self._partition_count, _partitions(self.app, self._settings.source)
        )
        positions = {partition: part.position for partition, part in self._parts.items()}
        batch = batch_of(fresh, positions, self._partition_count)
        started, started_ns = time.perf_counter(), time.time_ns()
        rows = list(batch.traces)
        begun = self._spans.begin(
            list(batch.traces.values()),
            batch.partitions[rows].tolist(),
            batch.offsets[rows].tolist(),
        )
        hops = dict(zip(rows, begun, strict=True))
        self._metrics.stages.begin()
        self._is_at_edge = False  # it stays so where this is cancelled or raises
        try:
            prepared = self._core.prepare(batch)
        except SchemaWait as wait:
            # in place: all partitions of the batch wait, and this counts as moving
            log.warning("waits for a schema", why=str(wait))
            self._waited += 1
            await asyncio.sleep(0.2)
            return fresh
        outcome = self._score(prepared)  # nothing else runs between the two
        fault_point("processed")
        await send(self.app.producer, records_of(self._settings, batch, outcome, hops))
        fault_point("produced")
        self._metrics.stages.mark("produce")
        answered = [hop for hop in hops.values() if hop.partition not in outcome.abandoned]
        self._spans.end(
            answered, len(fresh), started_ns, time.time_ns(), self._metrics.stages.shown()
        )
        again = self._answered(fresh, outcome.abandoned)
        self._metrics.records.labels(mode="live").inc(len(fresh) - len(again))
        self._metrics.batch_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_records.observe(len(fresh))
        return again

    async def _fresh(self, events: list[Any]) -> list[Any]:
        """Events that were not answered before; partitions that are new begin where the store
        stands.
        """
        firsts: dict[int, int] = {}
        for event in events:
            firsts.setdefault(event.message.partition, event.message.offset)
        for partition in firsts.keys() - self._parts.keys():
            stored_src = await self._reads.watermark(partition, firsts[partition])
            self._parts[partition] = _Part(stored_src=stored_src, position=stored_src)
        fresh = []
        for event in events:
            part = self._parts[event.message.partition]
            if event.message.offset > part.position:
                fresh.append(event)
            else:  # answered before: at once where the store has it, else with the others
                part.unacked.append(event)
        return fresh

    def _answered(self, fresh: list[Any], abandoned: Collection[int]) -> list[Any]:
        """Move partitions on behind what was answered; the events of abandoned ones, which are to
        be taken again.
        """
        again = []
        for event in fresh:
            if event.message.partition in abandoned:
                again.append(event)
            else:
                part = self._parts[event.message.partition]
                part.position = event.message.offset
                part.unacked.append(event)
        self._forget(list(abandoned))
        return again

    def _score(self, prepared: Prepared) -> Scored:
        """The outcome of a batch, after what it needs was read."""
        mark = self._metrics.stages.mark
        rows = self._reads.rows(
            prepared.rows,
            {partition: part.stored_src for partition, part in self._parts.items()},
        )
        mark("read")
        profiles = self._reads.profiles(prepared.profiles)
        mark("profile")
        return self._core.score(prepared, rows, profiles)

    async def _checkpoint(self) -> None:
        """Rows and watermark of each partition to the store, then the acks; it never raises, as
        `_take`.
        """
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
                found = await self._reads.patiently(
                    self._store.checkpoint, partition, part.stored_src, mark, rows
                )
                if found is None:  # the store went back: write everything that is in memory
                    log.error("the store went back", partition=partition)
                    rows = self._core.fold.take_all(partition)
                    await self._reads.patiently(self._store.checkpoint, partition, -1, mark, rows)
                    # rows that could not be read are read again
                    self._core.drop(partition)
                fault_point("written")
                part.stored_src = part.position
                self._metrics.checkpoints.inc()
            for event in part.unacked:
                event.ack()
            part.unacked = []

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
