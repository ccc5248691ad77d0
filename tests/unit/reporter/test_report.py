"""The report's numbers, and the same bytes for the same snapshot."""

import re
from pathlib import Path
from typing import Any

from tests.support.builders import counted, score
from tests.support.customer_state import CustomerState
from tests.support.snapshots import add, erase, rows_of

from riskstream.domain.risk.customer_risk import HOURLY_KEPT
from riskstream.reporter.core import Control, Snapshot, report
from riskstream.reporter.page import page
from riskstream.reporter.write import prune, write_report
from riskstream.runtime.durations import DAY_MS, HOUR_MS

START = 1_717_200_000_000 // DAY_MS * DAY_MS


def _world(days: int = 3, customers: tuple[str, ...] = ("a", "b")) -> tuple[Snapshot, Control]:
    snapshot, control = Snapshot(), Control()
    for customer in customers:
        state = CustomerState(customer_id=customer)
        for index in range(days * 4):
            at = START + index * 6 * HOUR_MS
            decision = "BLOCK" if index % 5 == 0 else "APPROVE"
            state.add(
                counted(
                    score(src=index, customer_id=customer, occurred_at=at, decision=decision),
                    START + index,
                )
            )
            control.add_score(at, 1000)
            if decision == "BLOCK":
                control.add_alert(at, True)
            add(snapshot, state.record(0))
    return snapshot, control


def _report(snapshot: Snapshot, control: Control, **changes: Any) -> dict[str, Any]:
    found = report("DAILY", snapshot, control, **{"grace_ms": 0, "so_far": True, **changes})
    assert found is not None
    return found


def test_totals_equal_the_control_and_the_sum_of_windows() -> None:
    found = _report(*_world())
    assert found["is_reconciled"]
    assert found["totals"] == {
        "transactions": 24,
        "amount_minor": 24_000,
        "alerts": 6,
        "blocked": 6,
        "alert_amount_minor": 6000,
        "refunds": 0,
        "refund_amount_minor": 0,
        "corrected": 0,
        "corrected_amount_minor": 0,
    }
    assert len(found["windows"]) == 3
    assert found["customers"] == 2
    assert found["top_customers"][0]["alert_amount_minor"] == 3000


def test_a_score_that_no_state_holds_shows_as_a_difference_in_its_window() -> None:
    snapshot, control = _world()
    control.add_score(START + 5, 70)
    found = _report(snapshot, control)
    assert not found["is_reconciled"]
    assert [window["is_reconciled"] for window in found["windows"]] == [False, True, True]
    assert "Not reconciled" in page(found)


def test_a_customer_with_states_in_two_partitions_is_counted_once_with_the_sums_of_both() -> None:
    snapshot, control = _world(days=1)
    misplaced = CustomerState(customer_id="a")
    for src, at in enumerate((START, START + DAY_MS)):
        misplaced.add(
            counted(score(src=src, customer_id="a", occurred_at=at, decision="BLOCK"), START)
        )
        control.add_score(at, 1000)
        control.add_alert(at, True)
    add(snapshot, misplaced.record(3))
    found = _report(snapshot, control)
    assert found["is_reconciled"]
    assert [window["customers"] for window in found["windows"]] == [2, 1]
    assert (found["customers"], found["totals"]["transactions"], found["totals"]["alerts"]) == (
        2,
        10,
        4,
    )
    table = rows_of("DAILY", snapshot, [START, START + DAY_MS])
    assert [(row["customer_id"], row["transactions"]) for row in table] == [
        ("a", 5),
        ("a", 1),
        ("b", 4),
    ]


def test_open_windows_are_left_out_unless_asked_for() -> None:
    snapshot, control = _world()
    found = _report(snapshot, control, so_far=False)
    assert len(found["windows"]) == 2
    assert found["is_complete"]
    assert not _report(snapshot, control)["is_complete"]
    assert report("DAILY", Snapshot(), Control(), grace_ms=0, so_far=True) is None


def test_tiles_that_left_the_newest_record_are_kept_from_an_older_one() -> None:
    snapshot, control = _world(days=20)  # 80 hours that are not empty, 48 are kept
    found = report("HOURLY", snapshot, control, grace_ms=0, so_far=True)
    assert found is not None
    assert found["is_reconciled"]
    assert len(found["windows"]) == 80


