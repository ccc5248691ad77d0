"""A correction whose hour has left a busy customer's history: which windows reports leave out then,
and which they keep.
"""

from typing import Any

from tests.support.builders import NOW_MS, counted, score
from tests.support.customer_state import CustomerState
from tests.support.snapshots import add

from riskstream.domain.risk.customer_risk import HOURLY_KEPT
from riskstream.reporter.core import Control, Snapshot, report
from riskstream.runtime.durations import DAY_MS, HOUR_MS

START, HOURS = NOW_MS // DAY_MS * DAY_MS, 60
QUIET = [f"c-{n}" for n in range(5)]


class _Book:
    """States of a busy customer and five quiet ones, the records of them that were written, and the
    reporter's control.
    """

    def __init__(self) -> None:
        self.states = {name: CustomerState(customer_id=name) for name in ["busy", *QUIET]}
        self.written: list[dict[str, Any]] = []
        self.control, self.src = Control(), -1

    def add(self, customer_id: str, hour: int, takes: int | None = None) -> None:
        """A score of 100 in that hour; `takes`: the hour of the one of 100 that it takes the place
        of.
        """
        self.src += 1
        left = None if takes is None else START + takes * HOUR_MS
        mine = score(
            src=self.src,
            prev=self.src - 1,
            customer_id=customer_id,
            occurred_at=START + hour * HOUR_MS,
            base_amount_minor=100,
            decision="APPROVE",
            corrected_at=left,
            corrected_amount_minor=left and 100,
            corrected_is_refund=False,
        )
        self.states[customer_id].add(counted(mine))
        self.written.append(self.states[customer_id].record(0))
        self.control.add_score(mine["occurred_at"], 100)
        if left is not None:
            self.control.take_out(left, 100)

    def hours(self, grain: str, records: list[dict[str, Any]]) -> list[int]:
        """Which hours after START the windows begin of a report of these records; each
        reconciles.
        """
        snapshot = Snapshot()
        for each in records:
            add(snapshot, each)
        found = report(grain, snapshot, self.control, grace_ms=0, so_far=True)
        assert found is not None
        assert found["is_reconciled"]
        return [(each["start_at"] - START) // HOUR_MS for each in found["windows"]]


def _filled() -> _Book:
    book = _Book()
    for hour in range(HOURS):
        book.add("busy", hour)
        book.add(QUIET[hour % len(QUIET)], hour)
    return book


def test_a_late_correction_hides_its_hour_and_all_before_of_every_customer() -> None:
    book = _filled()
    assert book.hours("HOURLY", book.written) == list(range(HOURS))
    book.add("busy", HOURS - 1, takes=5)
    assert book.hours("HOURLY", book.written) == list(range(6, HOURS)), (
        "hours 0 to 5 had 12 payments, of six customers"
    )
    book.add("busy", HOURS - 1, takes=3)
    assert book.hours("HOURLY", book.written) == list(range(6, HOURS)), "an older one hides no more"
    assert book.hours("DAILY", book.written) == [0, 24, 48], "the days hold both"


def test_it_hides_no_hour_that_the_history_still_holds() -> None:
    """So never one that a reporter shows which reads the compacted topic anew: that one begins
    where the history does.
    """
    book = _filled()
    oldest = HOURS - HOURLY_KEPT
    newest = list({each["customer_id"]: each for each in book.written}.values())
    assert book.hours("HOURLY", newest) == list(range(oldest, HOURS))
    book.add("busy", HOURS - 1, takes=oldest - 1)
    assert book.hours("HOURLY", book.written) == list(range(oldest, HOURS))
    book.add("busy", HOURS - 1, takes=oldest)
    assert book.hours("HOURLY", book.written) == list(range(oldest, HOURS)), (
        "this one is held, and mended"
    )
    newest = list({each["customer_id"]: each for each in book.written}.values())
    assert book.hours("HOURLY", newest) == list(range(oldest, HOURS))


def test_a_quiet_customers_correction_hides_nothing() -> None:
    book = _filled()
    book.add("c-0", HOURS - 1, takes=0)
    assert book.hours("HOURLY", book.written) == list(range(HOURS))
