"""The kernels that update and read sliding windows of owned keys over flat arrays; `slot_arrays.py`
explains them.

Exact (`apply_kernel`): each key has a ring of its events sorted by time, and for every window the
index of its left edge and the int64 total right of it, so that an event in order costs the same
whatever the window's length. A ring holds up to 256 events; older ones are folded into 65 tiles a
window, whose left edge is quantised to one tile (1/64 window).

Tiled (`apply_tiles_kernel`): each key has a few tiles in no order, each the count and int64 sum of
a stretch of time. An event is kept at the finest level whose tile is not yet past that level's
window, and moves up as the newest event moves on; widths nest, so what is kept depends on the
events alone and not on their order. A window is read from the tiles that reach into it: its left
edge is quantised to one tile of its level.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from riskstream.domain.risk.features.owned.repeats_kernel import DUPLICATE, LIVE, SKIP
from riskstream.runtime.durations import MINUTE_MS
from riskstream.runtime.kernel import kernel
from riskstream.runtime.prefetch import prefetch

RING_CAP = 256
TILES = 65
AHEAD = 8
"""Records ahead for which the ends of a ring are fetched into the cache."""
COUNT, SUM, MEAN, OVER_MEAN, SINCE_LAST = range(5)


class Rings(NamedTuple):
    """Where each slot keeps its events: a block of the arena `ring`; `frees` are blocks given back,
    by size.
    """

    ring: NDArray[np.int64]
    offs: NDArray[np.int64]
    caps: NDArray[np.int32]
    firsts: NDArray[np.int32]
    sizes: NDArray[np.int32]
    newests: NDArray[np.int64]
    arena_used: NDArray[np.int64]
    frees: NDArray[np.int64]


class Edges(NamedTuple):
    """Of each slot and window the index of its left edge in the ring, and the total right of it."""

    lefts: NDArray[np.int32]
    sums: NDArray[np.int64]


class Tiles(NamedTuple):
    """Of each slot its block of tiles or -1, and the blocks: numbers, counts and sums by block,
    window and place.
    """

    blocks: NDArray[np.int32]
    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]
    sums: NDArray[np.int64]
    used: NDArray[np.int64]


class Reading(NamedTuple):
    """Count and sum of each window, as one record reads them."""

    counts: NDArray[np.int64]
    sums: NDArray[np.int64]


OUTS = ("float32[:, ::1]", "float64[:, ::1]")
"""Vectors are float32 for a model, float64 for a table."""
_COUNTS = (1 << 28) - 1
TIME_BITS, AMOUNT_BITS, TOTAL_BITS, KIND_AT = 21, 19, 9, 17
_TIME_TAG, _AMOUNT_TAG, _UNCOUNTED, _TOTAL = (1 << 21) - 1, (1 << 17) - 1, 3 << 17, (1 << 9) - 1


@njit(inline="always")
def _total_of(word):  # type: ignore[no-untyped-def]
    """What the second word of an event adds to a total."""
    return np.int64(0) if word & _UNCOUNTED else ((word >> AMOUNT_BITS) << TOTAL_BITS) | 1


@njit(inline="always")
def _fold(tiles, block, windows, time, word):  # type: ignore[no-untyped-def]
    """Add an event that left the ring to the tiles of every window."""
    total = _total_of(word)
    if total == 0:
        return
    for w in range(len(windows)):
        width = (windows[w] + 63) // 64
        number = time // width
        place = number % TILES
        if tiles.numbers[block, w, place] < number:
            tiles.numbers[block, w, place] = number
            tiles.counts[block, w, place] = 0
            tiles.sums[block, w, place] = 0
        if tiles.numbers[block, w, place] == number:
            tiles.counts[block, w, place] += 1
            tiles.sums[block, w, place] += total >> TOTAL_BITS


@njit(inline="always")
def _is_full(ring, frees, arena_used, cap):  # type: ignore[no-untyped-def]
    """Whether `_take` has no block of `cap` pairs to give."""
    return cap // 4 >= len(frees) or (frees[cap // 4] < 0 and arena_used[0] + cap > len(ring))


@njit(inline="always")
def _take(ring, frees, arena_used, cap):  # type: ignore[no-untyped-def]
    """Where a block of `cap` pairs of the arena begins: one given back, else a new one. Ask
    `_is_full` before.
    """
    at = frees[cap // 4]
    if at >= 0:
        frees[cap // 4] = ring[at, 0]
        return at
    at = arena_used[0]
    arena_used[0] += cap
    return at


@njit(inline="always")
def _next_cap(cap):  # type: ignore[no-untyped-def]
    return 8 if cap == 0 else min(cap * 4, RING_CAP)


@njit(inline="always")
def _give(ring, frees, at, cap):  # type: ignore[no-untyped-def]
    """Give a block back: the first pair holds the next free block of its size."""
    ring[at, 0] = frees[cap // 4]
    frees[cap // 4] = at


@njit(inline="always")
def _grow(rings, s, bigger):  # type: ignore[no-untyped-def]
    """Move a key's ring into a block of `bigger` pairs; its first event comes to stand first."""
    ring = rings.ring
    fresh = _take(ring, rings.frees, rings.arena_used, bigger)
    cap = rings.caps[s]
    for k in range(rings.sizes[s]):
        place = rings.offs[s] + (
            rings.firsts[s] + k if rings.firsts[s] + k < cap else rings.firsts[s] + k - cap
        )
        ring[fresh + k, 0] = ring[place, 0]
        ring[fresh + k, 1] = ring[place, 1]
    if cap > 0:
        _give(ring, rings.frees, rings.offs[s], cap)
    rings.offs[s] = fresh
    rings.caps[s] = bigger
    rings.firsts[s] = 0


