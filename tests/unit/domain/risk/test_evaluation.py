"""Figures of ranking against scikit-learn and against plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from riskstream.domain.risk.evaluation import (
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
