"""Kernels that turn a key's state into a row of bytes for the store, and back. A row is int64
values, little endian:

layout, at, newest, events, ids, tiles (0 or 1), then the first word of each event, the second of
each (`kernel.py`), two values of each id (`repeats_kernel`), the oldest first, and per window and
tile the number, count and sum. Left edges and totals are made again from the events. Tiled rows
have tiles in place of the events.

The layout has ROW_VERSION in it. Rows of version 3 had no bit for a refund in their tags: these are
left out, so that no correction finds such an event. Rows of version 2 have times and amounts in
place of the words: all are counted, and no tag is known. Rows without a version are older still,
and hold hashes of the last 16 ids alone, in a ring.
"""

import numpy as np

from riskstream.domain.risk.features.owned.kernel import (
    AMOUNT_BITS,
    KIND_AT,
    RING_CAP,
    TILES,
    TIME_BITS,
    TOTAL_BITS,
)
from riskstream.domain.risk.features.owned.repeats_kernel import (
    CAP,
    CLOCK,
    END,
    FEW_IDS,
    FIRST,
    MARK,
    MARK_AT,
    MARKS,
    MAX_IDS,
    OFF,
    SIZE,
)
from riskstream.runtime.durations import HOUR_MS
from riskstream.runtime.kernel import kernel

HEAD = 6
ROW_VERSION, TAGGED_VERSION, PLAIN_VERSION = 4 << 40, 3 << 40, 2 << 40
_UNTAGGED = ~((1 << KIND_AT) - 1)
"""What of an event's second word is no tag."""
LAST_IDS = 16
"""Of a row of before: hashes that it has at most, one behind another."""
NO_ROOM, BROKEN, LOADED = -1, 0, 1
"""Answers of `unpack_kernel`."""


@kernel(
    "int64(int32[::1], int64, int64[::1], int64[::1], int32[::1], int32[::1], int32[::1], "
    "int64[::1], int32[:, ::1],"
    "int64[:, ::1], int64[:, ::1], int32[::1], int64[:, :, ::1], int64[:, :, ::1], "
    "int64[:, :, ::1],"
    "int64[::1], int64[::1])"
)
def pack_kernel(  # type: ignore[no-untyped-def]
    slots,
    layout,
    ats,
    offs,
    caps,
    firsts,
    sizes,
    newests,
    heads,
    entries,
    ring,
    blocks,
    tile_numbers,
    tile_counts,
    tile_sums,
    out,
    ends,
):
    """Pack the slots one behind another into `out`; `ends` get the end of each, in values.

    The values used, or -1 where `out` or `ends` have no room for them, or a slot is not there.
    """
    at = 0
    room = min(
        len(ats),
        len(offs),
        len(caps),
        len(firsts),
        len(sizes),
        len(newests),
        len(heads),
        len(blocks),
    )
    if len(ends) < len(slots):
        return -1
    for i in range(len(slots)):
        s = slots[i]
        if s < 0 or s >= room:
            return -1
        ids = np.int64(heads[s, SIZE])
        tiles = 3 * TILES * tile_numbers.shape[1] if blocks[s] >= 0 else 0
        if at + HEAD + 2 * np.int64(sizes[s]) + 2 * ids + tiles > len(out):
            return -1
        out[at] = layout + ROW_VERSION
        out[at + 1] = ats[s]
        out[at + 2] = newests[s]
        out[at + 3] = sizes[s]
        out[at + 4] = ids
        out[at + 5] = 1 if blocks[s] >= 0 else 0
        at += HEAD
        for k in range(sizes[s]):
            place = offs[s] + ((firsts[s] + k) & (caps[s] - 1))
            out[at + k] = ring[place, 0]
            out[at + sizes[s] + k] = ring[place, 1]
        at += 2 * sizes[s]
        for k in range(ids):
            place = heads[s, OFF] + ((heads[s, FIRST] + k) & (heads[s, CAP] - 1))
            out[at] = entries[place, 0]
            out[at + 1] = entries[place, 1]
            at += 2
        if blocks[s] >= 0:
            for w in range(tile_numbers.shape[1]):
                for k in range(TILES):
                    out[at] = tile_numbers[blocks[s], w, k]
                    out[at + 1] = tile_counts[blocks[s], w, k]
                    out[at + 2] = tile_sums[blocks[s], w, k]
                    at += 3
        ends[i] = at
    return at


