"""One round of reports: read a snapshot, write hourly and daily reports, publish their records."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.native.choice import Way
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.sole_writer import SoleWriter
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.reporter.core import WIDTH_MS, Control, Snapshot, report
from riskstream.reporter.snapshot import Follower
from riskstream.reporter.totals import TOPIC
from riskstream.reporter.traced import ReportSpans
from riskstream.reporter.write import prune, write_report
from riskstream.runtime.faults import fault_point

log = structlog.get_logger("reporter")
_RECORDS = "risk-reports.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a report covers: a window that ended `grace_s` ago, or with `so_far` the newest as it
    stands; in one currency. `client`: how scores come from Kafka's.
    """

    grace_s: int
    so_far: bool
    base_currency: str = "EUR"
    client: Way = "auto"


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """Where reports lie, and how many of a grain are kept: 0 for all."""

    path: Path
    keep: int = 0


class Reporter:
    """Writes reports to a folder and their records to risk-reports.v1."""

    def __init__(
        self,
        bootstrap: str,
        folder: ReportFolder,
        coverage: Coverage,
        metrics: ReporterMetrics,
        *,
        tracer: Tracer = NO_TRACER,
        writes_totals: bool = False,
    ) -> None:
        """`writes_totals`: carry the control totals forward, as one of all reporters does."""
        self._bootstrap, self._folder, self._coverage, self._metrics = (
            bootstrap,
            folder,
            coverage,
            metrics,
        )
        self._codec = codec("risk-report.v1")
        self._spans = ReportSpans(tracer, folder.path)
        self._writes_totals = writes_totals
        self._follower: Follower | None = None
        self._writer: SoleWriter | None = None

    def run_once(self, grains: tuple[str, ...] = tuple(WIDTH_MS)) -> list[dict[str, Any]]:
        """1 read what is new, 2 carry the totals on, 3 write each report's files, 4 publish its
        record; the records come back.

        Who carries the totals publishes by the same writer: two never publish beside each other.
        Retryable where Kafka is away or another reporter began meanwhile: the next round begins
        again.
        """
        try:
            return self._round(grains)
        except BaseException:
            self._follower = None  # whatever failed leaves nothing half counted
            raise

    def _round(self, grains: tuple[str, ...]) -> list[dict[str, Any]]:
        started, started_ns = time.perf_counter(), time.time_ns()
        stages = self._metrics.stage_seconds
        snapshot, control = self._read()
        self._metrics.snapshot_seconds.observe(time.perf_counter() - started)
        records = []
        for grain in grains:
            with stages.labels("sums").time():
                found = report(
                    grain,
                    snapshot,
                    control,
                    grace_ms=self._coverage.grace_s * 1000,
                    so_far=self._coverage.so_far,
                )
            if found is None:
                continue
            before = self._spans.before(grain) if control.traced else None
            with stages.labels("files").time():
                record = write_report(self._folder.path, found, snapshot)
                prune(self._folder.path, grain, self._folder.keep)
            self._spans.end(found, before, control.traced, control.alerts, started_ns)
            records.append(record)
            self._metrics.reports.labels(grain=grain.lower()).inc()
            if not record["is_reconciled"]:
                self._metrics.unreconciled.inc()
                log.error("report does not reconcile", report_id=record["report_id"])
        fault_point("filed")
        if records:
            with stages.labels("records").time():
                self._publish(records)
            fault_point("published")
            self._metrics.event_age_seconds.observe(max(time.time() - snapshot.as_of_ms / 1000, 0))
        return records

    def _read(self) -> tuple[Snapshot, Control]:
        """Read what is new, and write down what was counted of it before any report says it."""
        follower = self._follower = self._follower or self._begun()
        snapshot, control = follower.read()
        fault_point("counted")
        if self._writer is not None and (records := follower.totals.records()):
            self._writer.commit(records)
        fault_point("carried")
        return snapshot, control

    def _publish(self, records: list[dict[str, Any]]) -> None:
        keys = [record["report_id"].encode() for record in records]
        frames = [self._codec.encode(record) for record in records]
        if self._writer is not None:
            self._writer.commit(list(zip(keys, frames, strict=True)), _RECORDS)
            return
        producer = BulkProducer(self._bootstrap, "reporter")
        producer.send(_RECORDS, keys, frames)
        producer.flush()

    def _begun(self) -> Follower:
        """From the totals that were written last; from scratch where the cluster has no such topic
        yet.
        """
        self._writer = None
        if self._writes_totals:
            self._writer = SoleWriter(self._bootstrap, TOPIC, "reporter-totals").__enter__()
        covered = self._coverage
        follower = Follower(self._bootstrap, self._metrics, covered.base_currency, covered.client)
        if self._writes_totals or TOPIC in TopicAdmin(self._bootstrap).partitions():
            follower.restore()
        return follower
