"""The kernels of customers' states; `table.py` explains the arrays. Helpers stand here for numba's
cache.

A history is the tiles of one width of one customer, oldest first: `sizes` of them from `firsts` on,
in a block with room for `caps`. History 0 is of hours, 1 of days. A tile is its start and ten sums,
in the order of the contract.
"""

import numpy as np
from numba import njit

from riskstream.domain.risk.customer_risk import DAILY_KEPT, HOURLY_KEPT
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.runtime.kernel import kernel

(
    START,
    TRANSACTIONS,
    AMOUNT,
    ALERTS,
    BLOCKED,
    ALERT_AMOUNT,
    LOSS,
    REFUNDS,
    REFUND_AMOUNT,
    CORRECTED,
    CORRECTED_AMOUNT,
    COLUMNS,
) = range(12)
LEAVE, LOAD, ERASE = 0, 1, 2
"""What `load_kernel` does with a record."""
ROOM = HOURLY_KEPT + DAILY_KEPT
"""Most tiles that one record takes from the arena, and most that a customer has."""
BLOCKS = HOURLY_KEPT + 1
"""Blocks that were outgrown wait in a list by their size; no block is larger than a history."""

_STATES = (
    "int64[::1], int64[::1], float32[::1], uint8[::1], int64[::1], int64[:, ::1], int64[:, ::1], "
    "int32[:, ::1], int64[:, ::1]"
)
_HELD = f"{_STATES}, uint8[::1], uint8[::1], int32[:, ::1], int64[::1], int64[::1], int64[::1]"


@njit(inline="always")
def _kept(history):  # type: ignore[no-untyped-def]
    return HOURLY_KEPT if history == 0 else DAILY_KEPT


@njit(inline="always")
def _width(history):  # type: ignore[no-untyped-def]
    return HOUR_MS if history == 0 else DAY_MS


@njit(inline="always")
def _up_to(tiles, first, size, start):  # type: ignore[no-untyped-def]
    """How many tiles of a history begin at `start` or before; most records are of the newest."""
    count = size
    while count > 0 and tiles[first + count - 1, START] > start:
        count -= 1
    return count


@njit(inline="always")
def _has(tiles, first, count, start):  # type: ignore[no-untyped-def]
    """Whether the last of those is the one that begins at `start`."""
    return count > 0 and tiles[first + count - 1, START] == start


@njit
def _copy(source, at, out, to, count):  # type: ignore[no-untyped-def]
    """Copy tiles; they do not overlap, or `to` is before `at`."""
    for tile in range(count):
        for column in range(COLUMNS):
            out[to + tile, column] = source[at + tile, column]


@njit
def _reserve(slot, history, cap, firsts, sizes, caps, tiles, tiles_used, frees):  # type: ignore[no-untyped-def]
    """Give a history a block with room for `cap` tiles, a larger one; the arena has ROOM."""
    old, old_cap = firsts[slot, history], caps[slot, history]
    first = frees[cap]
    if first >= 0:
        frees[cap] = tiles[first, START]
    else:
        first = tiles_used[0]
        tiles_used[0] = first + cap
    _copy(tiles, old, tiles, first, np.int64(sizes[slot, history]))
    if old_cap > 0:
        tiles[old, START] = frees[old_cap]
        frees[old_cap] = old
    firsts[slot, history] = first
    caps[slot, history] = cap


@njit
def _place(slot, history, start, firsts, sizes, caps, tiles, tiles_used, frees):  # type: ignore[no-untyped-def]
    """The tile that begins at `start`, a new one where there is none: the oldest of a full history
    makes place. -1 where it would be older than all of a full one.
    """
    size = np.int64(sizes[slot, history])
    count = _up_to(tiles, firsts[slot, history], size, start)
    if _has(tiles, firsts[slot, history], count, start):
        return firsts[slot, history] + count - 1
    if size >= _kept(history):
        if count == 0:
            return np.int64(-1)
        first = firsts[slot, history]
        _copy(tiles, first + 1, tiles, first, count - 1)
        at = first + count - 1
    else:
        if size >= caps[slot, history]:
            cap = min(max(2 * size, np.int64(1)), _kept(history))
            _reserve(slot, history, cap, firsts, sizes, caps, tiles, tiles_used, frees)
        at = firsts[slot, history] + count
        for tile in range(firsts[slot, history] + size, at, -1):
            for column in range(COLUMNS):
                tiles[tile, column] = tiles[tile - 1, column]
        sizes[slot, history] = size + 1
    for column in range(COLUMNS):
        tiles[at, column] = 0
    tiles[at, START] = start
    return at


@njit(inline="always")
def _lack(lacks_before, slot, history, start):  # type: ignore[no-untyped-def]
    lacks_before[slot, history] = max(lacks_before[slot, history], start + _width(history))


