"""Two scores of the same rows: paired differences, changed decisions, and money."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from riskstream.domain.risk.decision import APPROVE, BLOCK, REVIEW
from riskstream.workbench.checks.compare import (
    BETTER,
    EQUAL,
    NEITHER,
    UNCLEAR,
    WORSE,
    changes,
    compare,
)
from riskstream.workbench.checks.evaluate import evaluate
from riskstream.workbench.checks.scored import Scored

DAY = 86_400_000


def _scored(score: NDArray[np.float64], **changed: Any) -> Scored:
    rng = np.random.default_rng(0)
    n = len(score)
    data = Scored(
        score=score,
        label=rng.random(n) < 0.1,
        alerted=score > 0.8,
        customer=rng.integers(0, n // 8 + 1, n).astype(np.int32),
        occurred_at=np.sort(rng.integers(0, 5 * DAY, n)),
        amount_minor=rng.integers(100, 10_000, n),
        base_currency="EUR",
    )
    return replace(data, **changed)


def _pair(noise: float) -> tuple[Scored, Scored]:
    """Scores that know the label, and the same with noise."""
    n = 4000
    rng = np.random.default_rng(1)
    label = _scored(np.zeros(n)).label
    good = np.clip(0.3 * rng.random(n) + 0.6 * label * rng.random(n), 0, 1)
    bad = np.clip(good + noise * rng.normal(0, 0.2, n), 0, 1)
    return (
        _scored(bad, alerted=bad > 0.35),
        _scored(good, alerted=good > 0.35),
    )


def test_a_better_model_is_better_in_each_figure_that_ranks() -> None:
    a, b = _pair(noise=1.0)
    found = compare(a, b, 400)["figures"]
    for name in ("auc", "average_precision", "precision"):
        low, high = found[name]["difference_interval"]
        assert 0 < low < found[name]["difference"] < high, name
        assert found[name]["b_is"] == BETTER
    assert (found["brier"]["b_is"], found["stopped_minor"]["b_is"]) == (BETTER, BETTER)
    assert found["brier"]["difference"] < 0
    back = compare(b, a, 400)["figures"]
    assert back["auc"]["b_is"] == WORSE
    assert back["auc"]["difference"] == -found["auc"]["difference"]


def test_figures_are_those_of_evaluate_with_their_intervals() -> None:
    a, b = _pair(noise=0.2)
    found = compare(a, b, 200)
    for place, data in (("a", a), ("b", b)):
        alone = evaluate(data, 200)
        for name, each in found["figures"].items():
            assert each[place] == alone[name]
            assert each[f"{place}_interval"] == alone.get(f"{name}_interval")


def test_differences_are_paired() -> None:
    """Nearly equal scores differ by far less than either is uncertain."""
    a, b = _pair(noise=0.05)
    auc = compare(a, b, 400)["figures"]["auc"]
    low, high = auc["difference_interval"]
    assert high - low < (auc["a_interval"][1] - auc["a_interval"][0]) / 4


def test_a_difference_that_may_be_luck_is_not_clear() -> None:
    a, _ = _pair(noise=0.5)
    rng = np.random.default_rng(5)
    other = np.clip(a.score + rng.normal(0, 0.001, len(a.score)), 0, 1)
    auc = compare(a, replace(a, score=other), 400)["figures"]["auc"]
    assert auc["difference"] != 0
    assert auc["difference_interval"][0] < 0 < auc["difference_interval"][1]
    assert auc["b_is"] == UNCLEAR


def test_a_model_does_not_differ_from_itself() -> None:
    a, _ = _pair(noise=0.5)
    found = compare(a, a, 200)
    assert {each["difference"] for each in found["figures"].values()} == {0}
    assert {each["b_is"] for each in found["figures"].values()} == {EQUAL, NEITHER}
    assert found["decisions"] == []


def test_decisions_that_change_have_their_frauds_and_money() -> None:
    n = 6
    label = np.array([True, False, True, False, False, True])
    amount = np.array([1, 2, 4, 8, 16, 32])
    before = np.array([APPROVE, APPROVE, REVIEW, BLOCK, APPROVE, APPROVE])
    after = np.array([REVIEW, REVIEW, REVIEW, APPROVE, APPROVE, BLOCK])
    a, b = (
        _scored(
            np.zeros(n),
            label=label,
            amount_minor=amount,
            customer=np.zeros(n, np.int32),
            decision=each,
            alerted=each != APPROVE,
        )
        for each in (before, after)
    )
    assert [tuple(each.values()) for each in changes(a, b)] == [
        ("APPROVE", "REVIEW", 2, 1, 1, 2),
        ("APPROVE", "BLOCK", 1, 1, 32, 0),
        ("BLOCK", "APPROVE", 1, 0, 0, 8),
    ]
    assert [tuple(each.values()) for each in changes(a, replace(b, decision=None))] == [
        ("not alerted", "alerted", 3, 2, 33, 2),
        ("alerted", "not alerted", 1, 0, 0, 8),
    ]


def test_labels_of_one_class_leave_the_differences_that_need_one() -> None:
    a, b = (replace(each, label=np.zeros(4000, np.bool_)) for each in _pair(noise=0.5))
    found = compare(a, b, 200)
    auc = found["figures"]["auc"]
    assert (auc["a"], auc["difference"], auc["difference_interval"]) == (None, None, None)
    assert found["figures"]["stopped_minor"]["difference_interval"] is not None
    assert found["notes"][0].startswith("A: All labels are genuine.")


def test_rows_that_are_not_the_same_are_no_pair() -> None:
    a, b = _pair(noise=0.5)
    with pytest.raises(ValueError, match="the rows differ in amount_minor"):
        compare(a, replace(b, amount_minor=b.amount_minor + 1), 200)
