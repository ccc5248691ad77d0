"""The kernels that update and read sliding windows of owned keys over flat arrays; `table.py`
explains the arrays.

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

import numpy as np
from numba import njit

from riskstream.domain.risk.features.owned.repeats_kernel import DUPLICATE, LIVE, SKIP
from riskstream.runtime.kernel import kernel
from riskstream.runtime.prefetch import prefetch

RING_CAP = 256
TILES = 65
AHEAD = 8
"""Records ahead for which the ends of a ring are fetched into the cache."""
COUNT, SUM, MEAN, OVER_MEAN, SINCE_LAST = range(5)
MINUTE_MS = 60_000
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
def _fold(tile_numbers, tile_counts, tile_sums, block, windows, time, word):  # type: ignore[no-untyped-def]
    """Add an event that left the ring to the tiles of every window."""
    total = _total_of(word)
    if total == 0:
        return
    for w in range(len(windows)):
        width = (windows[w] + 63) // 64
        number = time // width
        place = number % TILES
        if tile_numbers[block, w, place] < number:
            tile_numbers[block, w, place] = number
            tile_counts[block, w, place] = 0
            tile_sums[block, w, place] = 0
        if tile_numbers[block, w, place] == number:
            tile_counts[block, w, place] += 1
            tile_sums[block, w, place] += total >> TOTAL_BITS


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
def _grow(ring, frees, arena_used, offs, caps, firsts, sizes, s, bigger):  # type: ignore[no-untyped-def]
    """Move a key's ring into a block of `bigger` pairs; its first event comes to stand first."""
    fresh = _take(ring, frees, arena_used, bigger)
    cap = caps[s]
    for k in range(sizes[s]):
        place = offs[s] + (firsts[s] + k if firsts[s] + k < cap else firsts[s] + k - cap)
        ring[fresh + k, 0] = ring[place, 0]
        ring[fresh + k, 1] = ring[place, 1]
    if cap > 0:
        _give(ring, frees, offs[s], cap)
    offs[s] = fresh
    caps[s] = bigger
    firsts[s] = 0


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


_GIVEN = (
    "int64(int64, int64, int32[::1], int64[::1], int64[::1], int64[::1], int64, "
    "int64[::1], uint8[::1], uint8[::1],"
    "{out}, int64, int32[:, ::1], int64[::1],"
)
_HELD = (
    "int64[::1], int64[::1], int32[::1], int32[::1], int32[::1], int64[::1], int64[::1], "
    "int64[::1],"
)
_TILES = "int64[:, :, ::1], int64[:, :, ::1], int64[:, :, ::1], int64[::1]"
_EXACT = (
    f"{_GIVEN} uint64[::1], {_HELD} int32[:, ::1], int64[:, ::1], uint8[::1], int64[:, ::1], "
    f"int32[::1], {_TILES})"
)
_TILED = f"{_GIVEN} int64[::1], {_HELD} uint8[::1], int64[:, ::1])"