@njit(inline="always")
def _write(out, i, base, program, count_w, sum_w, amount, own, since):  # type: ignore[no-untyped-def]
    """Compute the declared features of one event from its windows; `own` is 1 where they count it,
    `since` in seconds.
    """
    for f in range(program.shape[0]):
        aggregate = program[f, 0]
        w = program[f, 1]
        value = np.float64(np.nan)
        if aggregate == COUNT:
            value = np.float64(count_w[w])
        elif aggregate == SUM:
            value = np.float64(sum_w[w])
        elif aggregate == MEAN:
            if count_w[w] > 0:
                value = np.float64(sum_w[w]) / np.float64(count_w[w])
        elif aggregate == OVER_MEAN:
            others = sum_w[w] - own * amount
            if count_w[w] > own and others > 0:
                value = np.float64(amount) * np.float64(count_w[w] - own) / np.float64(others)
        else:
            value = since
        out[i, base + f] = value


_EVENTS = (
    "int64, int64, int32[::1], int64[::1], int64[::1], int64[::1], int64[::1], uint8[::1], "
    "uint8[::1]"
)
_ASKED = "{out}, int64, int32[:, ::1], int64[::1], int64, int64[::1], int64[::1]"
_RINGS = (
    "int64[::1], uint8[::1], int64[:, ::1], int64[::1], int32[::1], int32[::1], "
    "int32[::1], int64[::1], int64[::1],"
    "int64[::1]"
)
_TILES = "int32[::1], int64[:, :, ::1], int64[:, :, ::1], int64[:, :, ::1], int64[::1]"
_EXACT = (
    f"int64({_EVENTS}, uint64[::1], {_ASKED}, {_RINGS}, int32[:, ::1], int64[:, ::1], {_TILES})"
)
_TILED = f"int64({_EVENTS}, {_ASKED}, int64[::1], {_RINGS})"


