"""How good scores are against labels: average precision, precision and recall at an alert
budget.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def group_ends(ranked: NDArray[np.number]) -> NDArray[np.int64]:
    """Where each group of equal values of a sorted array ends; the last is its length."""
    changes = np.flatnonzero(ranked[1:] != ranked[:-1]) + 1
    return np.append(changes, len(ranked)) if len(ranked) else changes


def average_precision(labels: NDArray[np.bool_], scores: NDArray[np.number]) -> float:
    """Sum of precision times recall gained over the distinct scores, highest first (as scikit-learn
    defines it).
    """
    positives = int(labels.sum())
    if positives == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = group_ends(scores[order])
    hits = np.cumsum(labels[order])[ends - 1]
    precision = hits / ends
    recall = hits / positives
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def at_budget(
    labels: NDArray[np.bool_], scores: NDArray[np.floating], budget: float
) -> tuple[float, float, NDArray[np.bool_]]:
    """(precision, recall, which are alerted) when the `budget` share with the highest scores is
    alerted.

    Equal scores stay together, as a threshold takes them: more are alerted where the last of the
    budget are tied.
    """
    count = min(max(round(len(scores) * budget), 1), len(scores))
    if not count:
        return 0.0, 0.0, np.zeros(0, np.bool_)
    alerted = scores >= np.partition(scores, len(scores) - count)[len(scores) - count]
    hits = int((labels & alerted).sum())
    return hits / int(alerted.sum()), hits / max(int(labels.sum()), 1), alerted


def roc_auc(labels: NDArray[np.bool_], scores: NDArray[np.number]) -> float:
    """Area under the ROC curve: the share of (fraud, genuine) pairs ranked rightly, ties half
    (Mann-Whitney U).
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    ranks = (below + (counts + 1) / 2)[inverse]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def card_precision(
    labels: NDArray[np.bool_],
    scores: NDArray[np.floating],
    cards: NDArray[np.integer],
    days: NDArray[np.integer],
    top: int = 100,
) -> float:
    """Card Precision@top: Le Borgne et al., Fraud Detection Handbook (2022), chapter 4.

    Each day the `top` cards with the highest score of the day are looked at; the compromised ones
    among them over `top`, a mean over the days. A card found compromised is left out on later days.
    Of cards tied for the last places the expected share counts, and none of them is left out later.
    """
    found: set[int] = set()
    hits = []
    for day in np.unique(days):
        mine = np.flatnonzero(days == day)
        mine = mine[~np.isin(cards[mine], list(found))]
        ids, at = np.unique(cards[mine], return_inverse=True)
        best = np.full(len(ids), -np.inf)
        np.maximum.at(best, at, scores[mine])
        bad = np.zeros(len(ids), np.bool_)
        np.logical_or.at(bad, at, labels[mine])
        looked_at, tied = np.ones(len(ids), np.bool_), np.zeros(len(ids), np.bool_)
        if len(ids) > top:
            last = np.partition(best, len(ids) - top)[len(ids) - top]
            tied = best == last
            looked_at = best > last if tied.sum() + (best > last).sum() > top else best >= last
        places = top - int(looked_at.sum())
        share = float(bad[tied & ~looked_at].mean()) if (tied & ~looked_at).any() else 0.0
        hits.append(int((looked_at & bad).sum()) + places * share)
        found.update(ids[looked_at & bad].tolist())
    return float(np.mean(hits)) / top if hits else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Rows whose score lies in one bin: how many, their mean score, and the share of frauds."""

    rows: int
    mean_score: float
    fraud_rate: float


def calibration(
    labels: NDArray[np.bool_], scores: NDArray[np.floating], bins: int = 10
) -> tuple[float, list[CalibrationBin]]:
    """(expected calibration error, bins of equal numbers of rows): Naeini et al. 2015, with
    equal-mass bins.

    Equal scores stay together, in the bin of their middle: their order in the file says nothing.
    """
    order = np.argsort(scores, kind="stable")
    ends = group_ends(scores[order])
    sizes = np.diff(ends, prepend=0)
    middles = ends - sizes / 2
    wanted = min(bins, max(len(order), 1))
    of = np.repeat((wanted * middles / max(len(order), 1)).astype(np.int64), sizes)
    out = []
    for each in range(wanted):
        part = order[of == each]
        if len(part):
            out.append(
                CalibrationBin(
                    rows=len(part),
                    mean_score=float(scores[part].mean()),
                    fraud_rate=float(labels[part].mean()),
                )
            )
    error = sum(each.rows * abs(each.mean_score - each.fraud_rate) for each in out) / max(
        len(labels), 1
    )
    return float(error), out
