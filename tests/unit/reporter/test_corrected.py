"""Reports where records were corrected: states and control totals lose the same, and show it beside
what stays.
"""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS, counted, score
from tests.support.counted import series
from tests.support.customer_state import CustomerState
from tests.support.snapshots import add

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.customer_risk import HOURLY_KEPT
from riskstream.platform.kafka.record import Record, Records
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.core import SUMS, Control, Snapshot, report
from riskstream.reporter.page import page
from riskstream.reporter.snapshot import Follower
from riskstream.reporter.totals import PartitionTotals, Totals
from riskstream.reporter.write import write_report
from riskstream.runtime.durations import DAY_MS, HOUR_MS

START = NOW_MS // DAY_MS * DAY_MS
SCORES: list[dict[str, Any]] = [
    {"occurred_at": START, "base_amount_minor": 900, "decision": "REVIEW"},
    {
        "occurred_at": START + HOUR_MS,
        "base_amount_minor": 90,
        "corrected_at": START,
        "corrected_amount_minor": 900,
    },
    {"occurred_at": START + HOUR_MS, "base_amount_minor": 40, "kind": "REFUND"},
    {
        "occurred_at": START + 2 * HOUR_MS,
        "base_amount_minor": 4,
        "kind": "REFUND",
        "corrected_at": START + HOUR_MS,
        "corrected_amount_minor": 40,
        "corrected_is_refund": True,
    },
    {
        "occurred_at": START,
        "base_amount_minor": 7,
        "corrected_at": START,
        "corrected_amount_minor": 7,
    },
]
"""A payment of 9.00 that was alerted on is corrected to 0.90, a refund of 0.40 to 0.04; one of 0.07
came after its correction.
"""
_NONE_LEAVES = {"corrected_at": None, "corrected_amount_minor": None, "corrected_is_refund": False}
TOTALS = {
    "transactions": 1,
    "amount_minor": 90,
    "alerts": 1,
    "blocked": 0,
    "alert_amount_minor": 900,
    "refunds": 1,
    "refund_amount_minor": 4,
    "corrected": 3,
    "corrected_amount_minor": 947,
}


def _scores() -> list[dict[str, Any]]:
    return [
        score(src=src, prev=src - 1, **{**_NONE_LEAVES, **each}) for src, each in enumerate(SCORES)
    ]


def _counted() -> PartitionTotals:
    """Read as the reporter reads them, from their frames."""
    records = [
        Record(
            topic="scores.v1",
            headers=[],
            partition=0,
            offset=at,
            key=b"c-1",
            appended_at=NOW_MS,
            value=codec("score.v1").encode(each),
        )
        for at, each in enumerate(_scores())
    ]
    broken = Record(
        topic="scores.v1",
        headers=[],
        partition=0,
        offset=9,
        key=b"c-1",
        appended_at=NOW_MS,
        value=b"no",
    )
    mine = PartitionTotals()
    follower = Follower("", ReporterMetrics(CollectorRegistry()), "EUR")
    mine.take_scores(follower._series(Records.of([*records, broken])), 99)
    return mine


def _world() -> tuple[Snapshot, Control]:
    state, snapshot = CustomerState(customer_id="c-1"), Snapshot()
    for each in _scores():
        state.add(counted(each))
    add(snapshot, state.record(0))
    totals = Totals()
    totals.partitions[0] = _counted()
    control = totals.control()
    control.add_alert(START, False)
    return snapshot, control


def test_a_report_loses_what_was_corrected_and_reconciles() -> None:
    snapshot, control = _world()
    for grain in ("HOURLY", "DAILY"):
        found = report(grain, snapshot, control, grace_ms=0, so_far=True)
        assert found is not None
        assert found["is_reconciled"]
        assert found["totals"] == TOTALS
        assert found["control"] == {name: TOTALS[name] for name in SUMS}
        text = page(found)
        assert "9.47</b><span>corrected, EUR, in 3 records" in text
        assert "3 records of 9.47 EUR corrected" in text
    hourly = report("HOURLY", snapshot, control, grace_ms=0, so_far=True)
    assert hourly is not None
    assert [(each["transactions"], each["corrected"]) for each in hourly["windows"]] == [
        (0, 2),
        (1, 1),
        (0, 0),
    ]


def test_what_leaves_is_in_the_files_and_the_record(tmp_path: Any) -> None:
    snapshot, control = _world()
    found = report("DAILY", snapshot, control, grace_ms=0, so_far=True)
    assert found is not None
    record = write_report(tmp_path, found, snapshot)
    assert codec("risk-report.v1").decode(codec("risk-report.v1").encode(record)) == record
    assert (record["corrected"], record["corrected_amount_minor"]) == (3, 947)
    [row] = pq.read_table(tmp_path / record["parquet_path"]).to_pylist()
    assert {name: row[name] for name in TOTALS} == TOTALS


def test_totals_keep_what_left_and_hold_nothing_below_zero() -> None:
    totals = Totals()
    totals.partitions[0] = _counted()
    other = Totals()
    for key, value in totals.records():
        other.restore(
            [
                Record(
                    topic="", headers=[], partition=0, offset=0, key=key, value=value, appended_at=0
                )
            ],
            1,
        )
    assert other.of(0).hours == totals.of(0).hours
    lone = PartitionTotals()
    leaves = {"corrected_at": START, "corrected_amount_minor": 70}
    alone = counted(score(occurred_at=START, base_amount_minor=5, **leaves))
    lone.take_scores(series([alone]), 9)
    assert np.min([*lone.hours.values()]) == 0, (
        "what it takes out had expired before it was counted"
    )


def test_hours_that_a_state_no_longer_holds_are_left_out_of_reports_that_remember_them() -> None:
    """The reporter has read the hour; then a correction came for it that no state could take."""
    state, snapshot, control = CustomerState(customer_id="c-1"), Snapshot(), Control()
    for src in range(HOURLY_KEPT + 1):
        state.add(counted(score(src=src, occurred_at=START + src * HOUR_MS)))
        control.add_score(START + src * HOUR_MS, 1000)
        add(snapshot, state.record(0))
    before = report("HOURLY", snapshot, control, grace_ms=0, so_far=True)
    assert before is not None
    assert (before["windows"][0]["start_at"], before["is_reconciled"]) == (START, True)
    at = START + HOURLY_KEPT * HOUR_MS
    leaves = {"corrected_at": START, "corrected_amount_minor": 1000, "corrected_is_refund": False}
    state.add(counted(score(src=60, occurred_at=at, **leaves)))
    control.add_score(at, 1000)
    control.take_out(START, 1000)
    add(snapshot, state.record(0))
    for grain, start in (("HOURLY", START + HOUR_MS), ("DAILY", START)):
        found = report(grain, snapshot, control, grace_ms=0, so_far=True)
        assert found is not None
        assert (found["windows"][0]["start_at"], found["is_reconciled"]) == (start, True)
