"""Profiles of one entity as their owner holds them: events and labels in, vectors of closed tiles
out. Pure.

What a vector is depends on the events and labels taken, not on their order: repeats are told by the
last 16 transactions of a key, and of several labels of one transaction the one with the highest
standing counts, whichever came first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.features.declare import Entity, Feature
from riskstream.domain.risk.features.keys.key_slots import KeySlots
from riskstream.domain.risk.features.profiles.labels import Labels
from riskstream.domain.risk.features.profiles.profile_kernel import (
    ADD,
    LABEL,
    READ,
    last_hashes_kernel,
    repeat_kernel,
)
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


class Parts(NamedTuple):
    """n parts of states, in order of slot and part. `tiles` int64[any, (end, count, sum, frauds)]
    and `hashes` are those of one part behind another; `tile_ends` and `hash_ends` int64[n] say
    where each ends. Hashes: of the last transactions of the part's key, oldest first.
    """

    slots: NDArray[np.int64]
    tiles: NDArray[np.int64]
    tile_ends: NDArray[np.int64]
    hashes: NDArray[np.int64]
    hash_ends: NDArray[np.int64]


class Profiles:
    """The profiles of the keys of one entity in one partition; `len` counts keys."""

    def __init__(self, entity: Entity, features: tuple[Feature, ...]) -> None:
        self.entity, self.features = entity, features
        self.table = ProfileTable(features, entity.tile_ms)
        self._keys = KeySlots(1024)
        self.part_ms = PART_TILES * entity.tile_ms
        self.labels = Labels()
        self._touched: list[NDArray[np.int32]] = []
        self._parts: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []
        """Slots and numbers of the parts that changed."""
        self._empty = self._read(np.zeros(1, np.int32), 0)[0]
        self._grow(0, 1024)

    def __len__(self) -> int:
        return self._keys.used

    def _grow(self, old: int, size: int) -> None:
        """Room for `size` slots, where there was for `old`."""
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

    def slots_of(
        self, data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """The slots of n keys, by where they stand in `data`; made where they are new."""
        n, room = len(starts), len(self.nexts)
        slots, _ = self._keys.resolve(
            data, starts, lengths, np.zeros(n, np.int32), np.ones(n, np.uint8)
        )
        if self._keys.used > room:
            self._grow(room, max(2 * room, self._keys.used))
        return slots

    def slots_of_keys(self, keys: Sequence[bytes]) -> NDArray[np.int32]:
        """As `slots_of`."""
        joined = Joined.of(keys)
        sizes = joined.sizes
        return self.slots_of(joined.data, joined.ends - sizes, sizes.astype(np.int32))

    def keys(self, slots: NDArray[Any] | None = None) -> Joined:
        """The keys of some slots, else of all."""
        return self._keys.joined_keys(np.arange(len(self)) if slots is None else slots)

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
        self._parts.append((slots, self._part(times)))

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
        found: NDArray[np.float32] = self._read(self.slots_of_keys([key]), closed_at)[0]
        return found

    def close(self, clock_ms: int, as_of: int) -> NDArray[np.int32]:
        """Slots whose vector is another one now that tiles up to `clock_ms` are closed, `as_of` an
        offset.
        """
        closed_at = clock_ms // self.entity.tile_ms * self.entity.tile_ms
        due = np.flatnonzero(self.nexts[: len(self)] <= closed_at).astype(np.int32)
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

    def take_parts(self) -> Parts:
        """The parts that changed since the last call."""
        changed, self._parts = self._parts, []
        slots = np.concatenate([np.zeros(0, np.int64), *(each for each, _ in changed)])
        parts = np.concatenate([np.zeros(0, np.int64), *(each for _, each in changed)])
        order = np.lexsort((parts, slots))
        slots, parts = slots[order], parts[order]
        is_new = np.ones(len(slots), np.bool_)
        is_new[1:] = (slots[1:] != slots[:-1]) | (parts[1:] != parts[:-1])
        slots, parts = slots[is_new].astype(np.int64), parts[is_new]
        tiles, tile_ends = self.table.tiles_of(
            slots, (parts - 1) * self.part_ms, parts * self.part_ms
        )
        hashes = np.empty(LAST_HASHES * len(slots), np.int64)
        hash_ends = np.empty(len(slots), np.int64)
        if not last_hashes_kernel(slots, self.last_hashes, self.hash_counts, hashes, hash_ends):
            raise Fatal(
                what=f"a slot of {len(slots):,} parts is not there",
                where="Profiles.take_parts",
                do="report this",
            )
        return Parts(slots, tiles, tile_ends, hashes, hash_ends)

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
        slots = self.slots_of_keys(list(names)).tolist()
        for slot, key in zip(slots, names, strict=True):
            mine = hashes.get(key, [])
            self.last_hashes[slot, : len(mine)], self.hash_counts[slot] = mine, len(mine)
            if key in vectors:
                self.closed[slot], self.as_of[slot], self.vectors[slot] = vectors[key]
        none = np.zeros((0, 4), np.int64)
        joined = [np.vstack(tiles[key]) if key in tiles else none for key in names]
        self.table.load([each[np.argsort(each[:, 0], kind="stable")] for each in joined])
        labelled = self.slots_of_keys([key for key, *_ in said]).tolist()
        for slot, (_, name, standing, occurred_at) in zip(labelled, said, strict=True):
            self.labels.restore(slot, name, occurred_at, standing)
        self.nexts[: len(self)] = 0  # each is looked at when tiles are closed next
