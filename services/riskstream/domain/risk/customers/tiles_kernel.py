"""The kernels of tiles that outlive their states; `tiles.py` explains the arrays. Helpers stand
here for numba's cache.

A history is the tiles of one width of one key, by their start: `sizes` of them from `firsts` on, in
a block with room for `caps`. It has no bound of its own, so blocks come in sizes of which each is
at most half as large again as the one before, and free ones wait in a list by that size.
"""

import numpy as np
from numba import njit

from riskstream.domain.risk.customers.kernel import ERASE, LOAD
from riskstream.runtime.kernel import kernel

START = 0
BLOCK_SIZES = 120
"""How many sizes of blocks there are."""
_NO_ROOM, _MISSING = -1, -2
_HELD = (
    "uint8[::1], int64[:, ::1], int32[:, ::1], int32[:, ::1], int64[:, ::1], int64[::1], int64[::1]"
)


@njit(inline="always")
def _cap(size_number):  # type: ignore[no-untyped-def]
    """Tiles of a block of that size: 1, 2, 3, 4, 6, 8, 12, 16 and so on."""
    if size_number == 0:
        return np.int64(1)
    return np.int64(2 + (size_number - 1) % 2) << np.int64((size_number - 1) // 2)


@njit
def _size_number(tiles):  # type: ignore[no-untyped-def]
    """The number of the smallest block that has room for so many."""
    number = np.int64(0)
    while _cap(number) < tiles:
        number += 1
    return number


@njit(inline="always")
def _more_tiles(size, more, cap):  # type: ignore[no-untyped-def]
    """Tiles of the larger block that is needed for `more`; 0 where there is room."""
    return _cap(_size_number(size + more)) if size + more > cap else np.int64(0)


@njit
def _before(tiles, first, size, start):  # type: ignore[no-untyped-def]
    """How many tiles of a history begin before `start`."""
    low, high = np.int64(0), np.int64(size)
    while low < high:
        middle = (low + high) // 2
        if tiles[first + middle, START] < start:
            low = middle + 1
        else:
            high = middle
    return low


@njit(inline="always")
def _step(tiles, first, size, at, start):  # type: ignore[no-untyped-def]
    """As `_before`, beginning at `at`, where the tile before was: most come in order."""
    if at > 0 and tiles[first + at - 1, START] >= start:
        return _before(tiles, first, size, start)
    while at < size and tiles[first + at, START] < start:
        at += 1
    return at


@njit
def _new(source, begin, end, tiles, first, size):  # type: ignore[no-untyped-def]
    """How many items of `source` begin where a history has no tile; one that comes twice counts
    twice.
    """
    count = np.int64(0)
    if begin >= end:
        return count
    at = _before(tiles, first, size, source[begin, START])
    for item in range(begin, end):
        at = _step(tiles, first, size, at, source[item, START])
        if at == size or tiles[first + at, START] != source[item, START]:
            count += 1
    return count


@njit
def _release(slot, history, firsts, sizes, caps, tiles, frees):  # type: ignore[no-untyped-def]
    """Give a history's block back: it is empty then."""
    cap = np.int64(caps[slot, history])
    if cap > 0:
        number = _size_number(cap)
        tiles[firsts[slot, history], START] = frees[number]
        frees[number] = firsts[slot, history]
    firsts[slot, history] = 0
    sizes[slot, history] = 0
    caps[slot, history] = 0


@njit
def _reserve(slot, history, more, firsts, sizes, caps, tiles, tiles_used, frees):  # type: ignore[no-untyped-def]
    """Give a history a block with room for `more` tiles, where it has none; the arena has room."""
    size = np.int64(sizes[slot, history])
    cap = _more_tiles(size, more, np.int64(caps[slot, history]))
    if cap == 0:
        return
    number = _size_number(cap)
    first = frees[number]
    if first >= 0:
        frees[number] = tiles[first, START]
    else:
        first = tiles_used[0]
        tiles_used[0] = first + cap
    old = firsts[slot, history]
    for tile in range(size):
        for column in range(tiles.shape[1]):
            tiles[first + tile, column] = tiles[old + tile, column]
    _release(slot, history, firsts, sizes, caps, tiles, frees)
    firsts[slot, history] = first
    sizes[slot, history] = size
    caps[slot, history] = cap


@njit
def _merge(source, begin, end, columns, adds, slot, history, firsts, sizes, tiles):  # type: ignore[no-untyped-def]
    """Take items into a history that has room for them: in the place of the tile that begins with
    it, or added to that; `columns` of the source by column of a tile.
    """
    if begin >= end:
        return
    first, size = firsts[slot, history], np.int64(sizes[slot, history])
    at = _before(tiles, first, size, source[begin, START])
    for item in range(begin, end):
        start = source[item, START]
        at = _step(tiles, first, size, at, start)
        is_new = at == size or tiles[first + at, START] != start
        if is_new:
            for tile in range(first + size, first + at, -1):
                for column in range(tiles.shape[1]):
                    tiles[tile, column] = tiles[tile - 1, column]
            size += 1
        for column in range(tiles.shape[1]):
            value = source[item, columns[column]]
            if adds and not is_new and column != START:
                value += tiles[first + at, column]
            tiles[first + at, column] = value
    sizes[slot, history] = size


@kernel(
    "int64(int64, int64[::1], uint8[::1], int32[::1], int64[:, ::1], int64[:, ::1], int64[::1], "
    "int64[:, ::1], int64[::1], int64[::1], int64[::1], int64[::1], int64, "
    f"{_HELD}, int64[::1])",
    allocates=False,
)
def keep_kernel(  # type: ignore[no-untyped-def]
    first,
    order,
    deeds,
    slots,
    lacks_before,
    hours,
    hour_ends,
    days,
    day_ends,
    columns,
    same_columns,
    full,
    pool,
    held,
    firsts,
    sizes,
    caps,
    tiles,
    tiles_used,
    frees,
    whole_from,
):
    """Apply the rows `order[first:]` of some records in that order; where it stopped in it, or its
    length. -1, and nothing done, where a row, a slot, an item or a column is not there.

    A row whose deed is LOAD puts its tiles in the place of those that begin with them; others stay.
    One whose deed is ERASE adds what its slot holds to the slot `pool`. `whole_from` int64[2]
    rises: to `lacks_before` of each row, and to the oldest tile of a `full` history that its slot
    had not held.

    It stops before a row that the arena may lack room for; how much stands in `whole_from[2]`.
    """
    n = len(order)
    rows = min(len(deeds), len(slots), len(lacks_before), len(hour_ends), len(day_ends))
    room = min(len(held), len(firsts), len(sizes), len(caps))
    width = tiles.shape[1]
    if first < 0 or len(whole_from) < 3 or len(full) < 2 or len(frees) < BLOCK_SIZES:
        return np.int64(-1)
    if len(columns) < width or len(same_columns) < width or pool >= room:
        return np.int64(-1)
    for column in range(width):
        if columns[column] < 0 or columns[column] >= min(hours.shape[1], days.shape[1]):
            return np.int64(-1)
        if same_columns[column] != column:
            return np.int64(-1)
    for i in range(first, n):
        row = order[i]
        if row < 0 or row >= rows or slots[row] < 0 or slots[row] >= room:
            return np.int64(-1)
        if deeds[row] == ERASE and pool < 0:
            return np.int64(-1)
        for history in range(2):
            ends = hour_ends if history == 0 else day_ends
            begin = ends[row - 1] if row > 0 else np.int64(0)
            if begin < 0 or ends[row] < begin:
                return np.int64(-1)
            if ends[row] > (len(hours) if history == 0 else len(days)):
                return np.int64(-1)
    for i in range(first, n):
        row = order[i]
        slot = np.int64(slots[row])
        if deeds[row] == LOAD:
            needed = np.int64(0)
            for history in range(2):
                items = hours if history == 0 else days
                ends = hour_ends if history == 0 else day_ends
                begin, end = (ends[row - 1] if row > 0 else np.int64(0)), ends[row]
                size = np.int64(sizes[slot, history])
                more = _new(items, begin, end, tiles, firsts[slot, history], size)
                needed += _more_tiles(size, more, np.int64(caps[slot, history]))
            if tiles_used[0] + needed > len(tiles):
                whole_from[2] = needed
                return np.int64(i)
            for history in range(2):
                items = hours if history == 0 else days
                ends = hour_ends if history == 0 else day_ends
                begin, end = (ends[row - 1] if row > 0 else np.int64(0)), ends[row]
                if not held[slot] and end - begin >= full[history]:
                    oldest = items[begin, START]
                    for item in range(begin + 1, end):
                        oldest = min(oldest, items[item, START])
                    whole_from[history] = max(whole_from[history], oldest)
                whole_from[history] = max(whole_from[history], lacks_before[row, history])
                size = np.int64(sizes[slot, history])
                more = _new(items, begin, end, tiles, firsts[slot, history], size)
                _reserve(slot, history, more, firsts, sizes, caps, tiles, tiles_used, frees)
                _merge(items, begin, end, columns, False, slot, history, firsts, sizes, tiles)
            held[slot] = 1
        elif deeds[row] == ERASE and held[slot] and slot != pool:
            needed = np.int64(0)
            for history in range(2):
                begin = firsts[slot, history]
                end = begin + sizes[slot, history]
                size = np.int64(sizes[pool, history])
                more = _new(tiles, begin, end, tiles, firsts[pool, history], size)
                needed += _more_tiles(size, more, np.int64(caps[pool, history]))
            if tiles_used[0] + needed > len(tiles):
                whole_from[2] = needed
                return np.int64(i)
            for history in range(2):
                begin = firsts[slot, history]
                end = begin + sizes[slot, history]
                size = np.int64(sizes[pool, history])
                more = _new(tiles, begin, end, tiles, firsts[pool, history], size)
                _reserve(pool, history, more, firsts, sizes, caps, tiles, tiles_used, frees)
                _merge(tiles, begin, end, same_columns, True, pool, history, firsts, sizes, tiles)
                _release(slot, history, firsts, sizes, caps, tiles, frees)
            held[slot] = 0
            held[pool] = 1
    return np.int64(n)


@kernel(
    "boolean(int64, int64, int64[:, ::1], int32[:, ::1], int32[:, ::1], int64[:, ::1], int64[::1])",
    allocates=False,
)
def forget_kernel(n, before, firsts, sizes, caps, tiles, frees):  # type: ignore[no-untyped-def]
    """Let go of tiles of slots 0..n-1 that begin before an instant. False, and nothing done, where
    a slot or a list of free blocks is not there.
    """
    if n > min(len(firsts), len(sizes), len(caps)) or len(frees) < BLOCK_SIZES:
        return False
    for slot in range(n):
        for history in range(2):
            size, first = np.int64(sizes[slot, history]), firsts[slot, history]
            if size == 0 or tiles[first, START] >= before:
                continue
            gone = _before(tiles, first, size, before)
            for tile in range(first, first + size - gone):
                for column in range(tiles.shape[1]):
                    tiles[tile, column] = tiles[tile + gone, column]
            sizes[slot, history] = size - gone
            if gone == size:
                _release(slot, history, firsts, sizes, caps, tiles, frees)
    return True


@kernel(
    "int64(int64, int64[::1], boolean[::1], int64, int64, int64, int64[:, ::1], int32[:, ::1], "
    "int64[:, ::1], int64[::1], int64[:, ::1], int64[::1], int64[::1])",
    allocates=False,
)
def rows_in_order_kernel(  # type: ignore[no-untyped-def]
    first, order, begins, history, least, most, firsts, sizes, tiles, cursors, out, owners, used
):
    """Tiles that begin from `least` to `most`, by the slots in `order` and their start, from place
    `first` on; the place at which it stopped, or the length. `used` gets how many there are.

    Slots from a place where `begins` is True to the next one are of one owner: those of their tiles
    that begin together are added up. `owners` get the owner's place. It stops before an owner for
    whom `out`, `owners` or `cursors` have no room. -1 where a slot is not there.
    """
    n = min(len(order), len(begins))
    room = min(len(out), len(owners))
    slots = min(len(firsts), len(sizes))
    width = tiles.shape[1]
    if first < 0 or history < 0 or history > 1 or len(used) < 1 or out.shape[1] < width:
        return np.int64(-1)
    for i in range(first, n):
        if order[i] < 0 or order[i] >= slots:
            return np.int64(-1)
    count = np.int64(0)
    place = np.int64(first)
    while place < n:
        end = place + 1
        while end < n and not begins[end]:
            end += 1
        more = np.int64(0)
        for i in range(place, end):
            size = np.int64(sizes[order[i], history])
            if size == 0:
                continue
            begin = firsts[order[i], history]
            if tiles[begin, START] >= least and tiles[begin + size - 1, START] <= most:
                more += size
                continue
            low = _before(tiles, begin, size, least)
            while low < size and tiles[begin + low, START] <= most:
                low += 1
                more += 1
        if count + more > room or end - place > len(cursors):
            break
        if end - place == 1:
            begin, size = firsts[order[place], history], np.int64(sizes[order[place], history])
            for tile in range(begin, begin + size):
                if tiles[tile, START] < least or tiles[tile, START] > most:
                    continue
                for column in range(width):
                    out[count, column] = tiles[tile, column]
                owners[count] = place
                count += 1
            place = end
            continue
        for i in range(place, end):
            slot = order[i]
            cursors[i - place] = _before(
                tiles, firsts[slot, history], np.int64(sizes[slot, history]), least
            )
        while True:
            found, start = False, np.int64(0)
            for i in range(place, end):
                slot, at = order[i], cursors[i - place]
                if at < sizes[slot, history]:
                    mine = tiles[firsts[slot, history] + at, START]
                    if mine <= most and (not found or mine < start):
                        found, start = True, mine
            if not found:
                break
            for column in range(width):
                out[count, column] = 0
            out[count, START] = start
            for i in range(place, end):
                slot, at = order[i], cursors[i - place]
                if at < sizes[slot, history]:
                    tile = firsts[slot, history] + at
                    if tiles[tile, START] == start:
                        for column in range(START + 1, width):
                            out[count, column] += tiles[tile, column]
                        cursors[i - place] = at + 1
            owners[count] = place
            count += 1
        place = end
    used[0] = count
    return place


@kernel(
    "int64(int64, int64, int64[:, ::1], int64[::1], int64, int64[:, ::1], int64[:, ::1], "
    "int64[::1], int64[::1])",
    allocates=False,
)
def sums_kernel(first, n, rows, owners, counted, windows, totals, whose, used):  # type: ignore[no-untyped-def]
    """Add rows first..n-1 to the sums of their windows and of their owners, as
    `rows_in_order_kernel` gives them; the row at which it stopped, or n. -1 where a column is not
    there.

    `windows` int64[any, 2 + sums] are sorted by their start: start, owners whose column `counted`
    is above zero, sums. `totals` int64[any, sums] and `whose` are by owner. `used` int64[2] says
    how many of both there are. It stops where one of them is full.
    """
    width = rows.shape[1]
    if n > min(len(rows), len(owners)) or first < 0 or len(used) < 2:
        return np.int64(-1)
    if counted < 1 or counted >= width or windows.shape[1] < width + 1:
        return np.int64(-1)
    if totals.shape[1] < width - 1:
        return np.int64(-1)
    at = np.int64(0)
    for i in range(first, n):
        start = rows[i, START]
        size, people = used[0], used[1]
        at = _step(windows, np.int64(0), size, min(at, size), start)
        is_new = at == size or windows[at, START] != start
        is_other = people == 0 or whose[people - 1] != owners[i]
        if is_new and size >= len(windows):
            return np.int64(i)
        if is_other and people >= min(len(totals), len(whose)):
            return np.int64(i)
        if is_new:
            for window in range(size, at, -1):
                for column in range(windows.shape[1]):
                    windows[window, column] = windows[window - 1, column]
            for column in range(windows.shape[1]):
                windows[at, column] = 0
            windows[at, START] = start
            used[0] = size + 1
        if is_other:
            whose[people] = owners[i]
            for column in range(width - 1):
                totals[people, column] = 0
            people += 1
            used[1] = people
        windows[at, 1] += rows[i, counted] > 0
        for column in range(1, width):
            windows[at, column + 1] += rows[i, column]
            totals[people - 1, column - 1] += rows[i, column]
    return np.int64(n)
