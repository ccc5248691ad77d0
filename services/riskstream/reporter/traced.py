"""Which sampled alerts stand in a report for the first time: their traces end there, each by a span of its own."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from riskstream.kafka.traced import HopSpans
from riskstream.reporter.core import WIDTH_MS, TracedAlert
from riskstream.telemetry.conventions import REPORT_GRAIN, REPORT_ID
from riskstream.telemetry.tracing import Tracer


class ReportSpans:
    """Compares each report with the one before, of the same grain in the same folder, whichever process wrote that."""

    def __init__(self, tracer: Tracer, out: Path) -> None:
        self._out = out
        self._spans = HopSpans(tracer, "alerts.v1", "reporter")

    def before(self, grain: str) -> dict[str, Any] | None:
        """The newest report of the grain in the folder; ask before the next one is written."""
        newest = max(self._out.glob(f"{grain.lower()}-*.json"), default=None)
        found: dict[str, Any] | None = json.loads(newest.read_text()) if newest else None
        return found

    def end(
        self, report: dict[str, Any], before: dict[str, Any] | None, alerts: Iterable[TracedAlert], records: int, started_ns: int
    ) -> None:  # fmt: skip
        """The report's span, and one of each sampled alert that the report before did not have."""
        fresh = [each for each in alerts if _has(report, each) and not (before and _has(before, each))]
        hops = self._spans.begin(
            [each.context for each in fresh], [each.partition for each in fresh], [each.offset for each in fresh]
        )
        more: dict[str, str | int | float] = {REPORT_ID: report["report_id"], REPORT_GRAIN: report["grain"]}
        self._spans.end(hops, records, started_ns, time.time_ns(), more)


def _has(report: dict[str, Any], alert: TracedAlert) -> bool:
    """True where the alert is counted in the report: its score is behind the snapshot's, its window is shown."""
    start = alert.occurred_at - alert.occurred_at % WIDTH_MS[report["grain"]]
    return alert.src <= report["position"].get(str(alert.src_partition), -1) and any(
        window["start_at"] == start for window in report["windows"]
    )
