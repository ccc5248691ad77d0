"""Records of owned keys, as the tables of windows and of ids take them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Longs = NDArray[np.int64]


NOT_KNOWN: Longs = np.zeros(0, np.int64)
"""A column that nothing is known of."""
NO_IDS: NDArray[np.uint64] = np.zeros(0, np.uint64)


@dataclass(slots=True, kw_only=True)
class Events:
    """n records in the order of their partitions. What is left out is unknown: 0 in each.

    `slots` int32[n] of their keys; `times` in ms; `ids` uint64[n], hashes of the transactions' ids;
    `offsets` of the source; `modes` and `verdicts` uint8[n] as `repeats_kernel` states, which
    writes the verdicts and makes modes of conflicts SKIP; `amounts` in minor units; `kinds` are
    indices of `declare.Kind`; `bodies` and `answers` as in `repeats_kernel`; `corrects` uint64[n],
    the hash of the id that each corrects, 0 where none.
    """

    slots: NDArray[np.int32]
    times: Longs
    ids: NDArray[np.uint64]
    offsets: Longs
    modes: NDArray[np.uint8]
    verdicts: NDArray[np.uint8]
    amounts: Longs = field(default_factory=lambda: NOT_KNOWN)
    kinds: Longs = field(default_factory=lambda: NOT_KNOWN)
    bodies: Longs = field(default_factory=lambda: NOT_KNOWN)
    answers: Longs = field(default_factory=lambda: NOT_KNOWN)
    corrects: NDArray[np.uint64] = field(default_factory=lambda: NO_IDS)

    def __post_init__(self) -> None:
        n = len(self.slots)
        if not len(self.amounts):
            self.amounts = np.zeros(n, np.int64)
        if not len(self.kinds):
            self.kinds = np.zeros(n, np.int64)
        if not len(self.bodies):
            self.bodies = np.zeros(n, np.int64)
        if not len(self.answers):
            self.answers = np.zeros(n, np.int64)
        if not len(self.corrects):
            self.corrects = np.zeros(n, np.uint64)

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def is_whole(self) -> bool:
        """Whether every column has a value of each record."""
        least = min(
            len(self.times),
            len(self.ids),
            len(self.offsets),
            len(self.modes),
            len(self.verdicts),
            len(self.amounts),
            len(self.kinds),
            len(self.bodies),
            len(self.answers),
            len(self.corrects),
        )
        return least >= len(self.slots)
