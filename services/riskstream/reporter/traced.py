"""Which sampled alerts stand in a report for the first time: their traces end there, each by a span
of its own.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.telemetry.conventions import REPORT_GRAIN, REPORT_ID
from riskstream.platform.telemetry.tracing import Tracer
from riskstream.reporter.core import WIDTH_MS, TracedAlert
from riskstream.reporter.write import read_report


class ReportSpans:
    """Compares each report with the one before, of the same grain in the same folder, whichever
    process wrote that.
    """

    def __init__(self, tracer: Tracer, out: Path) -> None:
        self._out = out
        self._spans = HopSpans(tracer, "alerts.v1", "reporter")

    def before(self, grain: str) -> dict[str, Any] | None:
        """The newest report of the grain in the folder; ask before the next one is written."""
        for path in sorted(self._out.glob(f"{grain.lower()}-*.json"), reverse=True):
            if (found := read_report(path)) is not None:
                return found
        return None

    def end(
        self,
        report: dict[str, Any],
        before: dict[str, Any] | None,
        alerts: Iterable[TracedAlert],
        records: int,
        started_ns: int,
    ) -> None:
        """The report's span, and one of each sampled alert that the report before did not have."""
        new, old = _Counted(report), _Counted(before) if before else None
        fresh = [each for each in alerts if each in new and not (old and each in old)]
        hops = self._spans.begin(
            [each.context for each in fresh],
            [each.partition for each in fresh],
            [each.offset for each in fresh],
        )
        more: dict[str, str | int | float] = {
            REPORT_ID: report["report_id"],
            REPORT_GRAIN: report["grain"],
        }
        self._spans.end(hops, records, started_ns, time.time_ns(), more)


class _Counted:
    """The alerts that a report counts: those whose score its snapshot has, in the windows that it
    shows.
    """

    def __init__(self, report: dict[str, Any]) -> None:
        self._position, self._width = report["position"], WIDTH_MS[report["grain"]]
        self._starts = {window["start_at"] for window in report["windows"]}

    def __contains__(self, alert: TracedAlert) -> bool:
        start = alert.occurred_at - alert.occurred_at % self._width
        return start in self._starts and alert.src <= self._position.get(
            str(alert.src_partition), -1
        )
