"""The state of one entity's profiles as flat arrays: what the kernel updates and reads."""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import Feature
from riskstream.domain.risk.features.profiles.profile_kernel import (
    FIRST_TILES,
    READ,
    parts_kernel,
    profile_kernel,
)
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal

_NEVER = np.iinfo(np.int64).min // 2
NOT_AGAIN = np.iinfo(np.int64).max
LATENESS_MS = DAY_MS
"""How much later than the newest event of its entity an event or a read may be, and still see all
of its windows.
"""


class ProfileTable:
    """Tiles of the keys of one entity, by slot: a slot is a number that the caller gives a key.

    `offs`, `caps`, `firsts` and `sizes` are a key's stretch of the arena `tiles`: int64[:, (end,
    count, sum and frauds of what stands before)]; `totals` int64[slots, (count, sum, frauds)].
    """

    def __init__(self, features: tuple[Feature, ...], tile_ms: int, slots: int = 1024) -> None:
        edges = sorted(
            {age for each in features for age in (each.delay_ms, each.delay_ms + each.window_ms)}
        )
        self.tile_ms = tile_ms
        self.edges = np.array(edges, np.int64)
        self.horizon = edges[-1] + LATENESS_MS
        rows = [
            (
                int(each.aggregate),
                edges.index(each.delay_ms),
                edges.index(each.delay_ms + each.window_ms),
            )
            for each in features
        ]
        self.program = np.array(rows, np.int32)
        self.defaults = np.array([each.default for each in features], np.float64)
        self.offs = np.zeros(slots, np.int64)
        self.caps = np.zeros(slots, np.int32)
        self.firsts = np.zeros(slots, np.int32)
        self.sizes = np.zeros(slots, np.int32)
        self.newests = np.full(slots, _NEVER, np.int64)
        self.totals = np.zeros((slots, 3), np.int64)
        self.cursors = np.zeros((slots, len(edges)), np.int32)
        self.arena_used = np.zeros(1, np.int64)
        self.tiles = np.zeros((slots * FIRST_TILES, 4), np.int64)

    def take(
        self,
        steps: NDArray[np.uint8],
        slots: NDArray[np.int32],
        times: NDArray[np.int64],
        amounts: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Take steps in order (profile_kernel); float64[reads, features], in the order of the
        features.
        """
        self._reserve_slots(int(slots.max(initial=-1)) + 1)
        out = np.empty((int((steps == READ).sum()), len(self.program)), np.float64)
        progress = np.zeros(2, np.int64)
        while missing := profile_kernel(
            progress,
            steps,
            slots,
            times,
            amounts,
            self.tile_ms,
            self.horizon,
            self.edges,
            self.program,
            self.defaults,
            out,
            self.offs,
            self.caps,
            self.firsts,
            self.sizes,
            self.newests,
            self.totals,
            self.cursors,
            self.arena_used,
            self.tiles,
        ):
            if missing < 0:
                raise Fatal(
                    what=f"step {progress[0]:,} of {len(steps):,} asks for slot "
                    f"{slots[progress[0]]:,}",
                    where="ProfileTable.take",
                    do="report this: the kernel wrote nothing",
                )
            added = int(np.count_nonzero(steps[progress[0] :] != READ))
            self._compact(max(int(missing), FIRST_TILES * min(added, len(self.offs))))
        return out

    def next_changes(self, slots: NDArray[np.int32]) -> NDArray[np.int64]:
        """When each slot's windows change next if nothing more comes, after a READ of it: a tile
        enters or leaves then.

        The end of a tile; the largest int64 where nothing will.
        """
        out = np.full(len(slots), NOT_AGAIN, np.int64)
        starts = self.offs[slots] + self.firsts[slots]
        for e, age in enumerate(self.edges.tolist()):
            cursors = self.cursors[slots, e]
            there = cursors < self.sizes[slots]
            ends = self.tiles[(starts + cursors)[there], 0]
            out[there] = np.minimum(out[there], ends + age)
        return out

    def tiles_of(
        self, slots: NDArray[np.int64], afters: NDArray[np.int64], untils: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of n slots the tiles that end in (after, until], one behind another: int64[tiles, (end,
        count, sum, frauds)], and int64[n] where those of each end.
        """
        most = np.minimum((untils - afters) // self.tile_ms, self.sizes[slots])
        out, ends = np.empty((int(most.sum()), 4), np.int64), np.empty(len(slots), np.int64)
        done = parts_kernel(
            slots,
            afters,
            untils,
            self.offs,
            self.firsts,
            self.sizes,
            self.totals,
            self.tiles,
            out,
            ends,
        )
        if done < len(slots):
            raise Fatal(
                what=f"tiles of slot {slots[done]:,} have no room",
                where="ProfileTable.tiles_of",
                do="report this: nothing was written past it",
            )
        return out[: int(ends[-1]) if len(ends) else 0], ends

    def load(self, tiles: list[NDArray[np.int64]]) -> None:
        """Fill the slots 0, 1, … of an empty table: int64[tiles, (end, count, sum, frauds)] each,
        ends rising.
        """
        if not tiles:
            return
        n = len(tiles)
        self._reserve_slots(n)
        sizes = np.array([len(each) for each in tiles], np.int64)
        self.sizes[:n] = self.caps[:n] = sizes
        self.offs[:n] = np.cumsum(sizes) - sizes
        self.arena_used[0] = sizes.sum()
        self.tiles = np.zeros((2 * int(sizes.sum()) + n * FIRST_TILES, 4), np.int64)
        for slot, each in enumerate(tiles):
            start = int(self.offs[slot])
            running = np.cumsum(each[:, 1:], axis=0)
            self.tiles[start : start + len(each), 0] = each[:, 0]
            self.tiles[start + 1 : start + len(each), 1:] = running[:-1]
            self.totals[slot] = running[-1] if len(each) else 0
            counted = each[each[:, 1] > 0, 0]
            self.newests[slot] = counted[-1] if len(counted) else _NEVER

    def _reserve_slots(self, need: int) -> None:
        if need <= len(self.offs):
            return
        more = max(need, 2 * len(self.offs)) - len(self.offs)
        for name in ("offs", "caps", "firsts", "sizes", "totals", "cursors"):
            array = getattr(self, name)
            setattr(
                self, name, np.concatenate([array, np.zeros((more, *array.shape[1:]), array.dtype)])
            )
        self.newests = np.concatenate([self.newests, np.full(more, _NEVER, np.int64)])

    def _compact(self, most: int) -> None:
        """Copy the tiles one behind another, with room for `most` more and as much again as there
        is.
        """
        sizes = self.sizes.astype(np.int64)
        used = int(sizes.sum())
        ends = np.cumsum(sizes)
        starts = ends - sizes
        index = np.arange(used) - np.repeat(starts - self.offs - self.firsts, sizes)
        fresh = np.zeros((2 * used + most, 4), np.int64)
        fresh[:used] = self.tiles[index]
        self.tiles = fresh
        self.offs, self.caps = starts, self.sizes.copy()
        self.firsts[:] = 0
        self.arena_used[0] = used