@kernel(*(_EXACT.replace("{out}", each) for each in OUTS))
def apply_kernel(  # type: ignore[no-untyped-def]
    first,
    n,
    slots,
    times,
    amounts,
    kinds,
    counted,
    offsets,
    modes,
    verdicts,
    out,
    base,
    program,
    windows,
    ids,
    ats,
    offs,
    caps,
    firsts,
    sizes,
    newests,
    arena_used,
    frees,
    lefts,
    sums,
    changed,
    ring,
    blocks,
    tile_numbers,
    tile_counts,
    tile_sums,
    blocks_used,
):
    """Apply records first..n-1 in order: features into out[i, base:], by their `verdicts`. The
    record at which it stopped, or n.

    `counted` has a bit for each of `kinds` that windows count. It stops, before anything of that
    record is done, where the arena has no room for the key's next block, or the tile blocks have
    none: give room and go on from there. -1 where a slot is not there.
    """
    wide = len(windows)
    longest = windows[wide - 1]
    count_w = np.zeros(wide, np.int64)
    sum_w = np.zeros(wide, np.int64)
    for i in range(first, n):
        if i + AHEAD < n and modes[i + AHEAD] != SKIP and 0 <= slots[i + AHEAD] < len(ats):
            s = slots[i + AHEAD]
            mask = caps[s] - 1
            prefetch(ring, offs[s] + ((firsts[s] + sizes[s]) & mask))
            prefetch(ring, offs[s] + ((firsts[s] + sizes[s] - 1) & mask))
            for w in range(wide):
                prefetch(ring, offs[s] + ((firsts[s] + lefts[s, w]) & mask))
        mode = modes[i]
        if mode == SKIP:
            continue
        s = slots[i]
        if s < 0 or s >= len(ats):
            return -1
        if mode != LIVE and ats[s] >= offsets[i]:
            continue
        if sizes[s] == caps[s]:  # the ring may have to grow, or to fold an event into tiles
            if caps[s] == RING_CAP:
                if blocks[s] < 0 and blocks_used[0] == len(tile_numbers):
                    return i
            elif _is_full(ring, frees, arena_used, _next_cap(caps[s])):
                return i
        t = times[i]
        amount = amounts[i]
        own = (counted >> kinds[i]) & 1
        is_duplicate = verdicts[i] == DUPLICATE
        ats[s] = offsets[i]
        changed[s] = 1
        off = offs[s]
        cap = caps[s]
        mask = cap - 1  # caps are powers of two
        position = np.int64(-1)
        if not is_duplicate:
            if t > newests[s]:
                newests[s] = t
                for w in range(wide):
                    left = lefts[s, w]
                    edge = t - windows[w]
                    while (
                        left < sizes[s]
                        and ring[off + ((firsts[s] + left) & mask), 0] >> TIME_BITS <= edge
                    ):
                        sums[s, w] -= _total_of(ring[off + ((firsts[s] + left) & mask), 1])
                        left += 1
                    lefts[s, w] = left
                gone = lefts[s, wide - 1]
                if gone > 0:
                    firsts[s] = (firsts[s] + gone) & mask
                    sizes[s] -= gone
                    for w in range(wide):
                        lefts[s, w] -= gone
            if t > newests[s] - longest:
                tag = np.int64(ids[i])
                word = (
                    (amount << AMOUNT_BITS)
                    | ((1 - own) << KIND_AT)
                    | ((tag >> TIME_BITS) & _AMOUNT_TAG)
                )
                if sizes[s] == cap and cap < RING_CAP:
                    bigger = _next_cap(cap)
                    _grow(ring, frees, arena_used, offs, caps, firsts, sizes, s, bigger)
                    off = offs[s]
                    cap = bigger
                    mask = cap - 1
                fold_this = False
                if sizes[s] == RING_CAP:
                    if blocks[s] < 0:
                        blocks[s] = blocks_used[0]
                        blocks_used[0] += 1
                    oldest = ring[off + firsts[s], 0] >> TIME_BITS
                    if t < oldest:
                        fold_this = True
                        _fold(tile_numbers, tile_counts, tile_sums, blocks[s], windows, t, word)
                    else:
                        gone_word = ring[off + firsts[s], 1]
                        _fold(
                            tile_numbers,
                            tile_counts,
                            tile_sums,
                            blocks[s],
                            windows,
                            oldest,
                            gone_word,
                        )
                        for w in range(wide):
                            if lefts[s, w] > 0:
                                lefts[s, w] -= 1
                            else:
                                sums[s, w] -= _total_of(gone_word)
                        firsts[s] = (firsts[s] + 1) & mask
                        sizes[s] -= 1
                if not fold_this:
                    position = np.int64(sizes[s])
                    while (
                        position > 0
                        and ring[off + ((firsts[s] + position - 1) & mask), 0] >> TIME_BITS > t
                    ):
                        to = off + ((firsts[s] + position) & mask)
                        fr = off + ((firsts[s] + position - 1) & mask)
                        ring[to, 0] = ring[fr, 0]
                        ring[to, 1] = ring[fr, 1]
                        position -= 1
                    place = off + ((firsts[s] + position) & mask)
                    ring[place, 0] = (t << TIME_BITS) | (tag & _TIME_TAG)
                    ring[place, 1] = word
                    sizes[s] += 1
                    total = _total_of(word)
                    for w in range(wide):
                        if t > newests[s] - windows[w]:
                            sums[s, w] += total
                        else:
                            lefts[s, w] += 1
        if mode != LIVE:
            continue
        # Read the windows: from the running sums, which stand at the newest time that ever was;
        # else from the ring.
        previous = np.int64(-1)
        if position >= 0 and position == sizes[s] - 1 and t == newests[s]:
            for w in range(wide):
                count_w[w] = sums[s, w] & _TOTAL
                sum_w[w] = sums[s, w] >> TOTAL_BITS
            if position > 0:
                previous = ring[off + ((firsts[s] + position - 1) & mask), 0] >> TIME_BITS
        else:
            for w in range(wide):
                count_w[w] = 0
                sum_w[w] = 0
            # a repeat is read as its original: find it, so that a retry gets the same answer
            if is_duplicate:
                for k in range(sizes[s] - 1, -1, -1):
                    place = off + ((firsts[s] + k) & mask)
                    if ring[place, 0] >> TIME_BITS == t and ring[place, 1] >> AMOUNT_BITS == amount:
                        position = np.int64(k)
                        break
            for k in range(sizes[s]):
                at = ring[off + ((firsts[s] + k) & mask), 0] >> TIME_BITS
                if at > t:
                    break
                if k < position or position < 0:
                    previous = at
                total = _total_of(ring[off + ((firsts[s] + k) & mask), 1])
                for w in range(wide):
                    if at > t - windows[w]:
                        count_w[w] += total & _TOTAL
                        sum_w[w] += total >> TOTAL_BITS
            if position < 0 and blocks[s] < 0:
                # too old to be kept, or a repeat that differs: it still counts for itself
                for w in range(wide):
                    count_w[w] += own
                    sum_w[w] += own * amount
        if blocks[s] >= 0:
            b = blocks[s]
            for w in range(wide):
                width = (windows[w] + 63) // 64
                for k in range(TILES):
                    number = tile_numbers[b, w, k]
                    if (
                        number >= 0
                        and (number + 1) * width > t - windows[w]
                        and number * width <= t
                    ):
                        count_w[w] += tile_counts[b, w, k]
                        sum_w[w] += tile_sums[b, w, k]
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


