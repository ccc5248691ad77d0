"""A slot's state as a row of bytes, and back: what the store keeps of a key. `row_kernel.py` has
the format.
"""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.keys.key_kernel import KNOWN, UNKNOWN
from riskstream.domain.risk.features.keys.key_slots import no_room
from riskstream.domain.risk.features.owned.kernel import RING_CAP, TILES
from riskstream.domain.risk.features.owned.repeats_kernel import SIZE
from riskstream.domain.risk.features.owned.row_kernel import (
    HEAD,
    LOADED,
    NO_ROOM,
    pack_kernel,
    unpack_kernel,
)
from riskstream.domain.risk.features.owned.slot_arrays import SlotArrays


class RowArrays(SlotArrays):
    """Arrays of one feature set whose slots are packed into rows, and filled from them.

    `widths`: the tiles in ms of windows that are tiled. `layout`: the rows' version; a row of
    another one cannot be read.
    """

    def __init__(self, features: FeatureSet, slots: int) -> None:
        windows, is_tiled = np.array(features.windows_ms, np.int64), bool(features.tiles_ms)
        self.widths = np.array(features.tiles_ms, np.int64)
        self.layout = features.version + (1 << 32 if is_tiled else 0)
        self._edged = windows[: 0 if is_tiled else None]
        super().__init__(len(self._edged), 4 if is_tiled else 0, slots)

    def changed_slots(self, partition: int) -> NDArray[np.int32]:
        """Slots of a partition that changed since they were last packed, but for those that could
        not be read.
        """
        used = self.used
        mine = (
            (self.changed[:used] != 0)
            & (self.partitions[:used] == partition)
            & (self.statuses[:used] != UNKNOWN)
        )
        return np.flatnonzero(mine).astype(np.int32)

    def pack(self, slots: NDArray[np.int32]) -> list[bytes]:
        """A row of bytes for each slot."""
        wide = 3 * TILES * len(self._edged)
        ids = self.repeats.heads[slots, SIZE].astype(np.int64)
        bound = int((HEAD + 2 * self.sizes[slots].astype(np.int64) + 2 * ids).sum())
        bound += int((self.blocks[slots] >= 0).sum()) * wide
        out = np.empty(max(bound, 1), np.int64)
        ends = np.empty(len(slots), np.int64)
        used = pack_kernel(
            slots,
            self.layout,
            self.ats,
            self.offs,
            self.caps,
            self.firsts,
            self.sizes,
            self.newests,
            self.repeats.heads,
            self.repeats.entries,
            self.ring,
            self.blocks,
            self.tile_numbers,
            self.tile_counts,
            self.tile_sums,
            out,
            ends,
        )
        if used < 0:
            raise no_room("rows of", len(slots), "RowArrays.pack")
        joined = out[:used].tobytes()
        starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        return [joined[a * 8 : b * 8] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]

    def load(self, slot: int, row: bytes | None) -> bool:
        """Fill a FRESH slot from its row; None is a key never seen. False where the row cannot be
        read: UNKNOWN.
        """
        self.statuses[slot] = KNOWN
        if row is None:
            return True
        values = np.frombuffer(row, np.int64) if len(row) % 8 == 0 else np.zeros(0, np.int64)
        answer = NO_ROOM
        while answer == NO_ROOM:
            answer = unpack_kernel(
                slot,
                values,
                self.layout,
                self.step,
                len(self.widths),
                self._edged,
                self.ats,
                self.offs,
                self.caps,
                self.firsts,
                self.sizes,
                self.newests,
                self.arena_used,
                self.lefts,
                self.sums,
                self.repeats.heads,
                self.repeats.entries,
                self.repeats.used,
                self.ring,
                self.blocks,
                self.tile_numbers,
                self.tile_counts,
                self.tile_sums,
                self.blocks_used,
            )
            if answer == NO_ROOM:
                self.grow_arena(RING_CAP)
                self.grow_blocks(1)
                self.repeats.grow(len(values))
        if answer == LOADED:
            self.repeats.filled(slot)
        else:
            self.statuses[slot] = UNKNOWN
        return bool(answer == LOADED)