@njit(inline="always")
def _fetch(s, rings, lefts):  # type: ignore[no-untyped-def]
    """Fetch what a record of this slot will touch: both ends of its ring, and the left edge of each
    window.
    """
    off, first, mask = rings.offs[s], rings.firsts[s], rings.caps[s] - 1
    prefetch(rings.ring, off + ((first + rings.sizes[s]) & mask))
    prefetch(rings.ring, off + ((first + rings.sizes[s] - 1) & mask))
    for w in range(lefts.shape[1]):
        prefetch(rings.ring, off + ((first + lefts[s, w]) & mask))


@njit(inline="always")
def _has_room(s, rings, tiles):  # type: ignore[no-untyped-def]
    """Whether one more event of this slot has room: its ring may have to grow, or to fold an event
    into tiles.
    """
    if rings.sizes[s] != rings.caps[s]:
        return True
    if rings.caps[s] == RING_CAP:
        return tiles.blocks[s] >= 0 or tiles.used[0] < len(tiles.numbers)
    return not _is_full(rings.ring, rings.frees, rings.arena_used, _next_cap(rings.caps[s]))


@njit(inline="always")
def _slide(s, t, windows, rings, edges):  # type: ignore[no-untyped-def]
    """Move the key's newest time on to `t`: what a window passes leaves its total, what the longest
    passes the ring.
    """
    wide, off, mask = len(windows), rings.offs[s], rings.caps[s] - 1
    ring = rings.ring
    rings.newests[s] = t
    for w in range(wide):
        left = edges.lefts[s, w]
        edge = t - windows[w]
        while (
            left < rings.sizes[s]
            and ring[off + ((rings.firsts[s] + left) & mask), 0] >> TIME_BITS <= edge
        ):
            edges.sums[s, w] -= _total_of(ring[off + ((rings.firsts[s] + left) & mask), 1])
            left += 1
        edges.lefts[s, w] = left
    gone = edges.lefts[s, wide - 1]
    if gone > 0:
        rings.firsts[s] = (rings.firsts[s] + gone) & mask
        rings.sizes[s] -= gone
        for w in range(wide):
            edges.lefts[s, w] -= gone


@njit(inline="always")
def _make_place(s, t, word, windows, rings, edges, tiles):  # type: ignore[no-untyped-def]
    """Let the ring take one more event: it grows, or at its limit the oldest event goes into tiles.

    False where the new event is the oldest, and went there itself.
    """
    if rings.sizes[s] == rings.caps[s] and rings.caps[s] < RING_CAP:
        _grow(rings, s, _next_cap(rings.caps[s]))
    if rings.sizes[s] < RING_CAP:
        return True
    ring, place = rings.ring, rings.offs[s] + rings.firsts[s]
    if tiles.blocks[s] < 0:
        tiles.blocks[s] = tiles.used[0]
        tiles.used[0] += 1
    oldest = ring[place, 0] >> TIME_BITS
    if t < oldest:
        _fold(tiles, tiles.blocks[s], windows, t, word)
        return False
    gone_word = ring[place, 1]
    _fold(tiles, tiles.blocks[s], windows, oldest, gone_word)
    for w in range(len(windows)):
        if edges.lefts[s, w] > 0:
            edges.lefts[s, w] -= 1
        else:
            edges.sums[s, w] -= _total_of(gone_word)
    rings.firsts[s] = (rings.firsts[s] + 1) & (rings.caps[s] - 1)
    rings.sizes[s] -= 1
    return True


@njit(inline="always")
def _insert(s, t, head, word, windows, rings, edges):  # type: ignore[no-untyped-def]
    """Put an event into the ring where its time stands, and into the totals of its windows; its
    position from the first.
    """
    ring, off, first, mask = rings.ring, rings.offs[s], rings.firsts[s], rings.caps[s] - 1
    position = np.int64(rings.sizes[s])
    while position > 0 and ring[off + ((first + position - 1) & mask), 0] >> TIME_BITS > t:
        to = off + ((first + position) & mask)
        fr = off + ((first + position - 1) & mask)
        ring[to, 0] = ring[fr, 0]
        ring[to, 1] = ring[fr, 1]
        position -= 1
    place = off + ((first + position) & mask)
    ring[place, 0] = head
    ring[place, 1] = word
    rings.sizes[s] += 1
    total = _total_of(word)
    for w in range(len(windows)):
        if t > rings.newests[s] - windows[w]:
            edges.sums[s, w] += total
        else:
            edges.lefts[s, w] += 1
    return position