@kernel(*(_TILED.replace("{out}", each) for each in OUTS))
def apply_tiles_kernel(  # type: ignore[no-untyped-def]
    first,
    n,
    slots,
    times,
    amounts,
    kinds,
    counted,
    offsets,
    modes,
    verdicts,
    out,
    base,
    program,
    windows,
    widths,
    ats,
    offs,
    caps,
    firsts,
    sizes,
    newests,
    arena_used,
    frees,
    changed,
    ring,
):
    """As `apply_kernel`, in tiles. A pair of the ring is a tile: start in minutes << 31 | level <<
    28 | count, and sum.

    SINCE_LAST is known for an event that is not older than the newest before it, else NaN.
    """
    wide = len(windows)
    count_w = np.zeros(wide, np.int64)
    sum_w = np.zeros(wide, np.int64)
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
            off = offs[s]
            if t > before:
                newests[s] = t
                kept = 0
                for k in range(sizes[s]):  # move up what is past the window of its level
                    head = ring[off + k, 0]
                    total = ring[off + k, 1]
                    old = (head >> 28) & 7
                    level, start = _level_of((head >> 31) * MINUTE_MS, old, t, windows, widths)
                    label = ((start // MINUTE_MS) << 3) | level
                    if level == wide or (
                        level != old and _add(ring, off, kept, label, head & _COUNTS, total)
                    ):
                        continue
                    ring[off + kept, 0] = (label << 28) | (head & _COUNTS)
                    ring[off + kept, 1] = total
                    kept += 1
                sizes[s] = kept
            level, start = _level_of(t, 0, newests[s], windows, widths)
            label = ((start // MINUTE_MS) << 3) | level
            is_kept = level < wide
            if is_kept and own and not _add(ring, off, sizes[s], label, 1, amount):
                if sizes[s] == caps[s]:
                    _grow(ring, frees, arena_used, offs, caps, firsts, sizes, s, caps[s] + 4)
                place = offs[s] + sizes[s]
                ring[place, 0] = (label << 28) | 1
                ring[place, 1] = amount
                sizes[s] += 1
        if mode != LIVE:
            continue
        for w in range(wide):
            count_w[w] = 0 if is_kept else own
            sum_w[w] = 0 if is_kept else own * amount
        for k in range(offs[s], offs[s] + sizes[s]):
            head = ring[k, 0]
            level = (head >> 28) & 7
            start = (head >> 31) * MINUTE_MS
            if start > t:
                continue
            for w in range(wide):
                if level <= w if t == newests[s] else start + widths[level] > t - windows[w]:
                    count_w[w] += head & _COUNTS
                    sum_w[w] += ring[k, 1]
        since = (
            np.float64(t - before) / 1000.0
            if not is_duplicate and 0 <= before <= t
            else np.float64(np.nan)
        )
        _write(out, i, base, program, count_w, sum_w, amount, own, since)
    return n
