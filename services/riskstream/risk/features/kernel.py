"""The kernel: updates and reads sliding windows of owned keys over flat arrays. The arrays are explained in `table.py`.

Each key has a ring of its events (time, amount) sorted by time, and for every window the index of its left edge and
the int64 sum right of it, so that an event in order costs the same whatever the window's length. A ring holds up to
256 events; older ones are folded into 65 tiles a window, whose left edge is quantised to one tile (1/64 window).
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel

RING_CAP = 256
TILES = 65
LAST_IDS = 16
LIVE, REPLAY, SKIP, REPLAY_DUPLICATE = 0, 1, 2, 3
"""Modes: score and apply; apply a recorded good one; touch nothing; a recorded duplicate."""
GOOD, DUPLICATE = 1, 3
"""Verdicts that the kernel gives: the index in the contract's enum Verdict."""
COUNT, SUM, MEAN, OVER_MEAN, SINCE_LAST = range(5)
KNOWN, UNKNOWN, FRESH = 0, 1, 2
"""Status of a slot: its row was read or is new; could not be read; waits to be read."""

_U8 = "Array(uint8, 1, 'C', readonly=True)"


@njit(inline="always")
def _hash(data, start, length):  # type: ignore[no-untyped-def]
    """64-bit FNV-1a with MurmurHash3's finaliser."""
    h = np.uint64(14695981039346656037)
    for at in range(start, start + length):
        h = (h ^ np.uint64(data[at])) * np.uint64(1099511628211)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@kernel(f"void({_U8}, int32[::1], int32[::1], uint64[::1])")
def hash_kernel(data, starts, lengths, out):  # type: ignore[no-untyped-def]
    """Hash of each text."""
    for i in range(len(starts)):
        out[i] = _hash(data, starts[i], lengths[i])


@kernel(
    f"int64({_U8}, int32[::1], int32[::1], int32[::1], uint8[::1], int32[::1], int32[::1], uint64[::1], int64[::1],"
    "int32[::1], uint8[::1], int64, int64, int32[::1], uint8[::1])"
)
def resolve_kernel(  # type: ignore[no-untyped-def]
    data, starts, lengths, partitions, wanted, slots, buckets, hashes, key_starts,
    key_lengths, key_bytes, used, key_used, slot_partitions, statuses,
):  # fmt: skip
    """Find or make the slot of each wanted record's key; how many slots are used afterwards.

    The caller has made room: free slots and key bytes for every record, buckets twice the slots.
    """
    mask = np.uint64(len(buckets) - 1)
    for i in range(len(starts)):
        slots[i] = -1
        if not wanted[i]:
            continue
        h = _hash(data, starts[i], lengths[i])
        bucket = h & mask
        while True:
            slot = buckets[bucket]
            if slot < 0:
                slot = used
                used += 1
                buckets[bucket] = slot
                hashes[slot] = h
                key_starts[slot] = key_used
                key_lengths[slot] = lengths[i]
                for at in range(lengths[i]):
                    key_bytes[key_used + at] = data[starts[i] + at]
                key_used += lengths[i]
                slot_partitions[slot] = partitions[i]
                statuses[slot] = FRESH
                break
            if hashes[slot] == h and key_lengths[slot] == lengths[i] and slot_partitions[slot] == partitions[i]:
                same = True
                for at in range(lengths[i]):
                    if key_bytes[key_starts[slot] + at] != data[starts[i] + at]:
                        same = False
                        break
                if same:
                    break
            bucket = (bucket + np.uint64(1)) & mask
        slots[i] = slot
    return used


@njit(inline="always")
def _fold(tile_numbers, tile_counts, tile_sums, block, windows, time, amount):  # type: ignore[no-untyped-def]
    """Add an event that left the ring to the tiles of every window."""
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
            tile_sums[block, w, place] += amount


