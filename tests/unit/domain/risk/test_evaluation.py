"""Figures of ranking against scikit-learn and against plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from riskstream.domain.risk.evaluation import (
    at_budget,
    average_precision,
    calibration,
    card_precision,
    roc_auc,
)

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_auc_and_average_precision_equal_scikit_learns_ties_and_all(
    rows: list[tuple[bool, int]],
) -> None:
    labels = np.array([label for label, _ in rows])
    scores = np.array([score / 9 for _, score in rows])
    assert roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(labels, scores) == pytest.approx(
        average_precision_score(labels, scores), abs=1e-12
    )


@pytest.mark.parametrize("values", [2, 7, 100])
def test_many_ties_are_exact(values: int) -> None:
    rng = np.random.default_rng(values)
    labels, scores = rng.random(20_000) < 0.01, rng.integers(0, values, 20_000) / values
    assert roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(labels, scores) == pytest.approx(
        average_precision_score(labels, scores), abs=1e-12
    )


@pytest.mark.parametrize("score", [0.0, 0.3, float("inf")])
def test_no_signal_is_a_coin_and_the_share_of_frauds(score: float) -> None:
    labels, scores = np.arange(10) < 3, np.full(10, score)
    assert roc_auc(labels, scores) == 0.5
    assert average_precision(labels, scores) == pytest.approx(0.3, abs=1e-15)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), values=st.integers(1, 12))
def test_no_figure_depends_on_the_order_of_rows_with_equal_scores(seed: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    n = 90
    labels, scores = rng.random(n) < 0.3, rng.integers(0, values, n) / values
    cards, days = rng.integers(0, 30, n), np.sort(rng.integers(0, 3, n))
    names = rng.permutation(30)
    order = rng.permutation(n)
    assert calibration(labels[order], scores[order])[0] == pytest.approx(
        calibration(labels, scores)[0]
    )
    assert at_budget(labels, scores, 0.1)[:2] == at_budget(labels[order], scores[order], 0.1)[:2]
    assert card_precision(
        labels[order], scores[order], names[cards[order]], days[order], 5
    ) == pytest.approx(card_precision(labels, scores, cards, days, 5))


def test_scores_that_are_tied_at_the_budgets_edge_are_alerted_together() -> None:
    labels = np.array([True, False, False, True, False])
    precision, recall, alerted = at_budget(labels, np.array([0.9, 0.5, 0.1, 0.5, 0.5]), 0.4)
    assert alerted.tolist() == [True, True, False, True, True]
    assert (precision, recall) == (0.5, 1.0)


def test_cards_tied_for_the_last_places_count_by_their_share() -> None:
    labels, cards = np.array([True, True, False, False]), np.arange(4)
    scores, days = np.array([0.9, 0.5, 0.5, 0.5]), np.zeros(4, np.int64)
    assert card_precision(labels, scores, cards, days, 2) == pytest.approx((1 + 1 / 3) / 2)


def test_without_frauds_there_is_no_auc() -> None:
    assert np.isnan(roc_auc(np.zeros(3, np.bool_), np.arange(3.0)))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), top=st.integers(1, 5))
def test_card_precision_equals_a_plain_count(seed: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    n = 80
    days, cards = np.sort(rng.integers(0, 4, n)), rng.integers(0, 12, n)
    labels, scores = rng.random(n) < 0.2, rng.permutation(n) / n
    found: set[int] = set()
    shares = []
    for day in sorted(set(days.tolist())):
        best: dict[int, float] = {}
        bad = set()
        for at in range(n):
            if days[at] == day and int(cards[at]) not in found:
                best[int(cards[at])] = max(best.get(int(cards[at]), -1.0), float(scores[at]))
                if labels[at]:
                    bad.add(int(cards[at]))
        looked_at = sorted(best, key=lambda card: -best[card])[:top]
        shares.append(len([card for card in looked_at if card in bad]) / top)
        found |= {card for card in looked_at if card in bad}
    assert card_precision(labels, scores, cards, days, top) == pytest.approx(np.mean(shares))


def test_calibration_is_perfect_where_scores_are_the_shares() -> None:
    scores = np.repeat([0.0, 0.5, 1.0], 100)
    labels = np.concatenate([np.zeros(100), np.tile([0, 1], 50), np.ones(100)]).astype(np.bool_)
    error, bins = calibration(labels, scores, 3)
    assert error == pytest.approx(0)
    assert [(each.rows, each.fraud_rate) for each in bins] == [(100, 0.0), (100, 0.5), (100, 1.0)]
    assert calibration(~labels, scores, 3)[0] == pytest.approx(2 / 3)
