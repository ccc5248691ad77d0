"""What states and totals take of one score, for oracles that take one after the other."""

from typing import NamedTuple

import numpy as np

from riskstream.domain.contracts.columns import symbols_of
from riskstream.domain.risk.counted import NO_NUMBER, Counts, Series


class Counted(NamedTuple):
    """One record of scores.v1: the fields that count, under the contract's names, and where it
    stands.

    `offset` and `appended_at` (ms) are those of the score's own record. Fields of a score that is
    not good are undefined behind `is_good`.
    """

    offset: int
    appended_at: int
    src: int
    prev: int
    src_appended_at: int
    is_good: bool
    """Whether its verdict is GOOD."""
    customer_id: str
    occurred_at: int
    base_amount_minor: int
    base_currency: str
    score: float | None
    """None where the model gave no number."""
    decision: str
    is_refund: bool
    corrected_at: int | None
    """Event time of the record that leaves with this one, ms; None where none does."""
    corrected_amount_minor: int
    corrected_is_refund: bool


def series(scores: list[Counted], base_currency: str = "EUR") -> Series:
    """The same as columns."""
    decisions = symbols_of("score.v1", "decision")
    longs = {
        name: np.array([getattr(each, name) for each in scores], np.int64)
        for name in ("offset", "prev", "src", "appended_at", "occurred_at", "base_amount_minor")
    }
    are_counted = [each.is_good and each.base_currency == base_currency for each in scores]
    return Series(
        longs["offset"],
        longs["prev"],
        np.array(are_counted, np.bool_),
        Counts(
            srcs=longs["src"],
            appended_at=longs["appended_at"],
            occurred_at=longs["occurred_at"],
            amounts=longs["base_amount_minor"],
            scores=np.array(
                [NO_NUMBER if each.score is None else each.score for each in scores], np.float32
            ),
            decisions=np.array([decisions.index(each.decision) for each in scores], np.uint8),
            is_refund=np.array([each.is_refund for each in scores], np.uint8),
            is_correction=np.array([each.corrected_at is not None for each in scores], np.uint8),
            corrected_at=np.array([each.corrected_at or 0 for each in scores], np.int64),
            corrected_amounts=np.array([each.corrected_amount_minor for each in scores], np.int64),
            corrected_is_refund=np.array([each.corrected_is_refund for each in scores], np.uint8),
        ),
    )
