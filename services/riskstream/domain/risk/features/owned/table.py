"""The state of owned keys as flat arrays: what the kernels update.

A kernel checks its room where it takes it, and stops before what has none; it grows here, and the
kernel goes on.

An event in a ring is two int64: time << 21 | refund << 20 | tag, and amount << 19 | uncounted << 17
| tag. The 20 and 17 bits of tag are of the hash of its transaction's id: by it a correction finds
the event whose place it takes. An uncounted one (a kind that the feature set does not count,
`declare.Feature.kinds`) is there for SINCE_LAST alone. A total of a window is sum << 9 | count, of
what is counted: 256 events of 10^13 fit.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet, Kind, bits_of
from riskstream.domain.risk.features.owned import kernel as k
from riskstream.domain.risk.features.owned.corrections import correct
from riskstream.domain.risk.features.owned.corrections_kernel import REFUND_AT
from riskstream.domain.risk.features.owned.key_kernel import (
    FRESH,
    KNOWN,
    NO_SLOT,
    SHORT,
    UNKNOWN,
    resolve_kernel,
)
from riskstream.domain.risk.features.owned.move_kernel import compact_kernel, rebuild_kernel
from riskstream.domain.risk.features.owned.repeats import Repeats, Told
from riskstream.domain.risk.features.owned.repeats_kernel import SIZE
from riskstream.domain.risk.features.owned.row_kernel import (
    HEAD,
    LOADED,
    NO_ROOM,
    pack_kernel,
    unpack_kernel,
)
from riskstream.runtime.errors import Fatal

_REFUND = np.uint64(1 << REFUND_AT)
_NO_KIND = 63
"""A kind that no feature set counts."""
LATEST_MS = 2**42 - 1
"""The latest time that an event in a ring can have: 2109-05-15, in ms since 1970 UTC."""

_PER_SLOT: dict[str, tuple[Any, int]] = {
    "hashes": (np.uint64, 0),
    "key_starts": (np.int64, 0),
    "key_lengths": (np.int32, 0),
    "partitions": (np.int32, -1),
    "statuses": (np.uint8, KNOWN),
    "ats": (np.int64, -1),
    "offs": (np.int64, 0),
    "caps": (np.int32, 0),
    "firsts": (np.int32, 0),
    "sizes": (np.int32, 0),
    "newests": (np.int64, np.iinfo(np.int64).min // 2),
    "changed": (np.uint8, 0),
    "blocks": (np.int32, -1),
}


class KeyTable:
    """State of the keys of one feature set, of every partition this process owns.

    A key has a slot: `ats` last applied offset, `repeats`, and a ring (`offs`, `caps`, `firsts`,
    `sizes` in the arena `ring`). Exact: pairs of words as `kernel.py` states, per window `lefts`
    and totals in `sums` (`edges` are these windows), and for a key past 256 events a block of
    tiles. Tiled: pairs as `apply_tiles_kernel` states, and no `edges`. `counted`: a bit for each
    kind of transaction that windows count.
    """

    def __init__(self, features: FeatureSet, slots: int = 1024) -> None:
        self.windows = np.array(features.windows_ms, np.int64)
        index = {window: at for at, window in enumerate(features.windows_ms)}
        rows = [(int(each.aggregate), index.get(each.window_ms, 0)) for each in features.owned]
        self.program = np.array(rows, np.int32).reshape(len(rows), 2)
        self.base = len(features.inputs)
        self.counted = bits_of(features.counted)
        self.widths = np.array(features.tiles_ms, np.int64)
        self.edges = self.windows[: 0 if features.tiles_ms else None]
        self.step = 4 if features.tiles_ms else 0
        self.layout = features.version + (1 << 32 if features.tiles_ms else 0)
        self._start(slots)

    def _start(self, slots: int) -> None:
        wide = len(self.edges)
        self.used = 0
        self.key_used = 0
        self.capacity = slots
        for name, (kind, fill) in _PER_SLOT.items():
            setattr(self, name, np.full(slots, fill, kind))
        self.lefts = np.zeros((slots, wide), np.int32)
        self.sums = np.zeros((slots, wide), np.int64)
        self.repeats = Repeats(slots)
        self.key_bytes = np.zeros(slots * 16, np.uint8)
        self.buckets = np.full(_power_of_two(2 * slots), -1, np.int32)
        self.ring = np.zeros((0, 2), np.int64)
        self.arena_used = np.zeros(1, np.int64)
        self.frees = np.full(k.RING_CAP // 4 + 1, -1, np.int64)
        self.tile_numbers = np.full((0, wide, k.TILES), -1, np.int64)
        self.tile_counts = np.zeros((0, wide, k.TILES), np.int64)
        self.tile_sums = np.zeros((0, wide, k.TILES), np.int64)
        self.blocks_used = np.zeros(1, np.int64)

    # The arrays of _PER_SLOT, for readers and for mypy.
    hashes: NDArray[np.uint64]
    key_starts: NDArray[np.int64]
    key_lengths: NDArray[np.int32]
    partitions: NDArray[np.int32]
    statuses: NDArray[np.uint8]
    ats: NDArray[np.int64]
    offs: NDArray[np.int64]
    caps: NDArray[np.int32]
    firsts: NDArray[np.int32]
    sizes: NDArray[np.int32]
    newests: NDArray[np.int64]
    changed: NDArray[np.uint8]
    blocks: NDArray[np.int32]

    def resolve(
        self,
        data: NDArray[np.uint8],
        starts: NDArray[np.int64],
        lengths: NDArray[np.int32],
        partitions: NDArray[np.int32],
        wanted: NDArray[np.uint8],
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """(slot of each record or -1, slots made by this call with status FRESH: their rows are to
        be loaded).
        """
        slots = np.empty(len(starts), np.int32)
        before = self.used
        progress = np.array([0, self.used, self.key_used], np.int64)
        while missing := resolve_kernel(
            progress,
            data,
            starts,
            lengths,
            partitions,
            wanted,
            slots,
            self.buckets,
            self.hashes,
            self.key_starts,
            self.key_lengths,
            self.key_bytes,
            self.partitions,
            self.statuses,
        ):
            self.used, self.key_used = int(progress[1]), int(progress[2])
            if missing == SHORT:
                raise _no_room("columns of", len(starts), "KeyTable.resolve")
            if missing == NO_SLOT:
                self._reserve_slots(len(starts) - int(progress[0]))
            else:
                self._reserve_keys(int(missing))
        self.used, self.key_used = int(progress[1]), int(progress[2])
        return slots, np.arange(before, self.used, dtype=np.int32)

    def apply(
        self,
        slots: NDArray[np.int32],
        times: NDArray[np.int64],
        amounts: NDArray[np.int64],
        ids: NDArray[np.uint64],
        offsets: NDArray[np.int64],
        modes: NDArray[np.uint8],
        verdicts: NDArray[np.uint8],
        out: NDArray[np.float32],
        bodies: NDArray[np.int64] | None = None,
        answers: NDArray[np.int64] | None = None,
        kinds: NDArray[np.int64] | None = None,
        corrects: NDArray[np.uint64] | None = None,
    ) -> Told:
        """Apply a micro-batch in order: verdicts into `verdicts` (repeats_kernel), features into
        `out` (kernel.apply_kernel).

        Modes of conflicts become SKIP. `bodies` and `answers` as in repeats_kernel, unknown where
        not given; `kinds` are indices of `declare.Kind`; `corrects` the hash of the id that each
        corrects, 0 where none. A correction takes the place of the event that it names before it is
        applied; one whose correction came before it leaves after it was.
        """
        n, wide = len(slots), self.base + len(self.program)
        bodies = np.zeros(n, np.int64) if bodies is None else bodies
        kinds = np.zeros(n, np.int64) if kinds is None else kinds
        answers = np.zeros(n, np.int64) if answers is None else answers
        least = min(
            len(each) for each in (times, amounts, kinds, ids, offsets, modes, verdicts, out)
        )
        if least < n or out.shape[1] < wide:
            raise _no_room("vectors and verdicts of", n, "KeyTable.apply")
        told = self.repeats.tell(
            slots, times, ids, bodies, answers, offsets, modes, verdicts, self.ats, corrects
        )
        rows = np.flatnonzero((told.takes != 0) | (told.is_corrected != 0))
        # tiles hold no events: one that was corrected before it came is not counted
        if len(rows) and self.step:
            kinds = np.where(told.is_corrected != 0, _NO_KIND, kinds)
        tags = ids & ~_REFUND | (kinds == Kind.REFUND).astype(np.uint64) << np.uint64(REFUND_AT)

        scratch = np.zeros((2, len(self.windows)), np.int64)

        def run(done: int, stop: int) -> None:
            while done < stop:
                events = (done, stop, slots, times, amounts, kinds, offsets, modes, verdicts)
                asked = (out, self.base, self.program, self.windows, self.counted, *scratch)
                held = (
                    self.ats,
                    self.changed,
                    self.ring,
                    self.offs,
                    self.caps,
                    self.firsts,
                    self.sizes,
                    self.newests,
                    self.arena_used,
                    self.frees,
                )
                if self.step:
                    done = int(k.apply_tiles_kernel(*events, *asked, self.widths, *held))
                else:
                    done = int(
                        k.apply_kernel(
                            *events,
                            tags,
                            *asked,
                            *held,
                            self.lefts,
                            self.sums,
                            self.blocks,
                            self.tile_numbers,
                            self.tile_counts,
                            self.tile_sums,
                            self.blocks_used,
                        )
                    )
                if done < 0:
                    raise _no_room("slots and columns of", n, "KeyTable.apply")
                if done < stop:
                    self._make_room(int(slots[done]), n - done)

        if not len(rows):
            run(0, n)
            return told
        return replace(
            told, corrected=correct(self, rows, slots, ids, (times, amounts, kinds), told, run)
        )

    def key(self, slot: int) -> bytes:
        """The key of a slot."""
        start = int(self.key_starts[slot])
        return self.key_bytes[start : start + int(self.key_lengths[slot])].tobytes()

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
        wide = 3 * k.TILES * len(self.edges)
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
            raise _no_room("rows of", len(slots), "KeyTable.pack")
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
                self.edges,
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
                self._grow_arena(k.RING_CAP)
                self._grow_blocks(1)
                self.repeats.grow(len(values))
        if answer == LOADED:
            self.repeats.filled(slot)
        else:
            self.statuses[slot] = UNKNOWN
        return bool(answer == LOADED)

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
            + _power_of_two(2 * self.used) * self.buckets.itemsize
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
        self._start(
            max(1024, self.capacity // 2 if len(kept) < self.capacity // 4 else self.capacity)
        )
        self.used = len(kept)
        for name, values in old.items():
            getattr(self, name)[: self.used] = values
        self.repeats = repeats.keep(kept, self.capacity)
        self._reserve_keys(int(old["key_lengths"].sum()))
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
            raise _no_room("rings and keys of", self.used, "KeyTable._compact")
        self.key_used = int(key_used)

    def _rebuild(self) -> None:
        if not rebuild_kernel(self.used, self.hashes, self.buckets):
            raise _no_room("buckets for", self.used, "KeyTable._rebuild")

    def _reserve_slots(self, more: int) -> None:
        if self.used + more <= self.capacity:
            return
        new = max(2 * self.capacity, self.used + more)
        for name, (_, fill) in _PER_SLOT.items():
            setattr(self, name, _grown(getattr(self, name), new, fill))
        self.lefts = _grown(self.lefts, new, 0)
        self.sums = _grown(self.sums, new, 0)
        self.repeats.grow_slots(new)
        self.capacity = new
        size = _power_of_two(2 * new)
        if size > len(self.buckets):
            self.buckets = np.full(size, -1, np.int32)
            self._rebuild()

    def _reserve_keys(self, more: int) -> None:
        if self.key_used + more > len(self.key_bytes):
            self.key_bytes = _grown(
                self.key_bytes, max(2 * len(self.key_bytes), self.key_used + more), 0
            )

    def _make_room(self, slot: int, records: int) -> None:
        """Where a kernel stopped before a record of this slot: what that slot's next block needs,
        and more for those behind it.
        """
        if not self.step and self.caps[slot] == k.RING_CAP:
            self._grow_blocks(1)
            return
        if self.step and self.caps[slot] // 4 + 1 >= len(self.frees):
            self.frees = _grown(self.frees, 2 * len(self.frees), -1)
        caps = self.caps[: self.used].astype(np.int64)
        fit = int(
            (-(-self.sizes[: self.used] // self.step) * self.step if self.step else caps).sum()
        )
        if self.arena_used[0] > 1.15 * fit:  # the rest are rings that were outgrown
            self._compact(self.ring, self.key_bytes.copy())
        self._grow_arena(max(int(caps[slot]) * 4, k.RING_CAP) + 16 * min(records, self.used))

    def _grow_arena(self, more: int) -> None:
        """Room for `more` pairs, and for half as much again as there is."""
        needed = int(self.arena_used[0]) + more
        if needed > len(self.ring):
            self.ring = _grown(self.ring, max(needed, int(1.5 * len(self.ring))), 0)

    def _grow_blocks(self, more: int) -> None:
        blocks = int(self.blocks_used[0]) + more
        if len(self.edges) and blocks > len(self.tile_numbers):
            size = max(blocks, 2 * len(self.tile_numbers), 8)
            self.tile_numbers = _grown(self.tile_numbers, size, -1)
            self.tile_counts = _grown(self.tile_counts, size, 0)
            self.tile_sums = _grown(self.tile_sums, size, 0)


def _no_room(what: str, many: int, where: str) -> Fatal:
    return Fatal(
        what=f"there is no room for the {what} {many:,}",
        where=where,
        do="report this: nothing was written past it",
    )


def _grown(array: NDArray[Any], size: int, fill: Any) -> NDArray[Any]:
    new = np.full((size, *array.shape[1:]), fill, array.dtype)
    new[: len(array)] = array
    return new


def _power_of_two(at_least: int) -> int:
    return 1 << (at_least - 1).bit_length()