def test_the_same_snapshot_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        snapshot, control = _world()
        write_report(tmp_path / name, _report(snapshot, control), snapshot)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert sorted(path.suffix for path in (tmp_path / "one").iterdir()) == [
        ".html",
        ".json",
        ".parquet",
    ]


def test_the_page_stands_alone_and_escapes_names() -> None:
    snapshot, control = _world(customers=("<script>x", "b"))
    text = page(_report(snapshot, control))
    assert "<script" not in text
    assert "&lt;script&gt;x" in text
    assert "http" not in text
    assert text.count("<rect") == 9


def test_windows_that_a_full_history_no_longer_holds_are_left_out() -> None:
    """As a reporter sees it that starts after compaction: the newest record of a busy customer
    alone is left.
    """
    snapshot, control = Snapshot(), Control()
    busy, quiet = CustomerState(customer_id="busy"), CustomerState(customer_id="quiet")
    for index in range(HOURLY_KEPT + 5):
        busy.add(
            counted(
                score(src=index, customer_id="busy", occurred_at=START + index * HOUR_MS), START
            )
        )
        control.add_score(START + index * HOUR_MS, 1000)
    quiet.add(counted(score(src=90, customer_id="quiet", occurred_at=START + 2 * HOUR_MS), START))
    quiet.add(counted(score(src=91, customer_id="quiet", occurred_at=START + 40 * HOUR_MS), START))
    for at in (2, 40):
        control.add_score(START + at * HOUR_MS, 1000)
    for state in (busy, quiet):
        add(snapshot, state.record(0))
    found = report("HOURLY", snapshot, control, grace_ms=0, so_far=True)
    assert found is not None
    assert found["windows"][0]["start_at"] == START + 5 * HOUR_MS
    assert found["is_reconciled"]
    assert "are left out" in page(found)


def test_an_idle_partition_is_not_waited_for_unless_all_are() -> None:
    snapshot, control = _world()
    idle = CustomerState(customer_id="c")
    idle.add(counted(score(src=0, customer_id="c", occurred_at=START), START))
    control.add_score(START, 1000)
    add(snapshot, idle.record(1))
    assert report("DAILY", snapshot, control, grace_ms=0, so_far=False) is None
    snapshot.idle = {1}
    found = _report(snapshot, control, so_far=False)
    assert (len(found["windows"]), found["is_reconciled"]) == (2, True)
    snapshot.idle = {0, 1}
    assert len(_report(snapshot, control, so_far=False)["windows"]) == 2


def test_reports_are_pruned_and_what_is_none_stays(tmp_path: Path) -> None:
    snapshot, control = _world()
    record = write_report(tmp_path, _report(snapshot, control), snapshot)
    older = tmp_path / "daily-20200101T000000Z.json"
    mine = tmp_path / "daily-notes.json"
    for path in (older, mine):
        path.write_text("{}")
    prune(tmp_path, "DAILY", 0)
    assert older.exists()
    prune(tmp_path, "DAILY", 1)
    assert not older.exists()
    assert mine.exists()
    assert (tmp_path / record["json_path"]).stat().st_mode & 0o777 == 0o600


def test_an_erased_customer_is_in_the_totals_and_named_nowhere() -> None:
    snapshot, control = _world()
    before = _report(snapshot, control)
    erase(snapshot, "a", 0)
    erase(snapshot, "nobody", 0)
    found = _report(snapshot, control)
    assert found["is_reconciled"]
    assert found["totals"] == before["totals"]
    table = rows_of("DAILY", snapshot, [window["start_at"] for window in found["windows"]])
    assert {row["customer_id"] for row in table} == {"(erased)", "b"}


def test_a_chart_s_axis_says_what_stands_at_its_lines() -> None:
    found = _report(*_world(days=1))
    for alerts, labels in (
        (5, ("0", "2.5", "5")),
        (1, ("0", "0.5", "1")),
        (31_000, ("0", "20,000", "40,000")),
    ):
        found["windows"][0]["alerts"] = alerts
        text = page(found)
        chart = text[text.index("<figcaption>Alerts") :]
        assert tuple(re.findall(r'text-anchor="end">([^<]*)<', chart)[:3]) == labels
