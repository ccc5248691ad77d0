"""What was answered before: a repeated transaction is told the decision and the score of its
original.
"""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.owned.repeats import answers_of, of_answers
from riskstream.domain.risk.features.owned.repeats_kernel import DUPLICATE
from riskstream.scorer.fold import Applied, Fold


def tell_again(
    fold: Fold,
    applied: Applied,
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    decisions: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Note what the scored `rows` are answered; what a repeat's original was answered takes the
    place of its own.

    `decisions` are changed in place. Gives the scores, and the places in `rows` of these repeats.
    Where the original's answer is not known a repeat keeps its own.
    """
    answers = answers_of(decisions, scores)
    fold.remember(applied, rows, answers)
    is_repeat = applied.verdicts[rows] == DUPLICATE
    if not is_repeat.any():
        return scores, np.zeros(0, np.int64)
    at = np.flatnonzero(is_repeat)
    priors = applied.told.priors[rows[at]]
    in_batch = np.zeros(len(applied.verdicts), np.int64)
    in_batch[rows] = answers
    known = np.where(priors < 0, in_batch[np.maximum(-1 - priors, 0)], priors)
    at, known = at[known > 0], known[known > 0]
    scores = scores.copy()
    decisions[at], scores[at] = of_answers(known)
    return scores, at
