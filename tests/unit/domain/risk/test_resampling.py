"""Intervals by the bootstrap over customers: the weighted figures, the draws, and how often an
interval holds the truth.
"""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from riskstream.domain.risk.evaluation import card_precision
from riskstream.domain.risk.resample_kernel import (
    draw_kernel,
    rank_kernel,
    sums_kernel,
    top_kernel,
)
from riskstream.domain.risk.resampling import (
    LANES,
    Ranking,
    Sums,
    TopCards,
    few_share,
    interval,
    resampled,
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), values=st.integers(1, 30))
def test_weighted_rankings_equal_scikit_learns_of_repeated_rows(seed: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    n, customers = 120, 15
    label, score = rng.random(n) < 0.3, rng.integers(0, values, n) / values
    customer = rng.integers(0, customers, n).astype(np.int32)
    counts = rng.integers(0, 4, (customers, 5)).astype(np.uint8)
    found = Ranking(label, score, customer).of(counts)
    for resample in range(5):
        rows = np.repeat(np.arange(n), counts[customer, resample])
        if len(set(label[rows].tolist())) == 2:
            assert found[:, resample] == pytest.approx(
                [
                    roc_auc_score(label[rows], score[rows]),
                    average_precision_score(label[rows], score[rows]),
                ],
                abs=1e-12,
            )
        else:
            assert np.isnan(found[:, resample]).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), top=st.integers(1, 12), values=st.integers(1, 30))
def test_weighted_card_precision_equals_that_of_repeated_customers(
    seed: int, top: int, values: int
) -> None:
    rng = np.random.default_rng(seed)
    n, customers = 150, 20
    label, score = rng.random(n) < 0.2, rng.integers(0, values, n) / values
    customer = rng.integers(0, customers, n).astype(np.int32)
    day = rng.integers(100, 104, n)
    counts = np.c_[np.ones(customers), rng.integers(0, 4, customers)].astype(np.uint8)
    found = TopCards(label, score, customer, day, top).of(counts)[0]
    for resample in range(2):
        copies = [
            (row, customer[row] * 10 + copy)
            for row in range(n)
            for copy in range(counts[customer[row], resample])
        ]
        rows, cards = (np.array(each) for each in zip(*copies, strict=True))
        if len(np.unique(day[rows])) == 4:
            expected = card_precision(label[rows], score[rows], cards, day[rows], top)
            assert found[resample] == pytest.approx(expected, abs=1e-12)


def test_sums_are_weighted_by_group() -> None:
    rng = np.random.default_rng(1)
    n = 300
    customer, group = rng.integers(0, 9, n).astype(np.int32), rng.integers(0, 3, n)
    values, counts = rng.random((n, 2)), rng.integers(0, 5, (9, 4)).astype(np.uint8)
    found = Sums(customer, group, values, 4).of(counts).reshape(4, 2, 4)
    for each in range(4):
        rows = group == each
        expected = values[rows].T @ counts[customer[rows]].astype(np.float64)
        assert found[each] == pytest.approx(expected)


def test_draws_take_as_many_customers_as_there_are_and_are_the_same_for_a_seed() -> None:
    customers = 5000
    own, counts = np.empty(customers, np.uint8), np.empty((customers, LANES), np.uint8)
    again, later = np.empty_like(counts), np.empty((customers, 2), np.uint8)
    draw_kernel(np.uint64(7), np.uint64(0), own, counts)
    draw_kernel(np.uint64(7), np.uint64(0), own, again)
    draw_kernel(np.uint64(7), np.uint64(3), own, later)
    np.testing.assert_array_equal(counts, again)
    np.testing.assert_array_equal(counts[:, 3:5], later)
    assert (counts.sum(axis=0) == customers).all()
    shares = np.bincount(counts.ravel(), minlength=4)[:4] / counts.size
    assert shares == pytest.approx([math.exp(-1) / math.factorial(k) for k in range(4)], abs=0.01)
    drawn = counts.sum(axis=1).astype(np.float64)
    assert np.abs(drawn - LANES).max() < 8 * math.sqrt(LANES)
    assert len({each.tobytes() for each in counts.T}) == LANES