@njit(inline="always")
def _find(s, t, amount, rings):  # type: ignore[no-untyped-def]
    """Position of the newest event of this time and amount; -1 where there is none."""
    ring, off, first, mask = rings.ring, rings.offs[s], rings.firsts[s], rings.caps[s] - 1
    for k in range(rings.sizes[s] - 1, -1, -1):
        place = off + ((first + k) & mask)
        if ring[place, 0] >> TIME_BITS == t and ring[place, 1] >> AMOUNT_BITS == amount:
            return np.int64(k)
    return np.int64(-1)


@njit(inline="always")
def _read_ring(s, t, position, windows, rings, read):  # type: ignore[no-untyped-def]
    """Windows as of `t` from the events of the ring, into `read`; time of the event before
    `position`, -1 for none.
    """
    ring, off, first, mask = rings.ring, rings.offs[s], rings.firsts[s], rings.caps[s] - 1
    previous = np.int64(-1)
    for w in range(len(windows)):
        read.counts[w] = 0
        read.sums[w] = 0
    for k in range(rings.sizes[s]):
        at = ring[off + ((first + k) & mask), 0] >> TIME_BITS
        if at > t:
            break
        if k < position or position < 0:
            previous = at
        total = _total_of(ring[off + ((first + k) & mask), 1])
        for w in range(len(windows)):
            if at > t - windows[w]:
                read.counts[w] += total & _TOTAL
                read.sums[w] += total >> TOTAL_BITS
    return previous


@njit(inline="always")
def _read_totals(s, position, rings, edges, read):  # type: ignore[no-untyped-def]
    """Windows as of the newest time, from the running totals; as `_read_ring` otherwise."""
    for w in range(len(read.counts)):
        read.counts[w] = edges.sums[s, w] & _TOTAL
        read.sums[w] = edges.sums[s, w] >> TOTAL_BITS
    if position == 0:
        return np.int64(-1)
    place = rings.offs[s] + ((rings.firsts[s] + position - 1) & (rings.caps[s] - 1))
    return rings.ring[place, 0] >> TIME_BITS


@njit(inline="always")
def _read_tiles(block, t, windows, tiles, read):  # type: ignore[no-untyped-def]
    """Add the tiles of a block that reach into each window as of `t`."""
    for w in range(len(windows)):
        width = (windows[w] + 63) // 64
        for k in range(TILES):
            number = tiles.numbers[block, w, k]
            if number >= 0 and (number + 1) * width > t - windows[w] and number * width <= t:
                read.counts[w] += tiles.counts[block, w, k]
                read.sums[w] += tiles.sums[block, w, k]


