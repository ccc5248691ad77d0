"""How many different values there are, and how many come again, by their hashes and in bounded
memory.
"""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_PARTS_BITS = 4


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


def repeats(parts: list[Hashes]) -> int:
    """How many hashes stand in a part, or before in the same one, already. It takes a sixteenth of
    their memory on top.
    """
    count = 0
    shift = np.uint64(64 - _PARTS_BITS)
    for at in range(1 << _PARTS_BITS):
        alike = [each[each >> shift == at] for each in parts]
        one = np.concatenate(alike) if alike else np.empty(0, np.uint64)
        count += len(one) - len(_different(one))
    return count


def _different(hashes: Hashes) -> Hashes:
    """Each once, in order. np.unique makes a table of them, which takes four times as long."""
    if not len(hashes):
        return hashes
    found = np.sort(hashes)
    return np.asarray(found[np.concatenate([[True], found[1:] != found[:-1]])], np.uint64)
