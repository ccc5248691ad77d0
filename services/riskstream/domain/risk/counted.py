"""What states and totals take of scores. Pure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


class Series(NamedTuple):
    """n scores of one partition, in order and accepted or not, as columns: `offsets` and `prevs`
    beside `counts`. `is_counted`: those that totals count, good ones in the base currency.
    """

    offsets: NDArray[np.int64]
    prevs: NDArray[np.int64]
    is_counted: NDArray[np.bool_]
    counts: Counts
