"""How many different values there are, and how many come again, by their hashes and in bounded
memory.
"""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_PARTS = 1 << 6


class Distinct:
    """Counts different hashes: exactly up to `most` of them, behind that by a sample. Of the hashes
    it keeps those whose last bits are zero: with 500,000 kept the count is within 0.5 %.
    """

    def __init__(self, most: int = 1 << 19) -> None:
        self._most, self._bits = most, 0
        self._kept: Hashes = np.empty(0, np.uint64)
        self._fresh: list[Hashes] = []
        self._waiting = 0

    @property
    def is_exact(self) -> bool:
        return not self._bits

    def add(self, hashes: Hashes) -> None:
        """Hashes of values, in any order."""
        self._fresh.append(_different(self._sampled(hashes)))
        self._waiting += len(self._fresh[-1])
        if self._waiting > max(1 << 16, len(self._kept) // 2):
            self._merge()

    def count(self) -> int:
        """How many different ones were added."""
        self._merge()
        return len(self._kept) << self._bits

    def _merge(self) -> None:
        self._kept = _different(np.concatenate([self._kept, *self._fresh]))
        self._fresh, self._waiting = [], 0
        while len(self._kept) > self._most:
            self._bits += 1
            self._kept = self._sampled(self._kept)

    def _sampled(self, hashes: Hashes) -> Hashes:
        if not self._bits:
            return hashes
        is_kept = hashes & np.uint64((1 << self._bits) - 1) == 0
        return np.asarray(hashes[is_kept], np.uint64)


class Repeats:
    """Counts hashes that came before. Memory grows by 8 bytes a hash."""

    def __init__(self, block: int = 1 << 20) -> None:
        self._block, self._used = block, block
        self._blocks: list[Hashes] = []

    def add(self, hashes: Hashes) -> None:
        """Hashes of values, in any order."""
        while len(hashes):
            if self._used == self._block:
                self._blocks.append(np.empty(self._block, np.uint64))
                self._used = 0
            taken = hashes[: self._block - self._used]
            self._blocks[-1][self._used : self._used + len(taken)] = taken
            self._used += len(taken)
            hashes = hashes[len(taken) :]

    def count(self) -> int:
        """How many were added before."""
        count, wide = 0, (1 << 64) // _PARTS
        parts = [*self._blocks[:-1], *(each[: self._used] for each in self._blocks[-1:])]
        for at in range(_PARTS if parts else 0):
            first, last = np.uint64(at * wide), np.uint64((at + 1) * wide - 1)
            alike = np.concatenate([each[(each >= first) & (each <= last)] for each in parts])
            alike.sort()
            count += int((alike[1:] == alike[:-1]).sum())
        return count


def _different(hashes: Hashes) -> Hashes:
    """Each once, in order. np.unique makes a table of them, which takes four times as long."""
    if not len(hashes):
        return hashes
    found = np.sort(hashes)
    return np.asarray(found[np.concatenate([[True], found[1:] != found[:-1]])], np.uint64)
