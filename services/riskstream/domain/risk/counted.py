"""What states and totals take of one score. Pure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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


NO_NUMBER = 1.0
"""The score of a transaction that the model gave no number: as sure as can be until a person has
looked.
"""


class Counts(NamedTuple):
    """n good scores as columns: what states take of each. Amounts in minor units, instants in ms.

    `decisions`: codes of the contract; `is_correction`: 1 where a record leaves with it.
    """

    srcs: NDArray[np.int64]
    appended_at: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    amounts: NDArray[np.int64]
    scores: NDArray[np.float32]
    decisions: NDArray[np.uint8]
    is_refund: NDArray[np.uint8]
    is_correction: NDArray[np.uint8]
    corrected_at: NDArray[np.int64]
    corrected_amounts: NDArray[np.int64]
    corrected_is_refund: NDArray[np.uint8]
