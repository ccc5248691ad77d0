"""What was answered before: a repeated transaction is told the decision and the score of its original."""

import numpy as np
from numpy.typing import NDArray

from riskstream.contracts.columns import Columns
from riskstream.contracts.writers import SchemaWait, find
from riskstream.kafka.ports import REPLAY, REPLAY_DUPLICATE, Batch
from riskstream.risk.features.repeats import Told, answers_of, of_answers
from riskstream.risk.features.repeats_kernel import DUPLICATE
from riskstream.risk.features.table import KeyTable


def tell_again(
    table: KeyTable, slots: NDArray[np.int32], told: Told, verdicts: NDArray[np.uint8], rows: NDArray[np.int64],
    scores: NDArray[np.float32], decisions: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:  # fmt: skip
    """Note what the scored `rows` are answered; what a repeat's original was answered takes the place of its own.

    `decisions` are changed in place. Gives the scores, and the places in `rows` of these repeats. Where the original's answer
    is not known a repeat keeps its own.
    """
    answers = answers_of(decisions, scores)
    table.repeats.answer(rows, slots, told, answers)
    is_repeat = verdicts[rows] == DUPLICATE
    if not is_repeat.any():
        return scores, np.zeros(0, np.int64)
    at = np.flatnonzero(is_repeat)
    priors = told.priors[rows[at]]
    in_batch = np.zeros(len(verdicts), np.int64)
    in_batch[rows] = answers
    known = np.where(priors < 0, in_batch[np.maximum(-1 - priors, 0)], priors)
    at, known = at[known > 0], known[known > 0]
    scores = scores.copy()
    decisions[at], scores[at] = of_answers(known)
    return scores, at


def refuse_to_forget(batch: Batch, columns: Columns) -> None:
    """A record that was answered as good is never passed over because this process does not know its schema: it waits."""
    answered = (batch.modes == REPLAY) | (batch.modes == REPLAY_DUPLICATE)
    if answered.any() and (rows := np.flatnonzero(answered & columns.unread())).size:
        ids = columns.ids[rows].tolist()
        raise SchemaWait(
            what="a record that was answered as good is of a schema that is not known here", where="transactions",
            rows=rows.tolist(), is_over=lambda: all(isinstance(find(each), dict) for each in ids),
        )  # fmt: skip
