"""How good scores are against labels: average precision, precision and recall at an alert
budget.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def average_precision(labels: NDArray[np.bool_], scores: NDArray[np.number]) -> float:
    """Sum of precision times recall gained over the distinct scores, highest first (as scikit-learn
    defines it).
    """
    positives = int(labels.sum())
    if positives == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    sorted_scores = scores[order]
    ends = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
    hits = np.cumsum(labels[order])[ends]
    precision = hits / (ends + 1)
    recall = hits / positives
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def at_budget(
    labels: NDArray[np.bool_], scores: NDArray[np.floating], budget: float
) -> tuple[float, float, NDArray[np.bool_]]:
    """(precision, recall, which are alerted) when the `budget` share with the highest scores is
    alerted.
    """
    count = max(round(len(scores) * budget), 1)
    alerted = np.zeros(len(scores), np.bool_)
    alerted[np.argsort(-scores, kind="stable")[:count]] = True
    hits = int((labels & alerted).sum())
    return hits / count, hits / max(int(labels.sum()), 1), alerted


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
    """
    found: set[int] = set()
    precisions = []
    for day in np.unique(days):
        mine = np.flatnonzero(days == day)
        mine = mine[~np.isin(cards[mine], list(found))]
        ids, at = np.unique(cards[mine], return_inverse=True)
        best = np.full(len(ids), -np.inf)
        np.maximum.at(best, at, scores[mine])
        bad = np.zeros(len(ids), np.bool_)
        np.logical_or.at(bad, at, labels[mine])
        looked_at = np.argsort(-best, kind="stable")[:top]
        hits = looked_at[bad[looked_at]]
        precisions.append(len(hits) / top)
        found.update(ids[hits].tolist())
    return float(np.mean(precisions)) if precisions else float("nan")


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
    """
    order = np.argsort(scores, kind="stable")
    out = []
    for part in np.array_split(order, min(bins, max(len(order), 1))):
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
