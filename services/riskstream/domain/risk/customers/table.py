"""States of the customers of one partition: flat arrays by slot, and one arena of tiles.

A customer has two histories, of hours and of days: at most 48 and 35 tiles, oldest first, in blocks
that grow with them. `domain/risk/customer_risk.py` says what a state is.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.counted import Counts
from riskstream.domain.risk.customers.kernel import (
    BLOCKS,
    COLUMNS,
    ROOM,
    apply_kernel,
    load_kernel,
)
from riskstream.domain.risk.features.keys.key_slots import (
    PER_KEY,
    KeySlots,
    PerSlot,
    grown,
    no_room,
)

EARLY_STATES = 256
"""Early states that are kept before they are encoded: 1.9 MB."""
_STATE: PerSlot = {
    "srcs": (np.int64, -1),
    "updated_at": (np.int64, 0),
    "last_scores": (np.float32, 0),
    "last_decisions": (np.uint8, 0),
    "last_occurred_at": (np.int64, 0),
    "lacks_before": (np.int64, 0, 2),
    "firsts": (np.int64, 0, 2),
    "sizes": (np.int32, 0, 2),
}


class States(NamedTuple):
    """n states: arrays [n], those of the two histories [n, 2]. `last_decisions` by the order of the
    contracts; `firsts` and `sizes` are the histories' places in `tiles`, int64[any, 11].
    """

    srcs: NDArray[np.int64]
    updated_at: NDArray[np.int64]
    last_scores: NDArray[np.float32]
    last_decisions: NDArray[np.uint8]
    last_occurred_at: NDArray[np.int64]
    lacks_before: NDArray[np.int64]
    firsts: NDArray[np.int64]
    sizes: NDArray[np.int32]
    tiles: NDArray[np.int64]

    def of(self, rows: Any) -> "States":
        """Those of some rows, in their order; the tiles stay where they are."""
        banks = {name: bank[rows] for name, bank in self._asdict().items() if name != "tiles"}
        return States(**banks, tiles=self.tiles)


class Loaded(NamedTuple):
    """n states as records have them: `States`, with the items of each history one behind another,
    int64[any, 11], and where each record's end.
    """

    srcs: NDArray[np.int64]
    updated_at: NDArray[np.int64]
    last_scores: NDArray[np.float32]
    last_decisions: NDArray[np.uint8]
    last_occurred_at: NDArray[np.int64]
    lacks_before: NDArray[np.int64]
    hours: NDArray[np.int64]
    hour_ends: NDArray[np.int64]
    days: NDArray[np.int64]
    day_ends: NDArray[np.int64]


class EarlyStates:
    """States as they were before a tile left them, copied while scores are applied: the row of the
    score, the slot, the state.
    """

    def __init__(self) -> None:
        self.used = np.zeros(1, np.int64)
        self._make(0)

    def _make(self, places: int) -> None:
        self.rows, self.slots = np.zeros(places, np.int64), np.zeros(places, np.int32)
        banks = {
            name: np.full((places, *shape), fill, kind)
            for name, (kind, fill, *shape) in _STATE.items()
        }
        self.states = States(**banks, tiles=np.zeros((places * ROOM, COLUMNS), np.int64))

    def is_full(self) -> bool:
        return int(self.used[0]) == len(self.rows)

    def clear(self) -> None:
        """There is place again; none is made before the first time that it is wanted."""
        self.used[0] = 0
        if not len(self.rows):
            self._make(EARLY_STATES)


class CustomerTable(KeySlots):
    """`held`: 1 where the slot's customer has a state; `changed`: 1 where it changed since it was
    last taken. Keys are customers' ids in UTF-8.

    `approve`, `block`: codes of those decisions.
    """

    PER_SLOT: ClassVar[PerSlot] = {
        **PER_KEY,
        **_STATE,
        "held": (np.uint8, 0),
        "changed": (np.uint8, 0),
        "caps": (np.int32, 0, 2),
    }
    # Its arrays, for readers and for mypy.
    srcs: NDArray[np.int64]
    updated_at: NDArray[np.int64]
    last_scores: NDArray[np.float32]
    last_decisions: NDArray[np.uint8]
    last_occurred_at: NDArray[np.int64]
    lacks_before: NDArray[np.int64]
    firsts: NDArray[np.int64]
    sizes: NDArray[np.int32]
    held: NDArray[np.uint8]
    changed: NDArray[np.uint8]
    caps: NDArray[np.int32]

    def __init__(self, approve: int, block: int, slots: int = 64) -> None:
        super().__init__(slots)
        self._approve, self._block = approve, block
        self.tiles = np.zeros((0, COLUMNS), np.int64)
        self._tiles_used, self._live = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self._frees = np.full(BLOCKS, -1, np.int64)

    def __len__(self) -> int:
        """How many customers have a state."""
        return int(self._live[0])

    @property
    def states(self) -> States:
        """Of every slot, as they are now."""
        return States(**{name: getattr(self, name) for name in _STATE}, tiles=self.tiles)

    def slots_of(
        self, data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """The slot of each customer; an empty one for who is not known."""
        n = len(starts)
        slots, _ = self.resolve(data, starts, lengths, np.zeros(n, np.int32), np.ones(n, np.uint8))
        return slots

    def apply(
        self,
        slots: NDArray[np.int32],
        counts: Counts,
        early: EarlyStates,
        drain: Callable[[], object],
    ) -> None:
        """Fold counted scores in, in order. A customer's state that changed is kept in `early`
        before a tile leaves it; `drain` is called where those are full, and empties them.
        """
        done, n = 0, len(slots)
        while True:
            done = self._run(
                apply_kernel,
                done,
                n,
                slots,
                *counts,
                self._approve,
                self._block,
                after=(early.rows, early.slots, *early.states, early.used),
            )
            if done == n:
                return
            if not self._grow_tiles(n - done) and early.is_full():
                drain()

    def load(self, deeds: NDArray[np.uint8], slots: NDArray[np.int32], loaded: Loaded) -> None:
        """Take states in order, each in the place of what its slot holds, or empty it: by its deed
        (`kernel.LOAD`, `ERASE`, `LEAVE`).
        """
        done, n = 0, len(slots)
        while (done := self._run(load_kernel, done, n, deeds, slots, *loaded)) != n:
            self._grow_tiles(n - done)

    def _run(self, kernel: Any, done: int, n: int, *given: Any, after: tuple[Any, ...] = ()) -> int:
        rest = (self.held, self.changed, self.caps, self._tiles_used, self._frees, self._live)
        found = int(kernel(done, n, *given, *self.states, *rest, *after))
        if found < 0:
            raise no_room("states of", n, "CustomerTable")
        return found

    def _grow_tiles(self, more: int) -> bool:
        """Room for a record, and for a few tiles of each one behind it; False where it is there."""
        used = int(self._tiles_used[0])
        if used + ROOM <= len(self.tiles):
            return False
        self.tiles = grown(self.tiles, max(used + ROOM + 2 * more, 3 * len(self.tiles) // 2), 0)
        return True

    def take_changed(self) -> NDArray[np.int64]:
        """Slots of the states that changed, in the order of their keys; they count as taken."""
        slots = np.flatnonzero(self.changed[: self.used].view(np.bool_))
        self.changed[slots] = 0
        return self.in_order(slots)

    def expect(self, customers: int) -> None:
        """Make room at once for so many customers in all, who have as many tiles as those that are
        there.
        """
        self.reserve_slots(max(customers - self.used, 0))
        mean = int(self._tiles_used[0]) / max(self.used, 1)
        tiles = ROOM + int(1.05 * mean * customers)
        if tiles > len(self.tiles):
            self.tiles = grown(self.tiles, tiles, 0)
