"""The kernel that keeps and reads profiles: tiles of entities that are not the partition key.
`profiles/table.py` has the arrays.

Each key has a row of tiles sorted by end, those that a window can still reach, and totals (count,
sum, frauds). A tile holds its end and the totals of what stands before it, so that a window is the
difference between two places of the row, whatever its length; `cursors` remember the places of the
last read. What a read gives depends on the events and labels alone, not on their order.
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel
from riskstream.runtime.prefetch import prefetch

ADD, LABEL, READ = 0, 1, 2
"""Steps: an event joins its tile; `amounts` (1 or -1) is added to the frauds of an event's tile,
which need not be there yet; the windows are read.
"""
SUM, MEAN, FRAUD_RATE = 1, 2, 6
FIRST_TILES = 4
AHEAD = 16
"""Steps ahead for which the places of the last read are fetched into the cache."""


@njit(inline="always")
def _find(tiles, start, size, end):  # type: ignore[no-untyped-def]
    """Index of the first of `size` tiles from `start` that ends at `end` or later; from the newest,
    where most events go.
    """
    if size == 0 or tiles[start + size - 1, 0] < end:
        return start + size
    low, high = start, start + size - 1
    while low < high:
        middle = (low + high) // 2
        if tiles[middle, 0] < end:
            low = middle + 1
        else:
            high = middle
    return low


@njit(inline="always")
def _add(tiles, totals, s, place, stop, count, amount, frauds):  # type: ignore[no-untyped-def]
    """Add to the tile at `place`: to all that stands behind it, up to `stop`, and to the totals."""
    for k in range(place + 1, stop):
        tiles[k, 1] += count
        tiles[k, 2] += amount
        tiles[k, 3] += frauds
    totals[s, 0] += count
    totals[s, 1] += amount
    totals[s, 2] += frauds


@kernel(
    "int64(int64[::1], uint8[::1], int32[::1], int64[::1], int64[::1], int64, int64, "
    "int64[::1], int32[:, ::1], float64[::1],"
    "float64[:, ::1], int64[::1], int32[::1], int32[::1], int32[::1], int64[::1], int64[:, "
    "::1], int32[:, ::1],"
    "int64[::1], int64[:, ::1])"
)
def profile_kernel(  # type: ignore[no-untyped-def]
    progress,
    steps,
    slots,
    times,
    amounts,
    tile_ms,
    horizon,
    edges,
    program,
    defaults,
    out,
    offs,
    caps,
    firsts,
    sizes,
    newests,
    totals,
    cursors,
    arena_used,
    tiles,
):
    """Take the steps in order; each READ fills the next row of out[:, len(program)]. 0, or the room
    that is missing.

    `progress` is (next step, next row): where there is no room in `tiles` the kernel stops before
    that step, and answers how many tiles a key asks for. Called again with more room it goes on
    there. -1: a slot, a row or column of `out`, or the value of a column is not there.

    `edges` are ages, `program` rows of (aggregate, edge where the window ends, edge where it
    begins). A READ at t counts the tiles that end in (t' - begin, t' - end], t' being the end of
    the last tile closed at t. Tiles that ended `horizon` before the newest are dropped. Sums may
    wrap: differences do not mind.
    """
    row = progress[1]
    room = min(
        len(offs), len(caps), len(firsts), len(sizes), len(newests), len(totals), len(cursors)
    )
    is_wide = (
        out.shape[1] >= len(program)
        and len(defaults) >= len(program)
        and cursors.shape[1] >= len(edges)
    )
    if min(len(slots), len(times), len(amounts)) < len(steps):
        return -1
    for i in range(progress[0], len(steps)):
        if i + AHEAD < len(steps) and steps[i + AHEAD] == READ and 0 <= slots[i + AHEAD] < room:
            s = slots[i + AHEAD]
            for e in range(len(edges)):
                prefetch(tiles, offs[s] + firsts[s] + cursors[s, e])
        s = slots[i]
        progress[0] = i
        progress[1] = row
        if s < 0 or s >= room or (steps[i] == READ and (row >= len(out) or not is_wide)):
            return -1
        start = offs[s] + firsts[s]
        size = sizes[s]
        if steps[i] == READ:
            now = times[i] // tile_ms * tile_ms
            for e in range(len(edges)):
                at = min(cursors[s, e], size)
                limit = now - edges[e]
                while at < size and tiles[start + at, 0] <= limit:
                    at += 1
                while at > 0 and tiles[start + at - 1, 0] > limit:
                    at -= 1
                cursors[s, e] = at
            for f in range(len(program)):
                aggregate = program[f, 0]
                last = cursors[s, program[f, 1]]
                first = cursors[s, program[f, 2]]
                column = (
                    1 if aggregate == SUM or aggregate == MEAN else 2 if aggregate > MEAN else 0
                )
                count = np.int64(0)
                value = np.int64(0)
                if last > first:
                    count = totals[s, 0] if last == size else tiles[start + last, 1]
                    count -= tiles[start + first, 1]
                    value = totals[s, column] if last == size else tiles[start + last, column + 1]
                    value -= tiles[start + first, column + 1]
                if aggregate != MEAN and aggregate != FRAUD_RATE:
                    out[row, f] = np.float64(value)
                elif count > 0:
                    out[row, f] = np.float64(value) / np.float64(count)
                else:
                    out[row, f] = defaults[f]
            row += 1
            continue
        end = -(-times[i] // tile_ms) * tile_ms
        place = _find(tiles, start, size, end)
        is_there = place < start + size and tiles[place, 0] == end
        count = np.int64(1)
        amount = amounts[i]
        frauds = np.int64(0)
        if steps[i] == LABEL:
            count = np.int64(0)
            amount = np.int64(0)
            frauds = amounts[i]
        if is_there:
            _add(tiles, totals, s, place, start + size, count, amount, frauds)
            continue
        if end > newests[s] and steps[i] == ADD:
            newests[s] = end
        oldest = newests[s] - horizon
        if end <= oldest:
            continue
        at = place - start
        while size > 0 and tiles[start, 0] <= oldest:
            start += 1
            firsts[s] += 1
            size -= 1
            at -= 1
        if firsts[s] + size == caps[s]:
            to = offs[s]
            if 2 * size >= caps[s]:
                wide = max(2 * np.int64(caps[s]), FIRST_TILES)
                if arena_used[0] + wide > len(tiles):
                    sizes[s] = size
                    return wide
                caps[s] = wide
                to = arena_used[0]
                arena_used[0] += caps[s]
            for k in range(size):
                for column in range(4):
                    tiles[to + k, column] = tiles[start + k, column]
            offs[s] = start = to
            firsts[s] = 0
        for k in range(start + size, start + at, -1):
            for column in range(4):
                tiles[k, column] = tiles[k - 1, column]
        place = start + at
        tiles[place, 0] = end
        if at == size:  # else the totals before it are those before the tile that stood here
            for column in range(3):
                tiles[place, column + 1] = totals[s, column]
        sizes[s] = size + 1
        _add(tiles, totals, s, place, start + size + 1, count, amount, frauds)
    progress[0] = len(steps)
    progress[1] = row
    return 0


@kernel("boolean(int32[::1], int64[::1], uint8[::1], int64[:, ::1], int32[::1], uint8[::1])")
def repeat_kernel(slots, hashes, is_event, last_hashes, hash_counts, out):  # type: ignore[no-untyped-def]
    """1 for each event whose transaction is one of the last 16 of its key; the others are
    remembered.

    False where an array is shorter than another, or a slot is not there: then `out` is not whole.
    """
    if min(len(hashes), len(is_event), len(out)) < len(slots):
        return False
    for i in range(len(slots)):
        out[i] = 0
        if not is_event[i]:
            continue
        s = slots[i]
        if s < 0 or s >= min(len(hash_counts), len(last_hashes)):
            return False
        kept = min(hash_counts[s], last_hashes.shape[1])
        for k in range(kept):
            if last_hashes[s, k] == hashes[i]:
                out[i] = 1
                break
        if out[i] == 0:
            last_hashes[s, hash_counts[s] % last_hashes.shape[1]] = hashes[i]
            hash_counts[s] += 1
            if hash_counts[s] >= 2 * last_hashes.shape[1]:
                hash_counts[s] -= last_hashes.shape[1]
    return True


@kernel(
    "int64(int64[::1], int64[::1], int64[::1], int64[::1], int32[::1], int32[::1], int64[:, ::1], "
    "int64[:, ::1], int64[:, ::1], int64[::1])",
    allocates=False,
)
def parts_kernel(slots, afters, untils, offs, firsts, sizes, totals, tiles, out, ends):  # type: ignore[no-untyped-def]
    """Tiles of each slot that end in (after, until], one behind another: `out` int64[any, (end,
    count, sum, frauds)], and where those of each end in it. How many slots were done: the next one
    is not there, or `out` has no room for its tiles.
    """
    n = min(len(slots), len(afters), len(untils), len(ends))
    room = min(len(offs), len(firsts), len(sizes), len(totals))
    used = 0
    for i in range(n):
        s = slots[i]
        if s < 0 or s >= room:
            return i
        start = offs[s] + firsts[s]
        stop = start + sizes[s]
        if start < 0 or stop > len(tiles):
            return i
        first = _find(tiles, start, stop - start, afters[i] + 1)
        last = _find(tiles, start, stop - start, untils[i] + 1)
        if used + last - first > len(out):
            return i
        for at in range(first, last):
            out[used, 0] = tiles[at, 0]
            for column in range(3):
                behind = totals[s, column] if at + 1 == stop else tiles[at + 1, column + 1]
                out[used, column + 1] = behind - tiles[at, column + 1]
            used += 1
        ends[i] = used
    return n


@kernel("boolean(int64[::1], int64[:, ::1], int32[::1], int64[::1], int64[::1])", allocates=False)
def last_hashes_kernel(slots, last_hashes, hash_counts, out, ends):  # type: ignore[no-untyped-def]
    """Hashes of the last transactions of each slot, oldest first, one behind another in `out`; and
    where those of each end. False where a slot is not there, or `out` has no room.
    """
    if len(ends) < len(slots):
        return False
    used = 0
    wide = last_hashes.shape[1]
    for i in range(len(slots)):
        s = slots[i]
        if s < 0 or s >= min(len(hash_counts), len(last_hashes)):
            return False
        count = hash_counts[s]
        kept = min(count, wide)
        if used + kept > len(out):
            return False
        for place in range(count - kept, count):
            out[used] = last_hashes[s, place % wide]
            used += 1
        ends[i] = used
    return True
