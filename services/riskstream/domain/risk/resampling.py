"""Intervals of figures: the bootstrap over customers, whose rows are drawn together.

Percentile intervals (Efron and Tibshirani 1993, chapter 13) of the cluster bootstrap (Davison and
Hinkley 1997, section 3.8): rows of one customer depend on each other, so rows cannot be drawn.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.evaluation import group_ends
from riskstream.domain.risk.resample_kernel import (
    draw_kernel,
    rank_kernel,
    sums_kernel,
    top_kernel,
)

LEVEL = 0.95
Z = 1.959964
"""Quantile of the normal distribution that LEVEL goes to."""
LANES = 32
"""Resamples side by side: their counts of one customer share half a cache line."""
LEAST_CUSTOMERS = 2
LEAST_DEFINED = 0.9
"""Share of the resamples that must have a figure: of less there is no interval."""


class Weighted(Protocol):
    """Figures of rows that weigh as much as their customers."""

    def of(self, counts: NDArray[np.uint8]) -> NDArray[np.float64]:
        """float64[figures, resamples] of uint8[customers, resamples]: how often each was drawn."""


class Ranking:
    """AUC and average precision of n rows; NaN in a resample with one class."""

    def __init__(
        self,
        labels: NDArray[np.bool_],
        scores: NDArray[np.floating],
        customers: NDArray[np.int32],
    ) -> None:
        order = np.argsort(-scores, kind="stable")
        self._ends = group_ends(scores[order])
        self._labels = np.ascontiguousarray(labels[order])
        self._customers = np.ascontiguousarray(customers[order])

    def of(self, counts: NDArray[np.uint8]) -> NDArray[np.float64]:
        lanes = counts.shape[1]
        out = np.empty((2, lanes))
        rank_kernel(self._customers, self._labels, self._ends, counts, np.empty((4, lanes)), out)
        return out


class TopCards:
    """`evaluation.card_precision` of n rows; a customer drawn twice is two cards."""

    def __init__(
        self,
        labels: NDArray[np.bool_],
        scores: NDArray[np.floating],
        customers: NDArray[np.int32],
        days: NDArray[np.int64],
        top: int,
    ) -> None:
        self._top = top
        order = np.lexsort((-scores, customers, days))
        firsts = np.flatnonzero(_changes(days[order], customers[order]))
        best, of = scores[order][firsts], customers[order][firsts]
        day, bad = days[order][firsts], np.logical_or.reduceat(labels[order], firsts)
        order = np.lexsort((-best, day))
        starts = np.flatnonzero(_changes(day[order], best[order]))
        self._ends = np.append(starts[1:], len(order))
        self._days = np.searchsorted(
            day[order][starts], np.unique(days), side="right"
        )  # groups of each day and all before it
        self._customers = np.ascontiguousarray(of[order])
        self._frauds = np.ascontiguousarray(bad[order])

    def of(self, counts: NDArray[np.uint8]) -> NDArray[np.float64]:
        out, found = np.empty(counts.shape[1]), np.empty(len(counts), np.uint8)
        top_kernel(
            self._customers, self._frauds, self._ends, self._days, self._top, counts, found, out
        )
        return out[None]


class Sums:
    """Sums of k values of rows, by group: row g * k + i is the sum of value i in group g."""

    def __init__(
        self,
        customers: NDArray[np.int32],
        groups: NDArray[np.integer],
        values: NDArray[np.float64],
        group_count: int,
    ) -> None:
        wide = int(customers.max()) + 1 if len(customers) else 1
        places, at = np.unique(groups.astype(np.int64) * wide + customers, return_inverse=True)
        self._customers = (places % wide).astype(np.int32)
        self._groups = (places // wide).astype(np.int32)
        self._values = np.empty((len(places), values.shape[1]))
        for column in range(values.shape[1]):
            self._values[:, column] = np.bincount(at, values[:, column], len(places))
        self._shape = group_count, values.shape[1]

    def of(self, counts: NDArray[np.uint8]) -> NDArray[np.float64]:
        out = np.empty((*self._shape, counts.shape[1]))
        sums_kernel(self._customers, self._groups, self._values, counts, out)
        return out.reshape(-1, counts.shape[1])


def resampled(
    parts: Sequence[Weighted],
    customers: int,
    resamples: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> list[NDArray[np.float64]]:
    """Of each part float64[figures, resamples]: its figures when so many customers are drawn with
    replacement, all parts on the same draws.

    The same seed and number of customers give the same draws. One customer alone can only be drawn
    again: the figures are NaN then, as they would say that nothing is uncertain.
    """
    own = np.empty(customers, np.uint8)
    found: list[list[NDArray[np.float64]]] = [[] for _ in parts]
    for first in range(0, resamples, LANES):
        counts = np.empty((customers, min(LANES, resamples - first)), np.uint8)
        draw_kernel(np.uint64(seed), np.uint64(first), own, counts)
        for part, figures in zip(parts, found, strict=True):
            figures.append(part.of(counts))
        advance(counts.shape[1])
    if customers < LEAST_CUSTOMERS:
        return [np.full_like(np.concatenate(figures, axis=1), np.nan) for figures in found]
    return [np.concatenate(figures, axis=1) for figures in found]


def interval(drawn: NDArray[np.float64]) -> tuple[float, float] | None:
    """(low, high) that hold LEVEL of the resampled figures; None where too few resamples have one,
    or all have the same: then they do not tell how uncertain it is.
    """
    known = drawn[~np.isnan(drawn)]
    if not len(known) or len(known) < LEAST_DEFINED * len(drawn) or known.min() == known.max():
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def whole_share(share: float, customers: int) -> tuple[float, float] | None:
    """(low, high) of a share that is 0 or 1 over so many customers; None of fewer than two.

    Every resample has the same share, so the exact binomial interval takes its place (Clopper and
    Pearson 1934), with customers as trials: all of m were found where the share is at least
    (tail)^(1/m).
    """
    if customers < LEAST_CUSTOMERS:
        return None
    bound = float(((1 - LEVEL) / 2) ** (1 / customers))
    return (bound, 1.0) if share else (0.0, 1 - bound)


def few_share(share: float, rows: NDArray[np.integer]) -> tuple[float, float] | None:
    """(low, high) of a share over few customers, of which each has so many `rows`, int64[m]; None
    of fewer than two.

    Resamples of few customers are too alike. Wilson's interval (1927) takes their place, with as
    many trials as customers with equal numbers of rows would be (Kish 1965): (sum)^2 / sum of
    squares.
    """
    if len(rows) < LEAST_CUSTOMERS:
        return None
    trials = float(rows.sum()) ** 2 / float((rows.astype(np.float64) ** 2).sum())
    middle = (share + Z**2 / (2 * trials)) / (1 + Z**2 / trials)
    spread = share * (1 - share) / trials + Z**2 / (4 * trials**2)
    half = Z * spread**0.5 / (1 + Z**2 / trials)
    return middle - half, middle + half


def _changes(major: NDArray[np.number], minor: NDArray[np.number]) -> NDArray[np.bool_]:
    """True where a row begins another pair of values than the row before."""
    out = np.ones(len(major), np.bool_)
    out[1:] = (major[1:] != major[:-1]) | (minor[1:] != minor[:-1])
    return out