@njit(inline="always")
def _evicts(slot, at_ms, firsts, sizes, tiles):  # type: ignore[no-untyped-def]
    """True where an event at that time finds a full history that has no tile of it."""
    for history in range(2):
        size = np.int64(sizes[slot, history])
        if size >= _kept(history):
            start = at_ms - at_ms % _width(history)
            first = firsts[slot, history]
            if not _has(tiles, first, _up_to(tiles, first, size, start), start):
                return True
    return False


@njit(inline="always")
def _add(tiles, at, amount, is_refund, is_alert, is_block):  # type: ignore[no-untyped-def]
    if is_refund:
        tiles[at, REFUNDS] += 1
        tiles[at, REFUND_AMOUNT] += amount
    else:
        tiles[at, TRANSACTIONS] += 1
        tiles[at, AMOUNT] += amount
        if is_alert:
            tiles[at, ALERT_AMOUNT] += amount
    tiles[at, ALERTS] += is_alert
    tiles[at, BLOCKED] += is_block


@njit(inline="always")
def _take_out(tiles, at, amount, is_refund):  # type: ignore[no-untyped-def]
    """True where the tile does not hold what leaves: no sum falls below zero."""
    if is_refund:
        tiles[at, REFUNDS] -= 1
        tiles[at, REFUND_AMOUNT] -= amount
    else:
        tiles[at, TRANSACTIONS] -= 1
        tiles[at, AMOUNT] -= amount
    tiles[at, CORRECTED] += 1
    tiles[at, CORRECTED_AMOUNT] += amount
    lacks = False
    for column in range(START + 1, COLUMNS):
        if tiles[at, column] < 0:
            tiles[at, column] = 0
            lacks = True
    return lacks


