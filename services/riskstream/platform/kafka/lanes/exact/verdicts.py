"""What the output says of source offsets that were answered: kept in columns, as a replay may be of
millions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 8_000_000
"""Verdicts of a partition that are kept, the newest: 240 MB. Older records of a longer replay are
judged again.
"""
_ROOM = 1.25
_KINDS = (np.int64, np.int64, np.int64, np.uint8, np.uint32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the output says of a source offset: verdict, reason, the offset before it, and where in
    the output it stands.

    `answer`: how it was answered, as the key's row keeps it (`risk.features.repeats.answers_of`), 0
    where that is not known.
    """

    verdict: str
    prev: int
    reason: str | None
    output_offset: int
    answer: int = 0


class Verdicts(Mapping[int, Recorded]):
    """By source offset what its first record in the output says. Add in any order; then read,
    mostly in rising order.
    """

    def __init__(self, symbols: Sequence[str] = (), most: int = MOST) -> None:
        """`symbols`: names of the verdicts by their code. `most`: as MOST, in verdicts."""
        self._symbols, self._most = symbols, most
        self._columns: tuple[NDArray[Any], ...] = tuple(np.empty(0, kind) for kind in _KINDS)
        self._new: list[tuple[NDArray[np.int64], ...]] = []
        self._new_rows = 0
        self._reasons: dict[int, str] = {}
        self._runs: NDArray[np.int64] | None = None
        self._at = 0

    def add(
        self,
        srcs: NDArray[np.int64],
        prevs: NDArray[np.int64],
        outputs: NDArray[np.int64],
        codes: NDArray[np.int64],
        reasons: dict[int, str],
        answers: NDArray[np.int64] | None = None,
    ) -> None:
        """n records of the output: source offsets, those before them, their own offsets, verdicts,
        answers as in `Recorded`; reasons by source offset.
        """
        if not len(srcs):
            return
        self._new.append(
            (srcs, prevs, outputs, codes, np.zeros_like(srcs) if answers is None else answers)
        )
        self._new_rows += len(srcs)
        self._reasons.update(reasons)
        if self._new_rows > max(100_000, (_ROOM - 1) * self._most):
            self._settle()

    def highest(self) -> int:
        """The highest source offset, -1 where there is none."""
        srcs = self._settle()[0]
        return int(srcs[-1]) if len(srcs) else -1

    def hole(self, after: int, up_to: int) -> int | None:
        """The highest source offset in (after, up_to] that was answered and is not here: each
        record tells the one before it.
        """
        srcs, prevs, *_ = self._settle()
        if self._runs is None:  # where each unbroken run of records begins
            begins = np.ones(len(srcs), np.bool_)
            begins[1:] = prevs[1:] != srcs[:-1]
            self._runs = np.maximum.accumulate(np.where(begins, np.arange(len(srcs)), 0))
        at = up_to
        while at > after:
            row = int(np.searchsorted(srcs, at))
            if row == len(srcs) or srcs[row] != at:
                return at
            at = min(at - 1, int(prevs[self._runs[row]]))
        return None

    def get(self, src: int, default: Recorded | None = None) -> Recorded | None:  # type: ignore[override]
        """What is recorded of a source offset."""
        srcs, prevs, outputs, codes, answers = self._settle()
        row = self._at + 1
        if row >= len(srcs) or srcs[row] != src:
            row = int(np.searchsorted(srcs, src))
            if row == len(srcs) or srcs[row] != src:
                return default
        self._at = row
        return Recorded(
            verdict=self._symbols[codes[row]],
            prev=int(prevs[row]),
            reason=self._reasons.get(src),
            output_offset=int(outputs[row]),
            answer=int(answers[row]),
        )

    def find(
        self, srcs: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.int64]]:
        """(whether it is here, its verdict's code, its answer) of each source offset; the others
        say nothing where it is not.
        """
        known, _, _, codes, answers = self._settle()
        if not len(known):
            nothing = np.zeros(len(srcs), np.int64)
            return nothing != 0, nothing.astype(np.uint8), nothing
        rows = np.minimum(np.searchsorted(known, srcs), len(known) - 1)
        return known[rows] == srcs, codes[rows], answers[rows].astype(np.int64)

    def name(self, code: int) -> str:
        """The verdict of a code."""
        return self._symbols[code]

    def __getitem__(self, src: int) -> Recorded:
        found = self.get(src)
        if found is None:
            raise KeyError(src)
        return found

    def __iter__(self) -> Iterator[int]:
        return iter(self._settle()[0].tolist())

    def __len__(self) -> int:
        return len(self._settle()[0])

    def _settle(self) -> tuple[NDArray[Any], ...]:
        """Sorted by source offset, the first record of each; no more than `most`."""
        if not self._new:
            return self._columns
        joined = [np.concatenate(each) for each in zip(self._columns, *self._new, strict=True)]
        order = np.lexsort((joined[2], joined[0]))
        srcs = joined[0][order]
        is_first = np.ones(len(srcs), np.bool_)
        is_first[1:] = srcs[1:] != srcs[:-1]
        kept = order[is_first][-self._most :]
        self._columns = tuple(
            each[kept].astype(kind) for each, kind in zip(joined, _KINDS, strict=True)
        )
        self._new, self._new_rows, self._runs, self._at = [], 0, None, 0
        lowest = int(self._columns[0][0])
        if self._reasons and min(self._reasons) < lowest:
            self._reasons = {src: why for src, why in self._reasons.items() if src >= lowest}
        return self._columns
