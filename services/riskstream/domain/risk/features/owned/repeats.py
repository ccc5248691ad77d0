"""What a key remembers of its transactions' ids: the arrays of `repeats_kernel`, and the answers in
them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.owned import repeats_kernel as k
from riskstream.domain.risk.features.owned.events import Events
from riskstream.runtime.errors import Fatal

_NO_SCORE = (1 << 30) - 1
_DECISION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The records that leave windows with some rows of a batch, in order: `rows`, and time, amount
    and kind of each record.

    `late`: rows whose own correction came before them. `unknown`: corrections whose original is not
    to be found.
    """

    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    amounts: NDArray[np.int64]
    are_refunds: NDArray[np.bool_]
    late: NDArray[np.int64]
    unknown: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Of each record of a batch: `places` for `Repeats.answer`, `priors`, `takes` and
    `is_corrected` as `repeats_kernel` states.

    `corrected`: None where no record of the batch is a correction or has one.
    """

    places: NDArray[np.int32]
    priors: NDArray[np.int64]
    takes: NDArray[np.int64]
    is_corrected: NDArray[np.uint8]
    corrected: Corrected | None = None

    @property
    def conflicts(self) -> NDArray[np.int64]:
        """Rows whose id was used before with another body."""
        return np.flatnonzero(self.priors == k.CONFLICT)


class Repeats:
    """Rings of ids: `heads` int32[slots, WIDE] say where a slot's ring stands in `entries` int64[:,
    2] and its hash table in `index`; `frees` are the blocks that were given back, by size.
    """

    def __init__(self, slots: int) -> None:
        self.heads = _heads(slots)
        self.entries = np.zeros((slots * k.FEW_IDS, 2), np.int64)
        self.index = np.zeros(2 * len(self.entries), np.int16)
        self.used = np.zeros(1, np.int64)
        self.frees = np.full(k.CLASSES, -1, np.int64)

    def grow_slots(self, slots: int) -> None:
        fresh = _heads(slots)
        fresh[: len(self.heads)] = self.heads
        self.heads = fresh

    def grow(self, more: int) -> None:
        """Room for `more` entries, and for half as much again as there is."""
        needed = int(self.used[0]) + more
        if needed > len(self.entries):
            fresh = np.zeros((max(needed, int(1.5 * len(self.entries))), 2), np.int64)
            fresh[: len(self.entries)] = self.entries
            self.entries = fresh
            index = np.zeros(2 * len(fresh), np.int16)
            index[: len(self.index)] = self.index
            self.index = index

    def tell(self, events: Events, ats: NDArray[np.int64]) -> Told:
        """Verdicts of a batch into its `verdicts`; modes of conflicts become SKIP. `ats`: of each
        slot the last applied offset.
        """
        n = len(events)
        if not events.is_whole:
            raise Fatal(
                what="columns of a batch have different lengths",
                where="Repeats.tell",
                do="report this",
            )
        told = Told(
            places=np.empty(n, np.int32),
            priors=np.empty(n, np.int64),
            takes=np.zeros(n, np.int64),
            is_corrected=np.zeros(n, np.uint8),
        )
        done = 0
        while (
            done := int(
                k.repeats_kernel(
                    done,
                    n,
                    events.slots,
                    events.times,
                    events.ids,
                    events.corrects,
                    events.bodies,
                    events.answers,
                    events.offsets,
                    events.modes,
                    events.verdicts,
                    ats,
                    self.heads,
                    self.entries,
                    self.index,
                    self.used,
                    self.frees,
                    told.places,
                    told.priors,
                    told.takes,
                    told.is_corrected,
                )
            )
        ) < n:
            if done < 0:
                raise Fatal(
                    what=f"a slot of {n:,} records is not there",
                    where="Repeats.tell",
                    do="report this",
                )
            asked = int(self.heads[events.slots[done], k.CAP])
            self.grow(max(2 * asked, k.FEW_IDS) + k.FEW_IDS * (n - done))
        return told

    def filled(self, slot: int) -> None:
        """The slot's ring was just filled from a row."""
        k.index_kernel(slot, self.heads, self.entries, self.index)

    def answer(
        self,
        rows: NDArray[np.int64],
        slots: NDArray[np.int32],
        told: Told,
        answers: NDArray[np.int64],
    ) -> None:
        """Remember what these rows of the batch that was told were answered."""
        k.answer_kernel(rows, slots, told.places, answers, self.heads, self.entries)

    def keep(self, kept: NDArray[np.int64], slots: int) -> "Repeats":
        """Another, whose slots 0, 1, … are the kept ones, one behind another."""
        other = Repeats(slots)
        heads = self.heads[kept]
        other.heads[: len(kept)] = heads
        caps = heads[:, k.CAP].astype(np.int64)
        starts = np.cumsum(caps) - caps
        other.grow(int(caps.sum()))
        index = np.arange(int(caps.sum())) + np.repeat(heads[:, k.OFF] - starts, caps)
        other.entries[: len(index)] = self.entries[index]
        other.index[: 2 * len(index)] = self.index.reshape(-1, 2)[index].ravel()
        other.heads[: len(kept), k.OFF] = starts
        other.used[0] = len(index)
        return other

    def held_bytes(self, slots: int) -> int:
        """Bytes that the first `slots` slots and all rings hold."""
        a_place = 2 * self.entries.itemsize + 2 * self.index.itemsize
        return int(self.heads[:slots].nbytes + self.used[0] * a_place)


def answers_of(decisions: NDArray[Any], scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Each score (0 to 1, or NaN for none) and decision in 32 bits, as the rings keep it: score <<
    2 | decision.
    """
    bits = np.ascontiguousarray(scores, np.float32).view(np.uint32).astype(np.int64)
    is_score = (scores >= 0) & (scores < 1.5)
    out: NDArray[np.int64] = (np.where(is_score, bits, _NO_SCORE) << 2) | np.asarray(
        decisions, np.int64
    )
    return out


def of_answers(answers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(decisions, scores) of `answers_of`; NaN where there was no score."""
    bits = (answers >> 2) & _NO_SCORE
    scores = bits.astype(np.uint32).view(np.float32).copy()
    scores[bits == _NO_SCORE] = np.nan
    return answers & _DECISION, scores


def _heads(slots: int) -> NDArray[np.int32]:
    heads = np.zeros((slots, k.WIDE), np.int32)
    heads[:, k.CLOCK] = -(2**30)
    return heads
