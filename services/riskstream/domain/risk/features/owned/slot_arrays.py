"""The flat arrays of owned keys, which kernels update, and how they grow.

A kernel checks its room where it takes it, and stops before what has none; it grows here, and the
kernel goes on.

An event in a ring is two int64: time << 21 | refund << 20 | tag, and amount << 19 | uncounted << 17
| tag. The 20 and 17 bits of tag are of the hash of its transaction's id: by it a correction finds
the event whose place it takes. An uncounted one (a kind that the feature set does not count,
`declare.Feature.kinds`) is there for SINCE_LAST alone. A total of a window is sum << 9 | count, of
what is counted: 256 events of 10^13 fit.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.keys.key_kernel import FRESH
from riskstream.domain.risk.features.keys.key_slots import (
    PER_KEY,
    KeySlots,
    PerSlot,
    grown,
    no_room,
    power_of_two,
)
from riskstream.domain.risk.features.owned.kernel import RING_CAP, TILES, Edges, Rings, Tiles
from riskstream.domain.risk.features.owned.move_kernel import compact_kernel
from riskstream.domain.risk.features.owned.repeats import Repeats

_PER_SLOT: PerSlot = {
    **PER_KEY,
    "ats": (np.int64, -1),
    "offs": (np.int64, 0),
    "caps": (np.int32, 0),
    "firsts": (np.int32, 0),
    "sizes": (np.int32, 0),
    "newests": (np.int64, np.iinfo(np.int64).min // 2),
    "changed": (np.uint8, 0),
    "blocks": (np.int32, -1),
}


class SlotArrays(KeySlots):
    """What is held of each key, in its slot: `ats` last applied offset, `repeats`, and a ring
    (`offs`, `caps`, `firsts`, `sizes` in the arena `ring`).

    Exact (`step` 0): pairs of words as above, per window `lefts` and totals in `sums`, and for a
    key past 256 events a block of tiles. Tiled: pairs as `apply_tiles_kernel` states, of which a
    ring takes `step` more at once.
    """

    PER_SLOT: ClassVar[PerSlot] = _PER_SLOT

    def __init__(self, wide: int, step: int, slots: int) -> None:
        """`wide` windows have edges and tiles: none where the ring itself is of tiles."""
        self._wide, self.step = wide, step
        super().__init__(slots)

    def _start_slots(self, slots: int) -> None:
        super()._start_slots(slots)
        wide = self._wide
        self.lefts = np.zeros((slots, wide), np.int32)
        self.sums = np.zeros((slots, wide), np.int64)
        self.repeats = Repeats(slots)
        self.ring = np.zeros((0, 2), np.int64)
        self.arena_used = np.zeros(1, np.int64)
        self.frees = np.full(RING_CAP // 4 + 1, -1, np.int64)
        self.tile_numbers = np.full((0, wide, TILES), -1, np.int64)
        self.tile_counts = np.zeros((0, wide, TILES), np.int64)
        self.tile_sums = np.zeros((0, wide, TILES), np.int64)
        self.blocks_used = np.zeros(1, np.int64)

    # The other arrays of _PER_SLOT, for readers and for mypy.
    ats: NDArray[np.int64]
    offs: NDArray[np.int64]
    caps: NDArray[np.int32]
    firsts: NDArray[np.int32]
    sizes: NDArray[np.int32]
    newests: NDArray[np.int64]
    changed: NDArray[np.uint8]
    blocks: NDArray[np.int32]

    @property
    def rings(self) -> Rings:
        """Where each slot keeps its events."""
        return Rings(
            self.ring,
            self.offs,
            self.caps,
            self.firsts,
            self.sizes,
            self.newests,
            self.arena_used,
            self.frees,
        )

    @property
    def edges(self) -> Edges:
        """The left edge and total of each slot and window."""
        return Edges(self.lefts, self.sums)

    @property
    def tiles(self) -> Tiles:
        """The blocks of tiles."""
        return Tiles(
            self.blocks, self.tile_numbers, self.tile_counts, self.tile_sums, self.blocks_used
        )

    def hot_bytes(self) -> int:
        """Bytes that the used slots hold, their keys, rings, tiles and places in the hash table
        with them.
        """
        slots = sum(
            getattr(self, name)[: self.used].nbytes for name in (*_PER_SLOT, "lefts", "sums")
        )
        slots += self.repeats.held_bytes(self.used)
        rings = int(self.arena_used[0]) * self.ring.itemsize * 2
        tiles = int(self.blocks_used[0]) * self.tile_numbers[:1].nbytes * 3
        return (
            int(slots + self.key_used + rings + tiles)
            + power_of_two(2 * self.used) * self.buckets.itemsize
        )

    def drop(self, partition: int) -> None:
        """Forget a partition's keys, and give back what they held."""
        stays = (self.partitions[: self.used] != partition) & (self.statuses[: self.used] != FRESH)
        if stays.all():
            return
        kept = np.flatnonzero(stays)
        old_keys, old_ring = self.key_bytes, self.ring
        old = {name: getattr(self, name)[kept] for name in (*_PER_SLOT, "lefts", "sums")}
        repeats = self.repeats
        blocks = np.flatnonzero(old["blocks"] >= 0)
        tiles = [
            each[old["blocks"][blocks]]
            for each in (self.tile_numbers, self.tile_counts, self.tile_sums)
        ]
        self._start_slots(
            max(1024, self.capacity // 2 if len(kept) < self.capacity // 4 else self.capacity)
        )
        self.used = len(kept)
        for name, values in old.items():
            getattr(self, name)[: self.used] = values
        self.repeats = repeats.keep(kept, self.capacity)
        self.reserve_keys(int(old["key_lengths"].sum()))
        self._compact(old_ring, old_keys)
        self.tile_numbers, self.tile_counts, self.tile_sums = tiles
        self.blocks[blocks] = np.arange(len(blocks), dtype=np.int32)
        self.blocks_used[0] = len(blocks)
        self._rebuild()

    def _compact(self, old_ring: NDArray[np.int64], old_keys: NDArray[np.uint8]) -> None:
        self.ring = np.zeros((int(self.caps[: self.used].sum()), 2), np.int64)
        self.frees[:] = -1
        key_used = compact_kernel(
            self.used,
            self.step,
            self.offs,
            self.caps,
            self.firsts,
            self.sizes,
            self.key_starts,
            self.key_lengths,
            old_ring,
            old_keys,
            self.ring,
            self.key_bytes,
            self.arena_used,
        )
        if key_used < 0:
            raise no_room("rings and keys of", self.used, "SlotArrays._compact")
        self.key_used = int(key_used)

    def _grow_slots(self, new: int) -> None:
        self.lefts = grown(self.lefts, new, 0)
        self.sums = grown(self.sums, new, 0)
        self.repeats.grow_slots(new)

    def make_room(self, slot: int, records: int) -> None:
        """Where a kernel stopped before a record of this slot: what that slot's next block needs,
        and more for those behind it.
        """
        if not self.step and self.caps[slot] == RING_CAP:
            self.grow_blocks(1)
            return
        if self.step and self.caps[slot] // 4 + 1 >= len(self.frees):
            self.frees = grown(self.frees, 2 * len(self.frees), -1)
        caps = self.caps[: self.used].astype(np.int64)
        fit = int(
            (-(-self.sizes[: self.used] // self.step) * self.step if self.step else caps).sum()
        )
        if self.arena_used[0] > 1.15 * fit:  # the rest are rings that were outgrown
            self._compact(self.ring, self.key_bytes.copy())
        self.grow_arena(max(int(caps[slot]) * 4, RING_CAP) + 16 * min(records, self.used))

    def grow_arena(self, more: int) -> None:
        """Room for `more` pairs, and for half as much again as there is."""
        needed = int(self.arena_used[0]) + more
        if needed > len(self.ring):
            self.ring = grown(self.ring, max(needed, int(1.5 * len(self.ring))), 0)

    def grow_blocks(self, more: int) -> None:
        blocks = int(self.blocks_used[0]) + more
        if self._wide and blocks > len(self.tile_numbers):
            size = max(blocks, 2 * len(self.tile_numbers), 8)
            self.tile_numbers = grown(self.tile_numbers, size, -1)
            self.tile_counts = grown(self.tile_counts, size, 0)
            self.tile_sums = grown(self.tile_sums, size, 0)
