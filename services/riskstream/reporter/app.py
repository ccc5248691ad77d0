"""One round of reports: read a snapshot, write hourly and daily reports, publish their records."""

import time
from pathlib import Path
from typing import Any

import structlog

from riskstream.contracts.codec import codec
from riskstream.kafka.produce import BulkProducer
from riskstream.reporter.core import WIDTH_MS, report
from riskstream.reporter.snapshot import read_snapshot
from riskstream.reporter.traced import ReportSpans
from riskstream.reporter.write import write_report
from riskstream.telemetry.metrics import ReporterMetrics
from riskstream.telemetry.tracing import NO_TRACER, Tracer

log = structlog.get_logger("reporter")


class Reporter:
    """Writes reports to a folder and their records to risk-reports.v1."""

    def __init__(
        self, bootstrap: str, out: Path, metrics: ReporterMetrics, *, grace_s: int, so_far: bool, tracer: Tracer = NO_TRACER
    ) -> None:  # fmt: skip
        self._bootstrap, self._out, self._metrics = bootstrap, out, metrics
        self._grace_ms, self._so_far = grace_s * 1000, so_far
        self._codec = codec("risk-report.v1")
        self._spans = ReportSpans(tracer, out)

    def run_once(self, grains: tuple[str, ...] = tuple(WIDTH_MS)) -> list[dict[str, Any]]:
        """1 read the snapshot, 2 write each report's files, 3 publish its record; the records come back."""
        started, started_ns = time.perf_counter(), time.time_ns()
        stages = self._metrics.stage_seconds
        snapshot, control = read_snapshot(self._bootstrap)
        self._metrics.snapshot_seconds.observe(time.perf_counter() - started)
        records = []
        for grain in grains:
            with stages.labels("sums").time():
                found = report(grain, snapshot, control, grace_ms=self._grace_ms, so_far=self._so_far)
            if found is None:
                continue
            before = self._spans.before(grain) if control.traced else None
            with stages.labels("files").time():
                record = write_report(self._out, found, snapshot)
            self._spans.end(found, before, control.traced, control.alerts, started_ns)
            records.append(record)
            self._metrics.reports.labels(grain=grain.lower()).inc()
            if not record["is_reconciled"]:
                self._metrics.unreconciled.inc()
                log.error("report does not reconcile", report_id=record["report_id"])
        if records:
            with stages.labels("records").time():
                producer = BulkProducer(self._bootstrap, "reporter")
                frames = [self._codec.encode(record) for record in records]
                producer.send("risk-reports.v1", [record["report_id"].encode() for record in records], frames)
                producer.flush()
            self._metrics.event_age_seconds.observe(max(time.time() - snapshot.as_of_ms / 1000, 0))
        return records
