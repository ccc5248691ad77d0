"""One round of reports: read a snapshot, write hourly and daily reports, publish their records."""

import time
from pathlib import Path
from typing import Any

import structlog

from riskstream.contracts.codec import codec
from riskstream.kafka.produce import BulkProducer
from riskstream.reporter.core import WIDTH_MS, report
from riskstream.reporter.snapshot import read_snapshot
from riskstream.reporter.write import write_report
from riskstream.telemetry.metrics import ReporterMetrics

log = structlog.get_logger("reporter")


class Reporter:
    """Writes reports to a folder and their records to risk-reports.v1."""

    def __init__(self, bootstrap: str, out: Path, metrics: ReporterMetrics, *, grace_s: int, so_far: bool) -> None:
        self._bootstrap, self._out, self._metrics = bootstrap, out, metrics
        self._grace_ms, self._so_far = grace_s * 1000, so_far
        self._codec = codec("risk-report.v1")

    def run_once(self, grains: tuple[str, ...] = tuple(WIDTH_MS)) -> list[dict[str, Any]]:
        """1 read the snapshot, 2 write each report's files, 3 publish its record; the records come back."""
        started = time.perf_counter()
        snapshot, control = read_snapshot(self._bootstrap)
        self._metrics.snapshot_seconds.observe(time.perf_counter() - started)
        records = []
        for grain in grains:
            found = report(grain, snapshot, control, grace_ms=self._grace_ms, so_far=self._so_far)
            if found is None:
                continue
            record = write_report(self._out, found, snapshot)
            records.append(record)
            self._metrics.reports.labels(grain=grain.lower()).inc()
            if not record["is_reconciled"]:
                self._metrics.unreconciled.inc()
                log.error("report does not reconcile", report_id=record["report_id"])
        if records:
            producer = BulkProducer(self._bootstrap, "reporter")
            frames = [self._codec.encode(record) for record in records]
            producer.send("risk-reports.v1", [record["report_id"].encode() for record in records], frames)
            producer.flush()
        return records