@kernel(*(_EXACT.replace("{out}", each) for each in OUTS), allocates=False)
def apply_kernel(  # type: ignore[no-untyped-def]
    first,
    n,
    slots,
    times,
    amounts,
    kinds,
    offsets,
    modes,
    verdicts,
    ids,
    out,
    base,
    program,
    windows,
    counted,
    count_w,
    sum_w,
    ats,
    changed,
    ring,
    offs,
    caps,
    firsts,
    sizes,
    newests,
    arena_used,
    frees,
    lefts,
    sums,
    blocks,
    tile_numbers,
    tile_counts,
    tile_sums,
    blocks_used,
):
    """Apply records first..n-1 in order: features into out[i, base:], by their `verdicts`. The
    record at which it stopped, or n.

    `counted` has a bit for each of `kinds` that windows count; `count_w` and `sum_w` are room for a
    reading. It stops, before anything of that record is done, where the arena has no room for the
    key's next block, or the tile blocks have none: give room and go on from there. -1 where a slot
    is not there.
    """
    rings = Rings(ring, offs, caps, firsts, sizes, newests, arena_used, frees)
    edges, tiles = (
        Edges(lefts, sums),
        Tiles(blocks, tile_numbers, tile_counts, tile_sums, blocks_used),
    )
    read = Reading(count_w, sum_w)
    longest = windows[len(windows) - 1]
    for i in range(first, n):
        if i + AHEAD < n and modes[i + AHEAD] != SKIP and 0 <= slots[i + AHEAD] < len(ats):
            _fetch(slots[i + AHEAD], rings, lefts)
        mode = modes[i]
        if mode == SKIP:
            continue
        s = slots[i]
        if s < 0 or s >= len(ats):
            return -1
        if mode != LIVE and ats[s] >= offsets[i]:
            continue
        if not _has_room(s, rings, tiles):
            return i
        t = times[i]
        amount = amounts[i]
        own = (counted >> kinds[i]) & 1
        is_duplicate = verdicts[i] == DUPLICATE
        ats[s] = offsets[i]
        changed[s] = 1
        position = np.int64(-1)
        if not is_duplicate:
            if t > newests[s]:
                _slide(s, t, windows, rings, edges)
            if t > newests[s] - longest:
                tag = np.int64(ids[i])
                word = (
                    (amount << AMOUNT_BITS)
                    | ((1 - own) << KIND_AT)
                    | ((tag >> TIME_BITS) & _AMOUNT_TAG)
                )
                if _make_place(s, t, word, windows, rings, edges, tiles):
                    position = _insert(
                        s, t, (t << TIME_BITS) | (tag & _TIME_TAG), word, windows, rings, edges
                    )
        if mode != LIVE:
            continue
        if position >= 0 and position == sizes[s] - 1 and t == newests[s]:
            previous = _read_totals(s, position, rings, edges, read)
        else:
            # a repeat is read as its original: find it, so that a retry gets the same answer
            if is_duplicate:
                position = _find(s, t, amount, rings)
            previous = _read_ring(s, t, position, windows, rings, read)
            if position < 0 and blocks[s] < 0:
                # Too old to be kept, or a repeat that differs: it still counts for itself.
                for w in range(len(windows)):
                    count_w[w] += own
                    sum_w[w] += own * amount
        if blocks[s] >= 0:
            _read_tiles(blocks[s], t, windows, tiles, read)
        since = np.float64(t - previous) / 1000.0 if previous >= 0 else np.float64(np.nan)
        _write(out, i, base, program, count_w, sum_w, amount, own, since)
    return n


