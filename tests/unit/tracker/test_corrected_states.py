"""Customers' states where scores say that a record leaves: windows are as if it had never been in
them.
"""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS, counted, score
from tests.support.customer_state import FIELDS, CustomerState

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.customer_risk import HOURLY_KEPT
from riskstream.platform.kafka.record import Output, Record, one_by_one
from riskstream.platform.telemetry.metrics import TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.tracker.core import TrackerCore
from riskstream.tracker.outputs import ALERTS, STATE

START = NOW_MS // DAY_MS * DAY_MS
NET = ("transactions", "amount_minor", "refunds", "refund_amount_minor")


def _scored(
    src: int, at: int, amount: int, *, takes: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """A score that takes `takes`, an earlier one, or itself where it is its own, out of the
    sums.
    """
    of = takes or {}
    said = {
        "corrected_at": of.get("occurred_at"),
        "corrected_amount_minor": of.get("base_amount_minor"),
        "corrected_is_refund": of.get("kind") == "REFUND",
    }
    return score(
        src=src,
        prev=src - 1,
        transaction_id=f"t-{src}",
        occurred_at=at,
        base_amount_minor=amount,
        **said,
        **changes,
    )


def _tile(state: CustomerState, start: int) -> dict[str, int]:
    return next(each for each in state.record(0)["hourly"] if each["start_at"] == start)


@given(st.integers(0, 2**32), st.integers(1, 80))
@settings(max_examples=60, deadline=None)
def test_windows_are_those_of_the_records_that_stay(seed: int, count: int) -> None:
    rng = random.Random(seed)
    state, alerts = CustomerState(customer_id="c"), 0
    kept: list[dict[str, Any]] = []
    left: list[dict[str, Any]] = []
    for src in range(count):
        mine = _scored(
            src,
            START + rng.randrange(40) * HOUR_MS,
            rng.randrange(1000),
            kind=rng.choice(["CASH", "REFUND"]),
            decision=rng.choice(["APPROVE", "BLOCK"]),
        )
        takes = rng.choice([None, mine, *kept[-3:]])
        if takes is not None:
            mine = _scored(
                src,
                mine["occurred_at"],
                mine["base_amount_minor"],
                takes=takes,
                kind=mine["kind"],
                decision=mine["decision"],
            )
        kept.append(mine)
        if takes is not None:
            left.append(mine if takes["src"] == src else takes)
            kept.remove(left[-1])
        alerts += mine["decision"] == "BLOCK"
        state.add(counted(mine))
        if rng.random() < 0.2:
            state = CustomerState.of(state.record(0))
    for grain, width in (("hourly", HOUR_MS), ("daily", DAY_MS)):
        tiles = {each["start_at"]: each for each in state.record(0)[grain]}
        starts = {each["occurred_at"] // width * width for each in (*kept, *left)}
        assert tiles.keys() == starts
        for start in starts:
            stay = [each for each in kept if each["occurred_at"] // width * width == start]
            gone = [each for each in left if each["occurred_at"] // width * width == start]
            spent = [each["base_amount_minor"] for each in stay if each["kind"] != "REFUND"]
            back = [each["base_amount_minor"] for each in stay if each["kind"] == "REFUND"]
            assert [tiles[start][name] for name in NET] == [
                len(spent),
                sum(spent),
                len(back),
                sum(back),
            ]
            assert tiles[start]["corrected"] == len(gone)
            assert tiles[start]["corrected_amount_minor"] == sum(
                each["base_amount_minor"] for each in gone
            )
        assert sum(each["alerts"] for each in tiles.values()) == alerts, (
            "an alert was raised, whatever came after it"
        )
    assert (state.hourly.lacks_before, state.daily.lacks_before) == (0, 0)


def test_what_a_state_does_not_hold_leaves_nothing_below_zero_and_is_said() -> None:
    """The original was lost with an older state: its hour stands at what came since, or is not
    there.
    """
    state = CustomerState(customer_id="c")
    original = _scored(0, START, 900)
    state.add(counted(_scored(1, START + HOUR_MS, 50, takes=original)))
    assert [each["start_at"] for each in state.record(0)["hourly"]] == [START + HOUR_MS]
    assert (state.hourly.lacks_before, state.daily.lacks_before) == (
        START + HOUR_MS,
        START + DAY_MS,
    )
    other = CustomerState(customer_id="c")
    other.add(counted(_scored(1, START, 50, takes=original)))
    assert min(_tile(other, START)[name] for name in FIELDS) == 0
    assert other.hourly.lacks_before == START + HOUR_MS


def test_what_comes_after_its_hour_has_left_makes_no_hour_and_is_said() -> None:
    state = CustomerState(customer_id="c")
    scores = [_scored(src, START + src * HOUR_MS, 100) for src in range(HOURLY_KEPT + 2)]
    for each in scores:
        state.add(counted(each))
    before = state.record(0)["hourly"]
    assert state.hourly.lacks_before == 0
    state.add(counted(_scored(60, START + 40 * HOUR_MS, 70, takes=scores[0])))
    assert [each["start_at"] for each in state.record(0)["hourly"]] == [
        each["start_at"] for each in before
    ]
    assert state.hourly.lacks_before == START + HOUR_MS
    state.add(counted(_scored(61, START + HOUR_MS, 70)))
    assert state.hourly.lacks_before == START + 2 * HOUR_MS, "a late score is left out as well"
    assert CustomerState.of(state.record(0)).record(0) == state.record(0)
    daily = state.record(0)["daily"]
    assert daily[0]["transactions"] == 24, (
        "one of 24 was taken out, and a late one came: the day holds both"
    )
    assert state.daily.lacks_before == 0


def test_an_hour_is_written_with_what_left_it_before_it_leaves() -> None:
    core = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, None)
    core.restore(0, [])
    scores = [
        _scored(src, START + src * HOUR_MS, 100, decision="REVIEW") for src in range(HOURLY_KEPT)
    ]
    taken = _taken(core, scores)
    list(one_by_one(core.flush(0)))
    corrections = [
        _scored(HOURLY_KEPT, START + HOUR_MS, 30, takes=scores[0]),
        _scored(99, START + 60 * HOUR_MS, 1),
    ]
    corrections[1]["prev"] = HOURLY_KEPT
    taken += _taken(core, corrections)
    assert sum(each.topic == ALERTS for each in taken) == HOURLY_KEPT, (
        "what was corrected had been alerted on"
    )
    [written] = [codec(STATE).decode(each.value) for each in taken if each.topic == STATE]
    first = written["hourly"][0]
    assert (first["start_at"], first["transactions"], first["amount_minor"]) == (START, 0, 0)
    assert (first["alerts"], first["corrected"], first["corrected_amount_minor"]) == (1, 1, 100)


def _taken(core: TrackerCore, scores: list[dict[str, Any]]) -> list[Output]:
    values = [codec("score.v1").encode(each) for each in scores]
    made = core.take(
        0,
        [
            Record(
                topic="scores.v1",
                headers=[],
                partition=0,
                offset=each["src"],
                key=b"c-1",
                value=value,
                appended_at=NOW_MS,
            )
            for each, value in zip(scores, values, strict=True)
        ],
        committed=0,
    )
    return list(one_by_one(made))
