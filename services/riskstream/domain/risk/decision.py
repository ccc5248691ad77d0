"""From a score to a decision, by the thresholds of the model's card."""

import numpy as np
from numpy.typing import NDArray

APPROVE, REVIEW, BLOCK = 1, 2, 3
"""Indices of the contract's enum Decision."""
SCORE, LATE_SCORE = "score", "late_score"
"""What raises an alert: the contract's `kind`."""


def decide(scores: NDArray[np.float32], review_from: float, block_from: float) -> NDArray[np.int64]:
    """Decision of each score: block from block_from on, review from review_from on, else
    approve.
    """
    decisions = np.full(len(scores), APPROVE, np.int64)
    decisions[scores >= np.float32(review_from)] = REVIEW
    decisions[scores >= np.float32(block_from)] = BLOCK
    return decisions
