"""A sampled alert's trace ends in the first report that counts it, whichever process wrote the one
before.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from riskstream.cli.report import command
from riskstream.platform.telemetry.context import new_trace
from riskstream.platform.telemetry.tracing import Tracer
from riskstream.reporter.core import TracedAlert
from riskstream.reporter.traced import ReportSpans
from riskstream.runtime.durations import DAY_MS

DAYS = (100 * DAY_MS, 101 * DAY_MS)


def _report(number: int, position: int, *days: int) -> dict[str, Any]:
    windows = [{"start_at": day} for day in days]
    return {
        "report_id": f"daily-20240101T00000{number}Z",
        "grain": "DAILY",
        "position": {"0": position},
        "windows": windows,
        "as_of": number,
        "totals": {},
    }


def _alert(src: int, day: int, partition: int = 0) -> TracedAlert:
    return TracedAlert(
        partition=0,
        offset=src,
        src_partition=partition,
        src=src,
        occurred_at=day + 5000,
        context=new_trace(),
    )


def _ended(tracer: Tracer, alerts: list[TracedAlert]) -> list[int]:
    """The sources of the alerts whose spans were recorded since the last call."""
    spans = [json.loads(text) for text in tracer.take(1000)]
    ids = {span["traceId"] for span in spans if not span["name"].endswith(" batch")}
    return [each.src for each in alerts if each.context.trace_id in ids]


def test_an_alert_ends_in_the_first_report_that_counts_it(tmp_path: Path) -> None:
    tracer = Tracer(0.0, 1000)
    spans = ReportSpans(tracer, tmp_path)
    alerts = [
        _alert(1, DAYS[0]),
        _alert(2, DAYS[1]),
        _alert(7, DAYS[0]),
        _alert(3, DAYS[0], partition=9),
    ]
    first = _report(1, 5, DAYS[0])
    spans.end(first, spans.before("DAILY"), alerts, 4, 0)
    assert _ended(tracer, alerts) == [1], (
        "2 is in an open window, 7 behind the snapshot, 3 of a partition it has not"
    )
    (tmp_path / "daily-20240101T000001Z.json").write_text(json.dumps(first))
    (tmp_path / "hourly-20240101T000009Z.json").write_text(json.dumps(_report(9, 99, *DAYS)))
    again = ReportSpans(tracer, tmp_path)  # another process
    again.end(_report(2, 8, *DAYS), again.before("DAILY"), alerts, 4, 0)
    assert _ended(tracer, alerts) == [2, 7]
    (tmp_path / "daily-20240101T000002Z.json").write_text(json.dumps(_report(2, 8, *DAYS)))
    again.end(_report(3, 8, *DAYS), again.before("DAILY"), alerts, 4, 0)
    assert _ended(tracer, alerts) == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[1]", b'{"position": 5}', b"[" * 100_000, None]
)
def test_a_file_that_is_no_report_is_passed_over(tmp_path: Path, content: bytes | None) -> None:
    """The reporter ended where somebody had put a file of such a name into its folder, and `report
    list` did.
    """
    report = {**_report(1, 5, DAYS[0]), "totals": {"transactions": 7}, "is_reconciled": True}
    (tmp_path / "daily-20240101T000001Z.json").write_text(json.dumps(report))
    for name in ("daily-20250101T000000Z.json", "daily-of-mine.json", "notes.json"):
        if content is None:
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_bytes(content)
    assert ReportSpans(Tracer(0.0, 10), tmp_path).before("DAILY") == report
    listed = CliRunner().invoke(command, ["list", "--out", str(tmp_path)])
    assert (listed.exit_code, listed.output.split()[0], len(listed.output.splitlines())) == (
        0,
        report["report_id"],
        1,
    )


def test_a_folder_without_reports_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        listed = CliRunner().invoke(command, ["list", "--out", str(folder)])
        assert (listed.exit_code, listed.stdout) == (0, "")
        assert listed.stderr == f"no reports in {folder}: `riskstream report run` writes some\n"