@kernel(
    "int64(int64, int32[::1], int64[::1], int64[::1], uint64[::1], int64[::1], uint8[::1], uint8[::1],"
    "float32[:, ::1], int64, int32[:, ::1], int64[::1],"
    "int64[::1], int64[::1], int32[::1], int32[::1], int32[::1], int64[::1], int64[::1], int32[:, ::1], int64[:, ::1],"
    "uint64[:, ::1], int32[::1], uint8[::1], int64[::1], int64[::1], int32[::1],"
    "int64[:, :, ::1], int64[:, :, ::1], int64[:, :, ::1], int64[::1])"
)
def apply_kernel(  # type: ignore[no-untyped-def]
    n, slots, times, amounts, ids, offsets, modes, verdicts,
    out, base, program, windows,
    ats, offs, caps, firsts, sizes, newests, arena_used, lefts, sums,
    last_ids, id_counts, changed, ring_times, ring_amounts, blocks,
    tile_numbers, tile_counts, tile_sums, blocks_used,
):  # fmt: skip
    """Apply n records in order: read features into out[i, base:], then verdicts. How many records were applied.

    The caller has made room in the arena (256 events a record) and in the tile blocks (one a record).
    """
    wide = len(windows)
    longest = windows[wide - 1]
    applied = 0
    count_w = np.zeros(wide, np.int64)
    sum_w = np.zeros(wide, np.int64)
    for i in range(n):
        mode = modes[i]
        if mode == SKIP:
            continue
        s = slots[i]
        if mode != LIVE and ats[s] >= offsets[i]:
            continue
        t = times[i]
        amount = amounts[i]
        is_duplicate = mode == REPLAY_DUPLICATE
        if mode == LIVE:
            for k in range(min(id_counts[s], LAST_IDS)):
                if last_ids[s, k] == ids[i]:
                    is_duplicate = True
                    break
        verdicts[i] = DUPLICATE if is_duplicate else GOOD
        ats[s] = offsets[i]
        changed[s] = 1
        applied += 1
        off = offs[s]
        cap = caps[s]
        position = np.int64(-1)
        if not is_duplicate:
            last_ids[s, id_counts[s] % LAST_IDS] = ids[i]
            id_counts[s] += 1
            if id_counts[s] >= 2 * LAST_IDS:
                id_counts[s] -= LAST_IDS
            if t > newests[s]:
                newests[s] = t
                for w in range(wide):
                    left = lefts[s, w]
                    edge = t - windows[w]
                    while left < sizes[s] and ring_times[off + (firsts[s] + left) % cap] <= edge:
                        sums[s, w] -= ring_amounts[off + (firsts[s] + left) % cap]
                        left += 1
                    lefts[s, w] = left
                gone = lefts[s, wide - 1]
                if gone > 0:
                    firsts[s] = (firsts[s] + gone) % cap
                    sizes[s] -= gone
                    for w in range(wide):
                        lefts[s, w] -= gone
            if t > newests[s] - longest:
                if sizes[s] == cap and cap < RING_CAP:
                    bigger = 8 if cap == 0 else min(cap * 4, RING_CAP)
                    fresh = arena_used[0]
                    arena_used[0] += bigger
                    for k in range(sizes[s]):
                        ring_times[fresh + k] = ring_times[off + (firsts[s] + k) % cap]
                        ring_amounts[fresh + k] = ring_amounts[off + (firsts[s] + k) % cap]
                    offs[s] = fresh
                    caps[s] = bigger
                    firsts[s] = 0
                    off = fresh
                    cap = bigger
                fold_this = False
                if sizes[s] == RING_CAP:
                    if blocks[s] < 0:
                        blocks[s] = blocks_used[0]
                        blocks_used[0] += 1
                    oldest = ring_times[off + firsts[s]]
                    if t < oldest:
                        fold_this = True
                        _fold(tile_numbers, tile_counts, tile_sums, blocks[s], windows, t, amount)
                    else:
                        gone_amount = ring_amounts[off + firsts[s]]
                        _fold(tile_numbers, tile_counts, tile_sums, blocks[s], windows, oldest, gone_amount)
                        for w in range(wide):
                            if lefts[s, w] > 0:
                                lefts[s, w] -= 1
                            else:
                                sums[s, w] -= gone_amount
                        firsts[s] = (firsts[s] + 1) % cap
                        sizes[s] -= 1
                if not fold_this:
                    position = np.int64(sizes[s])
                    while position > 0 and ring_times[off + (firsts[s] + position - 1) % cap] > t:
                        to = off + (firsts[s] + position) % cap
                        fr = off + (firsts[s] + position - 1) % cap
                        ring_times[to] = ring_times[fr]
                        ring_amounts[to] = ring_amounts[fr]
                        position -= 1
                    place = off + (firsts[s] + position) % cap
                    ring_times[place] = t
                    ring_amounts[place] = amount
                    sizes[s] += 1
                    for w in range(wide):
                        if t > newests[s] - windows[w]:
                            sums[s, w] += amount
                        else:
                            lefts[s, w] += 1
        if mode != LIVE:
            continue
        # Read the windows: from the running sums when the event is the newest, else from the ring.
        previous = np.int64(-1)
        if position >= 0 and position == sizes[s] - 1:
            for w in range(wide):
                count_w[w] = sizes[s] - lefts[s, w]
                sum_w[w] = sums[s, w]
            if position > 0:
                previous = ring_times[off + (firsts[s] + position - 1) % cap]
        else:
            for w in range(wide):
                count_w[w] = 0
                sum_w[w] = 0
            if is_duplicate:  # a repeat is read as its original: find it, so that a retry gets the same answer
                for k in range(sizes[s] - 1, -1, -1):
                    place = off + (firsts[s] + k) % cap
                    if ring_times[place] == t and ring_amounts[place] == amount:
                        position = np.int64(k)
                        break
            for k in range(sizes[s]):
                at = ring_times[off + (firsts[s] + k) % cap]
                if at > t:
                    break
                if k < position or position < 0:
                    previous = at
                for w in range(wide):
                    if at > t - windows[w]:
                        count_w[w] += 1
                        sum_w[w] += ring_amounts[off + (firsts[s] + k) % cap]
            if position < 0 and blocks[s] < 0:
                for w in range(wide):  # too old to be kept, or a repeat that differs: it still counts for itself
                    count_w[w] += 1
                    sum_w[w] += amount
        if blocks[s] >= 0:
            b = blocks[s]
            for w in range(wide):
                width = (windows[w] + 63) // 64
                for k in range(TILES):
                    number = tile_numbers[b, w, k]
                    if number >= 0 and (number + 1) * width > t - windows[w] and number * width <= t:
                        count_w[w] += tile_counts[b, w, k]
                        sum_w[w] += tile_sums[b, w, k]
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
                others = sum_w[w] - amount
                if count_w[w] > 1 and others > 0:
                    value = np.float64(amount) * np.float64(count_w[w] - 1) / np.float64(others)
            elif previous >= 0:
                value = np.float64(t - previous) / 1000.0
            out[i, base + f] = np.float32(value)
    return applied


@kernel(
    "void(int64, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], uint8[::1], int32[::1], float32[:, ::1])"
)
def input_kernel(n, amounts, times, kinds, channels, mccs, mcc_nulls, program, out):  # type: ignore[no-untyped-def]
    """Fill out[i, :len(program)] with the transaction's own values, by declare.Input."""
    for i in range(n):
        for f in range(len(program)):
            which = program[f]
            if which == 0:
                value = np.float64(amounts[i])
            elif which == 1:
                value = np.float64((times[i] // 3_600_000) % 24)
            elif which == 2:
                value = np.float64((times[i] // 86_400_000 + 3) % 7)  # 1970-01-01 was a Thursday; Monday is 0
            elif which == 3:
                value = np.float64(kinds[i])
            elif which == 4:
                value = np.float64(channels[i])
            else:
                value = np.float64(np.nan) if mcc_nulls[i] else np.float64(mccs[i])
            out[i, f] = np.float32(value)