def test_a_resample_count_that_fills_no_lanes_is_whole() -> None:
    ranking = Ranking(np.array([True, False]), np.array([0.9, 0.1]), np.array([0, 1], np.int32))
    (drawn,) = resampled([ranking], 2, LANES + 5, 0)
    assert drawn.shape == (2, LANES + 5)
    assert set(drawn[0][~np.isnan(drawn[0])].tolist()) == {1.0}
    assert interval(drawn[0]) is None  # half of the resamples have one class


class _Bounded(np.ndarray):
    """An array that refuses negative places too: a kernel has none."""

    def __getitem__(self, at: Any) -> Any:
        self._check(at)
        return super().__getitem__(at)

    def __setitem__(self, at: Any, value: Any) -> None:
        self._check(at)
        super().__setitem__(at, value)

    def _check(self, at: Any) -> None:
        for place in at if isinstance(at, tuple) else (at,):
            if not isinstance(place, slice) and place < 0:
                raise IndexError(place)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_kernel_leaves_its_arrays_whatever_it_is_given(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def some(dtype: Any, *shape: int) -> Any:
        values = rng.choice([-(2**31), -3, -1, 0, 1, 2, 3, 9, 2**31 - 1], shape)
        return np.where(rng.random(shape) < 0.8, values % 8, values).astype(dtype).view(_Bounded)

    def size() -> int:
        return int(rng.integers(0, 7))

    counts = rng.integers(0, 3, (size(), size())).astype(np.uint8).view(_Bounded)
    with np.errstate(all="ignore"):
        rank_kernel.function(
            some(np.int32, size()),
            some(np.bool_, size()),
            some(np.int64, size()),
            counts,
            some(np.float64, size(), size()),
            some(np.float64, size(), size()),
        )
        sums_kernel.function(
            some(np.int32, size()),
            some(np.int32, size()),
            some(np.float64, size(), size()),
            counts,
            some(np.float64, size(), size(), size()),
        )
        top_kernel.function(
            some(np.int32, size()),
            some(np.bool_, size()),
            some(np.int64, size()),
            some(np.int64, size()),
            2,
            counts,
            some(np.uint8, size()),
            some(np.float64, size()),
        )


def _clustered(
    rng: np.random.Generator, customers: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.int32]]:
    """(labels, scores, customers) of 8 rows each: half of a score's variance is its customer's."""
    customer = np.repeat(np.arange(customers), 8)
    label = (rng.random(customers) < 0.3)[customer] & (rng.random(len(customer)) < 0.5)
    own, rows = rng.normal(0, 1, customers)[customer], rng.normal(0, 1, len(customer))
    return label, math.sqrt(0.5) * (own + rows) + 1.5 * label, customer.astype(np.int32)


@pytest.mark.parametrize("found", [0.25, 8 / 11, 0.9])
def test_a_share_of_few_customers_has_the_interval_that_inverts_the_score_test(
    found: float,
) -> None:
    bounds = few_share(found, np.ones(11, np.int64))
    assert bounds is not None
    assert 0 < bounds[0] < found < bounds[1] < 1
    for bound in bounds:  # Wilson: where the share is z standard errors away
        assert abs(found - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / 11))


def test_rows_of_one_customer_make_a_share_of_few_less_certain() -> None:
    even, uneven = few_share(0.5, np.full(6, 2)), few_share(0.5, np.array([7, 1, 1, 1, 1, 1]))
    assert even == few_share(0.5, np.ones(6, np.int64))
    assert even is not None
    assert uneven is not None
    assert uneven[0] < even[0] < even[1] < uneven[1]
    assert few_share(0.5, np.array([9])) is None


def test_an_interval_of_the_auc_over_clustered_rows_holds_the_truth_as_often_as_it_says() -> None:
    rng, truth = np.random.default_rng(11), 0.5 * (1 + math.erf(1.5 / 2))
    held = held_by_rows = 0
    runs, customers = 300, 250
    for _ in range(runs):
        label, score, customer = _clustered(rng, customers)
        rows = np.arange(len(label), dtype=np.int32)
        for units, count in ((customer, customers), (rows, len(rows))):
            (drawn,) = resampled([Ranking(label, score, units)], count, 320, 0)
            found = interval(drawn[0])
            assert found is not None
            is_held = found[0] <= truth <= found[1]
            held += is_held and units is customer
            held_by_rows += is_held and units is rows
    assert 0.90 <= held / runs <= 0.99
    assert held_by_rows / runs < 0.85  # rows of one customer are not independent