@kernel(
    "int64(int32, Array(int64, 1, 'C', readonly=True), int64, int64, int64, int64[::1], "
    "int64[::1], int64[::1], int32[::1],"
    "int32[::1], int32[::1], int64[::1], int64[::1], int32[:, ::1], int64[:, ::1], "
    "int32[:, ::1], int64[:, ::1], int64[::1],"
    "int64[:, ::1], int32[::1], int64[:, :, ::1], int64[:, :, ::1], int64[:, :, ::1], int64[::1])"
)
def unpack_kernel(  # type: ignore[no-untyped-def]
    s,
    row,
    layout,
    step,
    levels,
    windows,
    ats,
    offs,
    caps,
    firsts,
    sizes,
    newests,
    arena_used,
    lefts,
    sums,
    heads,
    entries,
    entries_used,
    ring,
    blocks,
    tile_numbers,
    tile_counts,
    tile_sums,
    blocks_used,
):
    """Fill a slot from a row: LOADED, BROKEN (of another layout as well), or NO_ROOM in the arena,
    the entries or the tile blocks.

    `step`: by how many pairs a ring grows; 0 where it grows fourfold up to 256. `levels`: how many
    widths tiles have. Nothing is done where the answer is not LOADED.
    """
    room = min(
        len(ats),
        len(offs),
        len(caps),
        len(firsts),
        len(sizes),
        len(newests),
        len(lefts),
        len(sums),
        len(heads),
    )
    if s < 0 or s >= min(room, len(blocks)):
        return BROKEN
    if len(row) < HEAD:
        return BROKEN
    is_old = row[0] == layout
    is_tagged = row[0] == layout + TAGGED_VERSION
    is_plain = row[0] == layout + PLAIN_VERSION or is_old
    if not is_plain and not is_tagged and row[0] != layout + ROW_VERSION:
        return BROKEN
    is_plain = is_plain and step == 0
    is_tagged = is_tagged and step == 0
    size = row[3]
    if size < 0 or size > RING_CAP or row[4] < 0 or row[4] > MAX_IDS or row[5] < 0 or row[5] > 1:
        return BROKEN
    if is_old and row[4] >= 2 * LAST_IDS:
        return BROKEN
    ids = min(row[4], LAST_IDS) if is_old else row[4]
    tiles = 3 * TILES * len(windows) if row[5] else 0
    if len(row) != HEAD + 2 * size + (ids if is_old else 2 * ids) + tiles or (
        row[5] and len(windows) == 0
    ):
        return BROKEN
    for k in range(size):
        if step and ((row[HEAD + k] >> 28) & 7) >= levels:
            return BROKEN
    cap = 0
    while cap < size:
        cap = cap + step if step else 8 if cap == 0 else min(cap * 4, RING_CAP)
    id_cap = np.int64(FEW_IDS if ids > 0 else 0)
    while id_cap < ids:
        id_cap *= 2
    if arena_used[0] + cap > len(ring) or (row[5] and blocks_used[0] >= len(tile_numbers)):
        return NO_ROOM
    if entries_used[0] + id_cap > len(entries):
        return NO_ROOM
    ats[s] = row[1]
    newests[s] = row[2]
    sizes[s] = size
    firsts[s] = 0
    caps[s] = cap
    offs[s] = arena_used[0]
    arena_used[0] += cap
    at = HEAD
    for w in range(len(windows)):
        lefts[s, w] = 0
        sums[s, w] = 0
    for k in range(size):
        word = row[at + size + k]
        first = row[at + k]
        if is_plain:
            first = first << TIME_BITS
            word = word << AMOUNT_BITS
        elif is_tagged:
            first = (first >> TIME_BITS) << TIME_BITS
            word = word & _UNTAGGED
        ring[offs[s] + k, 0] = first
        ring[offs[s] + k, 1] = word
        total = ring[offs[s] + k, 1] >> KIND_AT
        total = 0 if total & 3 else ((total >> (AMOUNT_BITS - KIND_AT)) << TOTAL_BITS) | 1
        for w in range(len(windows)):
            if ring[offs[s] + k, 0] >> TIME_BITS > row[2] - windows[w]:
                sums[s, w] += total
            else:
                lefts[s, w] += 1
    at += 2 * size
    clock = min(max(row[2] // HOUR_MS, -(1 << 30)), 1 << 30)
    heads[s, OFF] = entries_used[0]
    heads[s, CAP] = id_cap
    heads[s, FIRST] = 0
    heads[s, SIZE] = ids
    heads[s, END] = ids
    heads[s, CLOCK] = clock
    heads[s, MARKS] = 0
    for k in range(ids):
        place = entries_used[0] + k
        if is_old:  # neither body nor answer is known of these, and they count as new
            entries[place, 0] = row[at + (row[4] - ids + k) % LAST_IDS]
            entries[place, 1] = clock & 63
        else:
            entries[place, 0] = row[at + 2 * k]
            entries[place, 1] = row[at + 2 * k + 1]
            heads[s, MARKS] += 1 if (row[at + 2 * k + 1] >> MARK_AT) & 0x3FF == MARK else 0
    entries_used[0] += id_cap
    at += ids if is_old else 2 * ids
    blocks[s] = -1
    if row[5]:
        blocks[s] = blocks_used[0]
        blocks_used[0] += 1
        for w in range(len(windows)):
            for k in range(TILES):
                tile_numbers[blocks[s], w, k] = row[at]
                tile_counts[blocks[s], w, k] = row[at + 1]
                tile_sums[blocks[s], w, k] = row[at + 2]
                at += 3
    return LOADED
