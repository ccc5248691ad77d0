"""A sampled alert's trace ends in the first report that counts it, whichever process wrote the one before."""

import json
from pathlib import Path
from typing import Any

from riskstream.reporter.core import TracedAlert
from riskstream.reporter.traced import ReportSpans
from riskstream.risk.windows import DAY_MS
from riskstream.telemetry.context import new_trace
from riskstream.telemetry.tracing import Tracer

DAYS = (100 * DAY_MS, 101 * DAY_MS)


def _report(number: int, position: int, *days: int) -> dict[str, Any]:
    windows = [{"start_at": day} for day in days]
    return {"report_id": f"daily-{number}", "grain": "DAILY", "position": {"0": position}, "windows": windows}


def _alert(src: int, day: int, partition: int = 0) -> TracedAlert:
    return TracedAlert(
        partition=0, offset=src, src_partition=partition, src=src, occurred_at=day + 5000, context=new_trace()
    )


def _ended(tracer: Tracer, alerts: list[TracedAlert]) -> list[int]:
    """The sources of the alerts whose spans were recorded since the last call."""
    spans = [json.loads(text) for text in tracer.take(1000)]
    ids = {span["traceId"] for span in spans if not span["name"].endswith(" batch")}
    return [each.src for each in alerts if each.context.trace_id in ids]


def test_an_alert_ends_in_the_first_report_that_counts_it(tmp_path: Path) -> None:
    tracer = Tracer(0.0, 1000)
    spans = ReportSpans(tracer, tmp_path)
    alerts = [_alert(1, DAYS[0]), _alert(2, DAYS[1]), _alert(7, DAYS[0]), _alert(3, DAYS[0], partition=9)]
    first = _report(1, 5, DAYS[0])
    spans.end(first, spans.before("DAILY"), alerts, 4, 0)
    assert _ended(tracer, alerts) == [1], "2 is in an open window, 7 behind the snapshot, 3 of a partition it has not"
    (tmp_path / "daily-1.json").write_text(json.dumps(first))
    (tmp_path / "hourly-9.json").write_text(json.dumps(_report(9, 99, *DAYS)))
    again = ReportSpans(tracer, tmp_path)  # another process
    again.end(_report(2, 8, *DAYS), again.before("DAILY"), alerts, 4, 0)
    assert _ended(tracer, alerts) == [2, 7]
    (tmp_path / "daily-2.json").write_text(json.dumps(_report(2, 8, *DAYS)))
    again.end(_report(3, 8, *DAYS), again.before("DAILY"), alerts, 4, 0)
    assert _ended(tracer, alerts) == []