@kernel(
    "int64(int64, int64, int32[::1], int64[::1], int64[::1], int64[::1], int64[::1], float32[::1], "
    "uint8[::1], uint8[::1], uint8[::1], int64[::1], int64[::1], uint8[::1], int64, int64, "
    f"{_HELD}, int64[::1], int32[::1], {_STATES}, int64[::1])",
    allocates=False,
)
def apply_kernel(  # type: ignore[no-untyped-def]
    first,
    n,
    slots,
    new_srcs,
    appended_at,
    occurred_at,
    amounts,
    scores,
    decisions,
    is_refund,
    is_correction,
    corrected_at,
    corrected_amounts,
    corrected_is_refund,
    approve,
    block,
    srcs,
    updated_at,
    last_scores,
    last_decisions,
    last_occurred_at,
    lacks_before,
    firsts,
    sizes,
    tiles,
    held,
    changed,
    caps,
    tiles_used,
    frees,
    live,
    early_rows,
    early_slots,
    early_srcs,
    early_updated_at,
    early_scores,
    early_decisions,
    early_occurred_at,
    early_lacks_before,
    early_firsts,
    early_sizes,
    early_tiles,
    early_used,
):
    """Apply counted scores first..n-1 in order; the one at which it stopped, or n. -1, and nothing
    done, where a column or a slot is not there.

    It stops before a score for which the arena lacks ROOM, or where it would keep an early state
    and there is no place: make room and go on from there. An early state is what a customer who
    changed had before a tile leaves a history.
    """
    there = min(len(slots), len(new_srcs), len(appended_at), len(occurred_at), len(amounts))
    there = min(there, len(scores), len(decisions), len(is_refund), len(is_correction))
    there = min(there, len(corrected_at), len(corrected_amounts), len(corrected_is_refund))
    if n > there or first < 0 or len(frees) < BLOCKS:
        return np.int64(-1)
    room = min(len(srcs), len(updated_at), len(last_scores), len(last_decisions))
    room = min(room, len(last_occurred_at), len(lacks_before), len(firsts), len(sizes), len(held))
    room = min(room, len(changed), len(caps))
    for i in range(first, n):
        if slots[i] < 0 or slots[i] >= room:
            return np.int64(-1)
    places = min(len(early_rows), len(early_slots), len(early_srcs), len(early_updated_at))
    places = min(places, len(early_scores), len(early_decisions), len(early_occurred_at))
    places = min(places, len(early_lacks_before), len(early_firsts), len(early_sizes))
    places = min(places, len(early_tiles) // ROOM)
    for i in range(first, n):
        slot = slots[i]
        if tiles_used[0] + ROOM > len(tiles):
            return np.int64(i)
        if changed[slot] and _evicts(slot, occurred_at[i], firsts, sizes, tiles):
            e = early_used[0]
            if e >= places:
                return np.int64(i)
            early_rows[e] = i
            early_slots[e] = slot
            early_srcs[e] = srcs[slot]
            early_updated_at[e] = updated_at[slot]
            early_scores[e] = last_scores[slot]
            early_decisions[e] = last_decisions[slot]
            early_occurred_at[e] = last_occurred_at[slot]
            to = e * ROOM
            for history in range(2):
                early_lacks_before[e, history] = lacks_before[slot, history]
                early_firsts[e, history] = to
                early_sizes[e, history] = sizes[slot, history]
                size = np.int64(sizes[slot, history])
                _copy(tiles, firsts[slot, history], early_tiles, to, size)
                to += size
            early_used[0] = e + 1
        is_alert = decisions[i] != approve
        is_block = decisions[i] == block
        for history in range(2):
            start = occurred_at[i] - occurred_at[i] % _width(history)
            at = _place(slot, history, start, firsts, sizes, caps, tiles, tiles_used, frees)
            if at < 0:
                _lack(lacks_before, slot, history, start)
            else:
                _add(tiles, at, amounts[i], is_refund[i] != 0, is_alert, is_block)
            if is_correction[i]:
                start = corrected_at[i] - corrected_at[i] % _width(history)
                count = _up_to(tiles, firsts[slot, history], sizes[slot, history], start)
                if not _has(tiles, firsts[slot, history], count, start) or _take_out(
                    tiles,
                    firsts[slot, history] + count - 1,
                    corrected_amounts[i],
                    corrected_is_refund[i] != 0,
                ):
                    _lack(lacks_before, slot, history, start)
        srcs[slot] = new_srcs[i]
        updated_at[slot] = appended_at[i]
        last_scores[slot] = scores[i]
        last_decisions[slot] = decisions[i]
        last_occurred_at[slot] = max(last_occurred_at[slot], occurred_at[i])
        changed[slot] = 1
        if not held[slot]:
            held[slot] = 1
            live[0] += 1
    return np.int64(n)


@kernel(
    "int64(int64, int64, uint8[::1], int32[::1], int64[::1], int64[::1], float32[::1], "
    "uint8[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[:, ::1], int64[::1], "
    f"{_HELD})",
    allocates=False,
)
def load_kernel(  # type: ignore[no-untyped-def]
    first,
    n,
    deeds,
    slots,
    new_srcs,
    new_updated_at,
    new_scores,
    new_decisions,
    new_occurred_at,
    new_lacks_before,
    hours,
    hour_ends,
    days,
    day_ends,
    srcs,
    updated_at,
    last_scores,
    last_decisions,
    last_occurred_at,
    lacks_before,
    firsts,
    sizes,
    tiles,
    held,
    changed,
    caps,
    tiles_used,
    frees,
    live,
):
    """Take states first..n-1 in order, each in place of what its slot holds, or empty the slot: by
    its deed. The one at which it stopped, as `apply_kernel`, or n; -1 where a column, an item or a
    slot is not there, or a history is too long.

    `hours` and `days` are items as `rows_kernel` gives them; of two that begin together the last
    one counts.
    """
    there = min(len(deeds), len(slots), len(new_srcs), len(new_updated_at), len(new_scores))
    there = min(there, len(new_decisions), len(new_occurred_at), len(new_lacks_before))
    there = min(there, len(hour_ends), len(day_ends))
    if n > there or first < 0 or len(frees) < BLOCKS:
        return np.int64(-1)
    if min(hours.shape[1], days.shape[1]) < COLUMNS:
        return np.int64(-1)
    room = min(len(srcs), len(updated_at), len(last_scores), len(last_decisions))
    room = min(room, len(last_occurred_at), len(lacks_before), len(firsts), len(sizes), len(held))
    room = min(room, len(changed), len(caps))
    for i in range(first, n):
        if deeds[i] == LEAVE:
            continue
        slot = slots[i]
        if slot < 0 or slot >= room:
            return np.int64(-1)
        if tiles_used[0] + ROOM > len(tiles):
            return np.int64(i)
        is_held = deeds[i] == LOAD
        live[0] += np.int64(is_held) - np.int64(held[slot])
        held[slot] = is_held
        changed[slot] = 0
        srcs[slot] = new_srcs[i] if is_held else -1
        updated_at[slot] = new_updated_at[i] if is_held else 0
        last_scores[slot] = new_scores[i] if is_held else np.float32(0)
        last_decisions[slot] = new_decisions[i] if is_held else 0
        last_occurred_at[slot] = new_occurred_at[i] if is_held else 0
        for history in range(2):
            sizes[slot, history] = 0
            lacks_before[slot, history] = new_lacks_before[i, history] if is_held else 0
            if not is_held:
                continue
            items = hours if history == 0 else days
            ends = hour_ends if history == 0 else day_ends
            begin = ends[i - 1] if i > 0 else np.int64(0)
            end = ends[i]
            if begin < 0 or end < begin or end > len(items) or end - begin > _kept(history):
                return np.int64(-1)
            if end - begin > caps[slot, history]:
                cap = end - begin
                _reserve(slot, history, cap, firsts, sizes, caps, tiles, tiles_used, frees)
            for item in range(begin, end):
                at = _place(
                    slot, history, items[item, START], firsts, sizes, caps, tiles, tiles_used, frees
                )
                for column in range(COLUMNS):
                    tiles[at, column] = items[item, column]
    return np.int64(n)
