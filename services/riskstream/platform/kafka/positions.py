"""The reader's rule (I4): of the records of a series accept the first of each source position, for
ever.

A scorer that was killed may append a score again; readers that use this class see each once. Keep
`last` with your own position: `metadata()` is what our readers write beside their committed offset.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class AcceptedReader:
    """Decides for each record of one topic, by its partition, `src` and `prev`, whether it is
    accepted.
    """

    last: dict[int, int] = field(default_factory=dict)
    dropped: int = 0
    gaps: int = 0

    def accept(self, partition: int, src: int, prev: int) -> bool:
        """True where the record is new; counts a repeat in `dropped`, and in `gaps` that scores are
        missing before this one.
        """
        last = self.last.get(partition)
        if last is not None:
            if src <= last:
                self.dropped += 1
                return False
            if prev != last:
                self.gaps += 1
        self.last[partition] = src
        return True

    def accept_all(
        self, partition: int, srcs: NDArray[np.int64], prevs: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """bool[n]: as `accept` of each record in order."""
        if not len(srcs):
            return np.zeros(0, np.bool_)
        last = self.last.get(partition)
        before = np.empty(len(srcs), np.int64)
        before[0], before[1:] = (0 if last is None else last), srcs[:-1]
        if last is None:  # the first is accepted whatever it says
            before[0] = srcs[0]
        # a repeat is not above the last accepted one: it does not raise what is the highest so far
        before = np.maximum.accumulate(before)
        accepted: NDArray[np.bool_] = srcs > before
        if last is None:
            accepted[0] = True
        self.dropped += len(srcs) - int(accepted.sum())
        holes = accepted & (prevs != before)
        self.gaps += int(holes.sum()) - int(last is None and bool(holes[0]))
        self.last[partition] = int(max(before[-1], srcs[-1]))
        return accepted

    def metadata(self, partition: int) -> str:
        """What to commit beside the offset of a partition."""
        last = self.last.get(partition)
        return "" if last is None else f"last={last}"

    def resume(self, partition: int, metadata: str | None) -> None:
        """Read `last` from committed metadata; without it the next record is accepted as the
        first.
        """
        self.last.pop(partition, None)
        for part in (metadata or "").split(";"):
            key, _, value = part.partition("=")
            if key == "last":
                self.last[partition] = int(value)
