"""Profiles of one entity as their owner holds them: events and labels in, vectors of closed tiles
out. Pure.

What a vector is depends on the events and labels taken, not on their order: repeats are told by the
last 16 transactions of a key, and of several labels of one transaction the one with the highest
standing counts, whichever came first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import Entity, Feature
from riskstream.domain.risk.features.profiles.labels import Labels
from riskstream.domain.risk.features.profiles.profile_kernel import ADD, LABEL, READ, repeat_kernel
from riskstream.domain.risk.features.profiles.table import NOT_AGAIN, ProfileTable
from riskstream.domain.risk.features.profiles.vector import NEVER
from riskstream.runtime.errors import Fatal

Written = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Of a key's two vectors, newest first: `closed`, `as_of`, the vectors."""

EVENT, LABELLED = 1, 2
"""Kinds of a profile event: indices of the contract's enum ProfileStep."""
LAST_HASHES = 16
PART_TILES = 24
"""Tiles of a part of the state: what is written together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """n profile events of one entity, in log order. `slots` of their keys; `standings` of
    labels.
    """

    slots: NDArray[np.int32]
    kinds: NDArray[np.int64]
    hashes: NDArray[np.int64]
    times: NDArray[np.int64]
    amounts: NDArray[np.int64]
    standings: NDArray[np.int64]


class Profiles:
    """The profiles of the keys of one entity in one partition."""

    def __init__(self, entity: Entity, features: tuple[Feature, ...]) -> None:
        self.entity, self.features = entity, features
        self.table = ProfileTable(features, entity.tile_ms)
        self.keys: list[bytes] = []
        self._slots: dict[bytes, int] = {}
        self.part_ms = PART_TILES * entity.tile_ms
        self.labels = Labels()
        self._touched: list[NDArray[np.int32]] = []
        self._parts: set[tuple[int, int]] = set()
        self._empty = self._read(np.zeros(1, np.int32), 0)[0]
        self._grow(1024)

    def _grow(self, size: int) -> None:
        old = len(self.keys)
        for name, shape, kind, fill in (
            ("last_hashes", (LAST_HASHES,), np.int64, 0),
            ("hash_counts", (), np.int32, 0),
            ("nexts", (), np.int64, NOT_AGAIN),
            ("closed", (2,), np.int64, NEVER),
            ("as_of", (2,), np.int64, NEVER),
            ("vectors", (2, len(self.features)), np.float32, 0),
        ):
            fresh = np.full((size, *shape), fill, kind)
            if old:
                fresh[:old] = getattr(self, name)[:old]
            setattr(self, name, fresh)
        self.vectors[old:] = self._empty

    last_hashes: NDArray[np.int64]
    hash_counts: NDArray[np.int32]
    nexts: NDArray[np.int64]
    closed: NDArray[np.int64]
    """int64[slots, (newest, the one before)]: end of the last closed tile of each vector, NEVER
    where there is none.
    """
    as_of: NDArray[np.int64]
    """int64[slots, (newest, the one before)]: the log's offset when each vector was made."""
    vectors: NDArray[np.float32]
    """float32[slots, (newest, the one before), features]."""

    def slot(self, key: bytes) -> int:
        """The slot of a key, made where it is new."""
        found = self._slots.get(key)
        if found is None:
            if len(self.keys) == len(self.nexts):
                self._grow(2 * len(self.nexts))
            found = self._slots[key] = len(self.keys)
            self.keys.append(key)
        return found

    def take(self, steps: Steps) -> None:
        """Fold events and labels in, in order."""
        is_event = (steps.kinds == EVENT).astype(np.uint8)
        repeats = np.empty(len(is_event), np.uint8)
        if not repeat_kernel(
            steps.slots, steps.hashes, is_event, self.last_hashes, self.hash_counts, repeats
        ):
            raise Fatal(
                what=f"a slot of {len(repeats):,} events is not there",
                where="Profiles.take",
                do="report this",
            )
        what = np.full(len(is_event), ADD, np.uint8)
        amounts = steps.amounts.copy()
        counts = (is_event != 0) & (repeats == 0)
        for row in np.flatnonzero(is_event == 0).tolist():
            change = self.labels.take(
                int(steps.slots[row]),
                int(steps.hashes[row]),
                int(steps.times[row]),
                int(steps.standings[row]),
            )
            if change:
                what[row], amounts[row], counts[row] = LABEL, change, True
        chosen = np.flatnonzero(counts)
        slots, times = steps.slots[chosen], steps.times[chosen]
        self.table.take(what[chosen], slots, times, amounts[chosen])
        self._touched.append(slots)
        self._parts.update(zip(slots.tolist(), (self._part(times)).tolist(), strict=True))

    def _part(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        ends = -(-times // self.entity.tile_ms) * self.entity.tile_ms
        parts: NDArray[np.int64] = -(-ends // self.part_ms)
        return parts

    def _read(self, slots: NDArray[np.int32], at: int) -> NDArray[np.float32]:
        n = len(slots)
        steps, times = np.full(n, READ, np.uint8), np.full(n, at, np.int64)
        found: NDArray[np.float32] = self.table.take(steps, slots, times, times).astype(np.float32)
        return found

    def read(self, key: bytes, closed_at: int) -> NDArray[np.float32]:
        """The vector of a key at the end of a tile, as of what was taken so far."""
        found: NDArray[np.float32] = self._read(np.array([self.slot(key)], np.int32), closed_at)[0]
        return found

    def close(self, clock_ms: int, as_of: int) -> NDArray[np.int32]:
        """Slots whose vector is another one now that tiles up to `clock_ms` are closed, `as_of` an
        offset.
        """
        closed_at = clock_ms // self.entity.tile_ms * self.entity.tile_ms
        due = np.flatnonzero(self.nexts[: len(self.keys)] <= closed_at).astype(np.int32)
        slots: NDArray[np.int32] = np.unique(np.concatenate([due, *self._touched]))
        self._touched.clear()
        if not len(slots):
            return slots
        found = self._read(slots, closed_at)
        self.nexts[slots] = self.table.next_changes(slots)
        held = self.vectors[slots, 0]
        differs = ~((found == held) | (np.isnan(found) & np.isnan(held))).all(axis=1)
        slots, found = slots[differs], found[differs]
        later = closed_at > self.closed[slots, 0]
        self.vectors[slots[later], 1] = self.vectors[slots[later], 0]
        self.closed[slots[later], 1] = self.closed[slots[later], 0]
        self.as_of[slots[later], 1] = self.as_of[slots[later], 0]
        self.vectors[slots, 0], self.closed[slots, 0], self.as_of[slots, 0] = (
            found,
            closed_at,
            as_of,
        )
        return slots

    def take_parts(self) -> list[tuple[int, NDArray[np.int64]]]:
        """(slot, tiles int64[tiles, (end, count, sum, frauds)]) of each part that changed since the
        last call.
        """
        out = []
        for slot, part in sorted(self._parts):
            out.append(
                (slot, self.table.tiles_of(slot, (part - 1) * self.part_ms, part * self.part_ms))
            )
        self._parts.clear()
        return out

    def restore(
        self,
        tiles: dict[bytes, list[NDArray[np.int64]]],
        hashes: dict[bytes, list[int]],
        said: list[tuple[bytes, int, int, int]],
        vectors: dict[bytes, Written],
    ) -> None:
        """Fill an empty instance: parts of the tiles of each key, its last hashes (oldest first),
        labels (key, transaction, standing, occurred_at) and written vectors (`closed`, `as_of`,
        `vectors` of a key).
        """
        names = dict.fromkeys([*tiles, *vectors])
        for key in names:
            slot = self.slot(key)
            mine = hashes.get(key, [])
            self.last_hashes[slot, : len(mine)], self.hash_counts[slot] = mine, len(mine)
            if key in vectors:
                self.closed[slot], self.as_of[slot], self.vectors[slot] = vectors[key]
        none = np.zeros((0, 4), np.int64)
        joined = [np.vstack(tiles[key]) if key in tiles else none for key in names]
        self.table.load([each[np.argsort(each[:, 0], kind="stable")] for each in joined])
        for key, name, standing, occurred_at in said:
            self.labels.restore(self.slot(key), name, occurred_at, standing)
        self.nexts[: len(self.keys)] = 0  # each is looked at when tiles are closed next

    def last_hashes_of(self, slot: int) -> list[int]:
        """Hashes of the slot's last transactions, oldest first."""
        count = int(self.hash_counts[slot])
        kept = min(count, LAST_HASHES)
        return [
            int(self.last_hashes[slot, place % LAST_HASHES]) for place in range(count - kept, count)
        ]
