"""Labels of an entity's transactions: which of several counts, and what a new one changes. Pure."""

import numpy as np
from numpy.typing import NDArray

from riskstream.runtime.durations import DAY_MS

FRAUD = 1
_WEEK_MS = 7 * DAY_MS
_RANKS = np.array([0, 4, 3, 2, 1], np.int64)
"""Precedence of a label's source, by index of the contract's enum: chargeback, analyst, customer,
import, unknown.
"""


def standings(
    sources: NDArray[np.int64], known_at: NDArray[np.int64], outcomes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How labels stand against others of their transaction: by source, then the later known, then
    fraud under genuine.
    """
    return (_RANKS[sources] << 52) | (known_at << 3) | outcomes


class Labels:
    """The highest standing of each labelled transaction, a hash, of each slot; kept by the week in
    which the transaction occurred.
    """

    def __init__(self) -> None:
        self._weeks: dict[int, dict[tuple[int, int], int]] = {}
        self._said: dict[tuple[int, int], int] = {}
        self._said_at: dict[tuple[int, int], int] = {}

    def take(self, slot: int, transaction: int, occurred_at: int, standing: int) -> int:
        """Note a label; what it changes of the frauds of its tile: 1, 0 or -1."""
        week = self._weeks.setdefault(occurred_at // _WEEK_MS, {})
        before = week.get((slot, transaction), 0)
        if standing <= before:
            return 0
        week[slot, transaction] = self._said[slot, transaction] = standing
        self._said_at[slot, transaction] = occurred_at
        return (standing & 7 == FRAUD) - (before & 7 == FRAUD)

    def take_said(self) -> list[tuple[int, int, int, int]]:
        """(slot, transaction, standing, occurred_at) of each label that came to stand since the
        last call.
        """
        out = [
            (slot, name, said, self._said_at[slot, name])
            for (slot, name), said in self._said.items()
        ]
        self._said.clear()
        self._said_at.clear()
        return out

    def forget(self, before_ms: int) -> None:
        """Forget labels of transactions that occurred in weeks before that of `before_ms`."""
        oldest = before_ms // _WEEK_MS
        for week in [week for week in self._weeks if week < oldest]:
            del self._weeks[week]

    def restore(self, slot: int, transaction: int, occurred_at: int, standing: int) -> None:
        """Note a label that was written before."""
        self._weeks.setdefault(occurred_at // _WEEK_MS, {})[slot, transaction] = standing
