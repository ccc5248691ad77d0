"""How good scores are against labels: average precision, precision and recall at an alert budget."""

import numpy as np
from numpy.typing import NDArray


def average_precision(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Sum of precision times recall gained over the distinct scores, highest first (as scikit-learn defines it)."""
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
    """(precision, recall, which are alerted) when the `budget` share with the highest scores is alerted."""
    count = max(round(len(scores) * budget), 1)
    alerted = np.zeros(len(scores), np.bool_)
    alerted[np.argsort(-scores, kind="stable")[:count]] = True
    hits = int((labels & alerted).sum())
    return hits / count, hits / max(int(labels.sum()), 1), alerted
