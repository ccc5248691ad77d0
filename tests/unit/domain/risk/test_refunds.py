"""Refunds: they are no spending, in windows, profiles, customers' states and reports, and are shown
as what they are.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import NOW_MS, counted, score
from tests.support.customer_state import CustomerState
from tests.support.profile_log import T0, event, taken, vector
from tests.support.snapshots import add
from tests.support.stream import Stream
from tests.support.vectors import column

from riskstream.domain.risk.features.declare import (
    CUSTOMER,
    EVERY_KIND,
    SPENDING,
    Aggregate,
    Feature,
    FeatureSet,
    Kind,
)
from riskstream.domain.risk.features.owned.row_kernel import PLAIN_VERSION, ROW_VERSION
from riskstream.domain.risk.features.sets import SETS, set_of
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_TILES
from riskstream.reporter.core import Control, Snapshot, report
from riskstream.reporter.page import page
from riskstream.runtime.durations import HOUR_MS

WINDOWS = (1000, 10_000, 100_000)
SPENT = FeatureSet(
    name="spent",
    version=1,
    inputs=(),
    features=(
        *(
            Feature(
                name=f"{kind.name}_{w}",
                entity=CUSTOMER,
                aggregate=kind,
                window_ms=w,
                reason="R",
                kinds=SPENDING,
            )
            for w in WINDOWS
            for kind in (Aggregate.COUNT, Aggregate.SUM, Aggregate.MEAN, Aggregate.OVER_MEAN)
        ),
        Feature(
            name="since", entity=CUSTOMER, aggregate=Aggregate.SINCE_LAST, window_ms=0, reason="R"
        ),
    ),
)
EVENT = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, 300_000),
    st.integers(0, 10**13),
    st.sampled_from([Kind.PURCHASE, Kind.REFUND]),
)


def _expected(past: list[tuple[int, int, Kind]], own: tuple[int, int, Kind]) -> list[float]:
    """Plain computation: every event so far, its own last."""
    at, amount, kind = own
    newest = max(each[0] for each in past)
    kept = [each for each in past if each[0] > newest - WINDOWS[-1] and each[0] <= at]
    is_kept = at > newest - WINDOWS[-1]
    others = kept[:-1] if is_kept else kept
    out: list[float] = []
    for window in WINDOWS:
        beside = [a for t, a, k in others if k is not Kind.REFUND and t > at - window]
        mine = [] if kind is Kind.REFUND else [amount]
        total = beside + mine
        out += [
            len(total),
            sum(total),
            sum(total) / len(total) if total else np.nan,
            amount * len(beside) / sum(beside) if sum(beside) else np.nan,
        ]
    before = [t for t, _, _ in others]
    return [*out, (at - max(before)) / 1000 if before else np.nan]


@settings(max_examples=150, deadline=None)
@given(
    events=st.lists(EVENT, min_size=1, max_size=80), cut=st.integers(1, 40), turn=st.integers(0, 80)
)
def test_windows_leave_refunds_out_and_the_time_since_the_last_event_does_not(
    events: list[Any], cut: int, turn: int
) -> None:
    stream = Stream(SPENT)
    seen: dict[str, list[Any]] = {}
    for start in range(0, len(events), cut):
        if start <= turn < start + cut and start:
            stream = stream.packed_and_loaded()
        part = events[start : start + cut]
        named = [
            (key, at, amount, str(start + index)) for index, (key, at, amount, _) in enumerate(part)
        ]
        _, out = stream.apply(named, kinds=[kind for *_, kind in part])
        for index, (key, *own) in enumerate(part):
            mine = seen.setdefault(key, [])
            mine.append(tuple(own))
            np.testing.assert_array_equal(
                out[index], np.array(_expected(mine, mine[-1]), np.float32)
            )


@pytest.mark.parametrize("features", [STANDARD, STANDARD_TILES], ids=lambda each: each.name)
def test_a_refund_neither_raises_nor_lowers_what_was_spent(features: FeatureSet) -> None:
    stream = Stream(features)
    events = [
        ("a", NOW_MS, 1000, "paid"),
        ("a", NOW_MS + 5000, 900, "back"),
        ("a", NOW_MS + 9000, 500, "again"),
    ]
    _, out = stream.apply(events, kinds=[Kind.PURCHASE, Kind.REFUND, Kind.CASH])
    for window in ("10m", "1h", "1d", "7d", "30d"):
        counts, sums = (
            column(features, out, f"customer_{kind}_{window}") for kind in ("count", "sum")
        )
        assert (counts.tolist(), sums.tolist()) == ([1, 1, 2], [1000, 1000, 1500])
    assert column(features, out, "customer_amount_over_mean_30d")[1] == np.float32(0.9)
    assert column(features, out, "customer_seconds_since_last").tolist()[1:] == [5, 4], (
        "a refund was seen"
    )


def test_a_key_past_its_ring_leaves_refunds_out_of_its_tiles_as_well() -> None:
    stream = Stream(SPENT)
    events = [("a", index * 20, 100, str(index)) for index in range(3000)]
    _, out = stream.apply(
        events, kinds=[Kind.REFUND if index % 3 == 0 else Kind.CASH for index in range(3000)]
    )
    sums, counts = (column(SPENT, out, f"{kind}_{WINDOWS[-1]}") for kind in ("SUM", "COUNT"))
    assert (sums == 100 * counts).all()
    assert 2000 <= counts[-1] <= 2000 + 2 * 100_000 // 64 // 20


def test_rows_of_before_are_read_and_all_that_they_hold_counts() -> None:
    stream = Stream(SPENT)
    stream.apply([("a", 10, 5, "x"), ("a", 20, 7, "y")])
    row = np.frombuffer(stream.table.pack(stream.table.changed_slots(0))[0], np.int64).copy()
    row[0] += PLAIN_VERSION - ROW_VERSION
    row[6:10] = [10, 20, 5, 7]
    again = Stream(SPENT)
    again.apply([("a", 0, 0, "z")])
    assert again.table.load(0, row.tobytes())
    again.offset = 10
    _, out = again.apply([("a", 30, 9, "r"), ("a", 40, 1, "p")], kinds=[Kind.REFUND, Kind.PURCHASE])
    counts, sums = (column(SPENT, out, f"{kind}_{WINDOWS[-1]}") for kind in ("COUNT", "SUM"))
    assert (counts.tolist(), sums.tolist()) == ([2, 3], [12, 13])


def test_the_set_of_before_counts_as_it_did_and_keeps_its_label() -> None:
    assert (STANDARD.label, SETS["standard"]) == ("standard.v2", STANDARD)
    before = set_of("standard.v1")
    assert before is not None
    assert (before.names, before.counted) == (STANDARD.names, EVERY_KIND)
    _, out = Stream(before).apply(
        [("a", 1, 1000, "x"), ("a", 2, 900, "y")], kinds=[Kind.PURCHASE, Kind.REFUND]
    )
    assert column(before, out, "customer_sum_1d")[1] == 1900
    assert SETS["handbook"].counted == EVERY_KIND, "the public book's columns do not move"


def test_features_of_one_entity_count_the_same_kinds() -> None:
    other = replace(SPENT.features[0], name="other", kinds=EVERY_KIND)
    with pytest.raises(
        ValueError, match="other counts other kinds than another feature of customer"
    ):
        replace(SPENT, features=(*SPENT.features, other))


def test_a_profile_leaves_refunds_out_and_its_clock_goes_on() -> None:
    log = taken(
        event(1),
        event(2, transaction_kind="REFUND"),
        event(3, transaction_kind="CASH", amount_minor=500),
    )
    found = vector(log, T0 + HOUR_MS)
    assert (found["terminal_count_1d"], found["terminal_mean_7d"]) == (2, 300)
    assert taken(event(1), event(600, transaction_kind="REFUND")).clock_ms == T0 + 600 * 60_000


def test_states_and_reports_show_refunds_beside_what_was_spent() -> None:
    state, snapshot, control = CustomerState(customer_id="a"), Snapshot(), Control()
    at = NOW_MS // HOUR_MS * HOUR_MS
    for src, (kind, amount) in enumerate([("PURCHASE", 1000), ("REFUND", 400), ("CASH", 50)]):
        decision = "BLOCK" if kind == "REFUND" else "APPROVE"
        said = score(
            src=src, kind=kind, base_amount_minor=amount, occurred_at=at, decision=decision
        )
        state.add(counted(said, at))
        control.add_score(at, amount, is_refund=kind == "REFUND")
    control.add_alert(at, True)
    add(snapshot, state.record(0))
    found = report("HOURLY", snapshot, control, grace_ms=0, so_far=True)
    assert found is not None
    assert found["is_reconciled"]
    assert found["totals"] == {
        "transactions": 2,
        "amount_minor": 1050,
        "alerts": 1,
        "blocked": 1,
        "alert_amount_minor": 0,
        "refunds": 1,
        "refund_amount_minor": 400,
        "corrected": 0,
        "corrected_amount_minor": 0,
    }
    assert "4.00</b><span>refunded, EUR, by 1 refunds" in page(found)
