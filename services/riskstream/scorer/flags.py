"""Flags of a score: what was degraded or odd when it was made. docs/reading-scores.md says them to
readers.
"""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.column_encoder import MAX_WORDS, ColumnEncoder
from riskstream.domain.risk.judge import Keys
from riskstream.domain.risk.partition import misplaced_kernel
from riskstream.domain.risk.validity import MAX_AHEAD_MS
from riskstream.platform.kafka.lanes.ports import Batch
from riskstream.scorer.profile_join import AHEAD, MISSING, STALE

FLAG_COLD, FLAG_MISPLACED, FLAG_PARTIAL = "cold", "misplaced", "partial_history"
"""The customer's row could not be read; the key does not hash to the partition it stands in; what
the customer did within the longest window may be missing, as state was lost.
"""
FLAG_NO_SCORE, FLAG_NO_STAGE2, FLAG_GPU_LOST = "no_score", "no_stage2", "gpu_lost"
"""The model gave no number: reviewed; nor did the second stage: decided by the first; the second
stage ran on the CPU in place of its GPU.
"""
FLAG_ORIGINAL_UNKNOWN = "original_unknown"
"""A correction whose original is not among the events that windows hold: it is counted beside
it.
"""
_ALL = (
    FLAG_COLD,
    FLAG_MISPLACED,
    STALE,
    AHEAD,
    MISSING,
    FLAG_NO_SCORE,
    FLAG_NO_STAGE2,
    FLAG_GPU_LOST,
    FLAG_PARTIAL,
    FLAG_ORIGINAL_UNKNOWN,
)


class Flags:
    """Writes the flags of scored rows into an encoder's banks."""

    def __init__(self, encoder: ColumnEncoder, longest_window_ms: int) -> None:
        # An event that is missing may be dated past its append, so much younger than `whole_since`.
        self._encoder, self._reach_ms = encoder, longest_window_ms + MAX_AHEAD_MS
        self._words = {flag: encoder.word(flag) for flag in _ALL}

    def partial(
        self,
        batch: Batch,
        occurred_at: NDArray[np.int64],
        rows: NDArray[np.int64],
        odd: dict[str, NDArray[np.int64]],
    ) -> None:
        """Into `odd` the scored rows whose longest window reaches back to where their partition's
        state is not whole.
        """
        partitions, times = batch.partitions[rows], occurred_at[rows]
        is_partial = np.zeros(len(rows), np.bool_)
        for partition, whole_since in batch.whole_since.items():
            is_partial |= (partitions == partition) & (times < whole_since + self._reach_ms)
        if is_partial.any():
            odd[FLAG_PARTIAL] = rows[is_partial]

    def write(
        self,
        batch: Batch,
        keys: Keys,
        rows: NDArray[np.int64],
        cold: NDArray[np.bool_],
        odd: dict[str, NDArray[np.int64]],
    ) -> dict[str, int]:
        """How many of the scored rows have each flag; `cold`: of each row, `odd`: rows by flag."""
        codes, counts = self._encoder.codes("flags")
        counts[: len(batch.keys)] = 0
        misplaced = np.zeros(len(batch.keys), np.uint8)
        misplaced_kernel(keys.data, keys.ends, batch.partition_count, batch.partitions, misplaced)
        if not misplaced.any() and not cold.any() and not odd:
            return {}
        found = {FLAG_COLD: rows[cold], FLAG_MISPLACED: rows[misplaced[rows] != 0], **odd}
        for flag, mine in found.items():
            with_room = mine[counts[mine] < MAX_WORDS]
            codes[with_room, counts[with_room]] = self._words[flag]
            counts[with_room] += 1
        return {flag: len(mine) for flag, mine in found.items() if len(mine)}
