"""Reason codes: which groups of features make a score high.

A group is all features with one reason code; its part is the sum of their exact contributions to
the margin of the trees (`tree_paths.py`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.tree_paths import TreePaths

MAX_REASONS = 4

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
    "CUSTOMER_COUNT": "the number of the customer's transactions within 30 days",
    "CUSTOMER_AMOUNT": "the customer's mean amounts within 30 days",
    "CUSTOMER_FRAUDS": "frauds of the customer that are known",
    "TERMINAL_COUNT": "the number of the terminal's transactions of some days back",
    "TERMINAL_AMOUNT": "the amount against what the terminal takes",
    "DEVICE_COUNT": "how much the device is used: little where it is new",
    "DEVICE_RISK": "the share of known frauds among the device's transactions",
    "TERMINAL_RISK": "the share of frauds among the terminal's transactions of some days back",
}
"""Every reason code with its meaning; docs/reasons.md is made from it."""


class Reasons:
    """Explains rows of one feature set by one model's trees. `reasons`: the code of each column, or
    nothing.
    """

    def __init__(self, reasons: Sequence[str], paths: TreePaths) -> None:
        self.codes = tuple(dict.fromkeys(reason for reason in reasons if reason))
        self._groups = np.array(
            [[reason == code for code in self.codes] for reason in reasons], np.float64
        )
        self._paths = paths

    def explain(self, rows: NDArray[np.float32]) -> list[list[int]]:
        """Indices into `codes` of up to 4 groups that raise each row's score, strongest first. rows
        [n, columns].
        """
        parts = self._paths.contributions(rows) @ self._groups
        order = np.argsort(-parts, axis=1, kind="stable")[:, :MAX_REASONS]
        raises = np.take_along_axis(parts, order, axis=1) > 1e-6
        return [
            mine[:count]
            for mine, count in zip(order.tolist(), raises.sum(axis=1).tolist(), strict=True)
        ]
