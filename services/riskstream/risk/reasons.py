"""Reason codes: which groups of features make a score high.

A group (all features with one reason code) is replaced by the medians of the training rows; the drop of the score's
margin is the group's part (ablation to the median). Exact tree contributions replace this with issue C.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

MAX_REASONS = 4
Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]

REASON_TEXT = {
    "AMOUNT": "the amount itself",
    "TIME_OF_DAY": "the hour",
    "TIME_OF_WEEK": "the day of the week",
    "KIND": "the kind of transaction",
    "CHANNEL": "the channel",
    "MERCHANT_CATEGORY": "the merchant's category",
    "BURST_COUNT": "many transactions of the customer within an hour",
    "BURST_AMOUNT": "much money of the customer within an hour",
    "BUSY_DAY_COUNT": "many transactions of the customer within a day",
    "BUSY_DAY_AMOUNT": "much money of the customer within a day",
    "BUSY_WEEK_COUNT": "the number of the customer's transactions within a week",
    "BUSY_WEEK_AMOUNT": "the customer's amounts within a week",
    "UNUSUAL_MONTH_COUNT": "the number of the customer's transactions within 30 days",
    "UNUSUAL_MONTH_AMOUNT": "the customer's amounts within 30 days",
    "AMOUNT_OVER_OWN_MEAN": "the amount against the customer's own mean of 30 days",
    "TIME_SINCE_LAST": "the time since the customer's last transaction",
}
"""Every reason code with its meaning; docs/reasons.md is made from it."""


class Reasons:
    """Explains rows of one feature set by one model."""

    def __init__(self, reasons: Sequence[str], medians: Sequence[float], predict: Predict) -> None:
        self.codes = tuple(dict.fromkeys(reason for reason in reasons if reason))
        self._medians = np.array(medians, np.float32)
        self._masks = np.array([[reason == code for reason in reasons] for code in self.codes])
        self._predict = predict

    def explain(self, rows: NDArray[np.float32], scores: NDArray[np.float32]) -> list[list[int]]:
        """Indices into `codes` of up to 4 groups that raise each row's score, strongest first. rows [n, columns]."""
        groups = len(self.codes)
        trial = np.repeat(rows, groups, axis=0)
        mask = np.tile(self._masks, (len(rows), 1))
        trial = np.where(mask, self._medians[None, :], trial).astype(np.float32)
        drops = _margin(scores)[:, None] - _margin(self._predict(trial)).reshape(len(rows), groups)
        out = []
        for row in drops:
            order = np.argsort(-row, kind="stable")[:MAX_REASONS]
            out.append([int(group) for group in order if row[group] > 1e-6])
        return out


def _margin(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-odds of probabilities."""
    p = np.clip(scores.astype(np.float64), 1e-9, 1 - 1e-9)
    margin: NDArray[np.float64] = np.log(p / (1 - p))
    return margin
