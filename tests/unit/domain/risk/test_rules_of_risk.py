"""Decisions, reasons, evaluation and customers' windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from tests.support.builders import NOW_MS, counted, score
from tests.support.customer_state import CustomerState, History

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.customer_risk import HOURLY_KEPT
from riskstream.domain.risk.decision import APPROVE, BLOCK, REVIEW, decide
from riskstream.domain.risk.evaluation import at_budget, average_precision
from riskstream.runtime.durations import DAY_MS, HOUR_MS


def test_thresholds_are_reached_from_below() -> None:
    scores = np.array([0.0, 0.499, 0.5, 0.899, 0.9, 1.0], np.float32)
    assert decide(scores, 0.5, 0.9).tolist() == [APPROVE, APPROVE, REVIEW, REVIEW, BLOCK, BLOCK]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=60))
def test_average_precision_equals_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    labels, scores = (
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows], np.float64),
    )
    if labels.any():
        assert average_precision(labels, scores) == pytest.approx(
            average_precision_score(labels, scores), abs=1e-12
        )
    else:
        assert np.isnan(average_precision(labels, scores))


def test_the_budget_is_a_share_of_the_rows() -> None:
    labels = np.array([True, False, True, False, False, False, False, False, False, False])
    precision, recall, alerted = at_budget(labels, np.arange(10, 0, -1.0), 0.2)
    assert (precision, recall) == (0.5, 0.5)
    assert alerted.tolist() == [True, True] + [False] * 8


def test_a_history_keeps_the_newest_tiles_that_are_not_empty() -> None:
    history = History(HOUR_MS, HOURLY_KEPT)
    for hour in range(60):
        history.add(hour * 2 * HOUR_MS + 5, (1, 10, 0, 0, 0, 0, 0, 0, 0, 0))
    starts = [record["start_at"] for record in history.records()]
    assert starts == [hour * 2 * HOUR_MS for hour in range(12, 60)]
    assert history.evicts(60 * 2 * HOUR_MS)
    assert not history.evicts(59 * 2 * HOUR_MS)
    history.add(0, (1, 10, 0, 0, 0, 0, 0, 0, 0, 0))
    assert [record["start_at"] for record in history.records()] == starts


def test_a_state_survives_its_record() -> None:
    state = CustomerState(customer_id="c-1")
    for index in range(5):
        state.add(
            counted(
                score(src=index, occurred_at=NOW_MS + index * DAY_MS, decision="BLOCK", score=0.5)
            )
        )
    record = state.record(3)
    assert codec("customer-risk.v1").decode(codec("customer-risk.v1").encode(record)) == record
    assert CustomerState.of(record).record(3) == record
    assert sum(tile["blocked"] for tile in record["daily"]) == 5
    assert record["daily"][0]["alert_amount_minor"] == 1000
