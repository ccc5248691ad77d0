"""Thresholds on the score: by budgets of alerts, or by what decisions cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.money import exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Minor units: of a review (which finds a fraud), and of a genuine transaction blocked. A fraud
    approved costs its amount.
    """

    review_minor: int
    block_minor: int


def by_budget(scores: NDArray[np.floating], review: float, block: float) -> tuple[float, float]:
    """(review from, block from): the scores that these shares of the rows reach."""
    ranked = np.sort(scores)[::-1]
    return _reached(ranked, review), _reached(ranked, block)


def by_cost(
    scores: NDArray[np.floating],
    labels: NDArray[np.bool_],
    amounts_minor: NDArray[np.integer],
    costs: Costs,
) -> tuple[float, float]:
    """(review from, block from) with the least cost over these rows, of all pairs of scores; equal
    scores stay together.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    lost = np.r_[
        0, np.cumsum(np.where(labels[order], exact(amounts_minor)[order], 0))
    ]  # frauds approved, by how many are
    genuine = np.r_[0, np.cumsum(~labels[order])]
    places = np.r_[starts, len(ranked)]
    # Cost of approving below i, reviewing from i to j and blocking from j on splits into a part of
    # i and a part of j.
    of_review = lost[places] - costs.review_minor * places
    of_block = costs.review_minor * places + costs.block_minor * (genuine[-1] - genuine[places])
    best_review = np.minimum.accumulate(of_review)
    j = int(np.argmin(best_review + of_block))
    i = int(np.argmin(of_review[: j + 1]))
    above = float(np.nextafter(np.float32(ranked[-1]), np.float32(np.inf)))
    at = [float(ranked[places[each]]) if places[each] < len(ranked) else above for each in (i, j)]
    return at[0], at[1]


def cost_minor(
    scores: NDArray[np.floating],
    labels: NDArray[np.bool_],
    amounts_minor: NDArray[np.integer],
    costs: Costs,
    review_from: float,
    block_from: float,
) -> int:
    """What decisions by these thresholds cost over the rows."""
    is_blocked = scores >= block_from
    is_reviewed = (scores >= review_from) & ~is_blocked
    is_approved = ~is_blocked & ~is_reviewed
    return int(
        int(exact(amounts_minor)[is_approved & labels].sum())
        + costs.review_minor * int(is_reviewed.sum())
        + costs.block_minor * int((is_blocked & ~labels).sum())
    )


def _reached(ranked: NDArray[np.floating], budget: float) -> float:
    return float(ranked[min(max(round(len(ranked) * budget) - 1, 0), len(ranked) - 1)])