@njit(inline="always")
def _level_of(time, first, newest, windows, widths):  # type: ignore[no-untyped-def]
    """(level, start of its tile) of an instant, from level `first` up; the level is len(windows)
    when it is past all.
    """
    start = time
    level = first
    while level < len(windows):
        start = (time // widths[level]) * widths[level]
        if start + widths[level] > newest - windows[level]:
            break
        level += 1
    return level, start


@njit(inline="always")
def _add(ring, off, size, label, count, amount):  # type: ignore[no-untyped-def]
    """Add to the tile of this label (minute and level) among the first `size`; False where there is
    none.
    """
    for k in range(off, off + size):
        if ring[k, 0] >> 28 == label:
            ring[k, 0] = (label << 28) | min((ring[k, 0] & _COUNTS) + count, _COUNTS)
            ring[k, 1] += amount
            return True
    return False


@njit(inline="always")
def _move_up(s, t, windows, widths, rings):  # type: ignore[no-untyped-def]
    """Move the key's newest time on to `t`, and up what is past the window of its level; what is
    past all leaves.
    """
    ring, off = rings.ring, rings.offs[s]
    rings.newests[s] = t
    kept = 0
    for k in range(rings.sizes[s]):
        head = ring[off + k, 0]
        total = ring[off + k, 1]
        old = (head >> 28) & 7
        level, start = _level_of((head >> 31) * MINUTE_MS, old, t, windows, widths)
        label = ((start // MINUTE_MS) << 3) | level
        if level == len(windows) or (
            level != old and _add(ring, off, kept, label, head & _COUNTS, total)
        ):
            continue
        ring[off + kept, 0] = (label << 28) | (head & _COUNTS)
        ring[off + kept, 1] = total
        kept += 1
    rings.sizes[s] = kept


@njit(inline="always")
def _keep(s, t, amount, own, windows, widths, rings):  # type: ignore[no-untyped-def]
    """Add an event to its tile where it is counted; False where it is older than every window."""
    level, start = _level_of(t, 0, rings.newests[s], windows, widths)
    label = ((start // MINUTE_MS) << 3) | level
    if (
        level < len(windows)
        and own
        and not _add(rings.ring, rings.offs[s], rings.sizes[s], label, 1, amount)
    ):
        if rings.sizes[s] == rings.caps[s]:
            _grow(rings, s, rings.caps[s] + 4)
        place = rings.offs[s] + rings.sizes[s]
        rings.ring[place, 0] = (label << 28) | 1
        rings.ring[place, 1] = amount
        rings.sizes[s] += 1
    return level < len(windows)


@njit(inline="always")
def _read_levels(s, t, windows, widths, rings, read):  # type: ignore[no-untyped-def]
    """Add the tiles of a key that reach into each window as of `t`."""
    ring = rings.ring
    for k in range(rings.offs[s], rings.offs[s] + rings.sizes[s]):
        head = ring[k, 0]
        level = (head >> 28) & 7
        start = (head >> 31) * MINUTE_MS
        if start > t:
            continue
        for w in range(len(windows)):
            if level <= w if t == rings.newests[s] else start + widths[level] > t - windows[w]:
                read.counts[w] += head & _COUNTS
                read.sums[w] += ring[k, 1]


@kernel(*(_TILED.replace("{out}", each) for each in OUTS), allocates=False)
def apply_tiles_kernel(  # type: ignore[no-untyped-def]
    first,
    n,
    slots,
    times,
    amounts,
    kinds,
    offsets,
    modes,
    verdicts,
    out,
    base,
    program,
    windows,
    counted,
    count_w,
    sum_w,
    widths,
    ats,
    changed,
    ring,
    offs,
    caps,
    firsts,
    sizes,
    newests,
    arena_used,
    frees,
):
    """As `apply_kernel`, in tiles. A pair of the ring is a tile: start in minutes << 31 | level <<
    28 | count, and sum.

    SINCE_LAST is known for an event that is not older than the newest before it, else NaN.
    """
    rings = Rings(ring, offs, caps, firsts, sizes, newests, arena_used, frees)
    read = Reading(count_w, sum_w)
    for i in range(first, n):
        mode = modes[i]
        if mode == SKIP:
            continue
        s = slots[i]
        if s < 0 or s >= len(ats):
            return -1
        if mode != LIVE and ats[s] >= offsets[i]:
            continue
        if sizes[s] == caps[s] and _is_full(ring, frees, arena_used, caps[s] + 4):
            return i
        t = times[i]
        amount = amounts[i]
        own = (counted >> kinds[i]) & 1
        is_duplicate = verdicts[i] == DUPLICATE
        ats[s] = offsets[i]
        changed[s] = 1
        before = newests[s]
        is_kept = True
        if not is_duplicate:
            if t > before:
                _move_up(s, t, windows, widths, rings)
            is_kept = _keep(s, t, amount, own, windows, widths, rings)
        if mode != LIVE:
            continue
        for w in range(len(windows)):
            count_w[w] = 0 if is_kept else own
            sum_w[w] = 0 if is_kept else own * amount
        _read_levels(s, t, windows, widths, rings, read)
        since = (
            np.float64(t - before) / 1000.0
            if not is_duplicate and 0 <= before <= t
            else np.float64(np.nan)
        )
        _write(out, i, base, program, count_w, sum_w, amount, own, since)
    return n
