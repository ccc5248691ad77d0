"""The kernels of the columnar codec. Plans are explained in `plan.py`; helpers stand here for
numba's cache.
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel

(
    OK,
    EMPTY,
    SHORT,
    BAD_MAGIC,
    UNKNOWN_SCHEMA,
    TRUNCATED,
    TRAILING,
    BAD_TEXT,
    INCOMPATIBLE,
    WAITING,
) = range(10)
BOOL, INT, FLOAT, DOUBLE, TEXT, ENUM, FLOATS, TEXTS, LONGS = range(9)
ROWS = 10
FIXED = 21
"""Most bytes of a field without what a text or an array holds: a branch and two numbers, 10 each at
most, and an end mark.
"""


@njit(inline="always")
def _zigzag(data, position, end):  # type: ignore[no-untyped-def]
    """(value, next position); next position -1 where the bytes end early or the number is over 64
    bits.
    """
    value = np.uint64(0)
    shift = np.uint64(0)
    while position < end and shift < np.uint64(70):
        byte = data[position]
        position += 1
        if shift == np.uint64(63) and byte > 1:
            return np.int64(0), np.int64(-1)
        value |= np.uint64(byte & 127) << shift
        if byte < 128:
            half = np.int64(value >> np.uint64(1))
            return half ^ -np.int64(value & np.uint64(1)), position
        shift += np.uint64(7)
    return np.int64(0), np.int64(-1)


@njit
def _skip_array(data, position, end, kind, width):  # type: ignore[no-untyped-def]
    """(position behind the array, whether a text of it has a byte above 127); position -1 where it
    is broken. An item of ROWS is of `width` longs.
    """
    high = False
    while True:
        count, position = _zigzag(data, position, end)
        if position < 0:
            return np.int64(-1), high
        if count == 0:
            return position, high
        if count < 0:
            count = -count
            _, position = _zigzag(data, position, end)
            if position < 0 or count < 0:
                return np.int64(-1), high
        if kind == LONGS or kind == ROWS:
            if count > end - position:  # each long is a byte at least
                return np.int64(-1), high
            for _ in range(count * width if kind == ROWS else count):
                _, position = _zigzag(data, position, end)
                if position < 0:
                    return np.int64(-1), high
            continue
        if kind == FLOATS:
            if count > (end - position) // 4:
                return np.int64(-1), high
            position += 4 * count
            continue
        for _ in range(count):
            length, position = _zigzag(data, position, end)
            if position < 0 or length < 0 or length > end - position:
                return np.int64(-1), high
            for at in range(position, position + length):
                if data[at] > 127:
                    high = True
            position += length


@kernel(
    "boolean(Array(uint8, 1, 'C', readonly=True), int64[::1], int32[:, ::1], int32[::1], "
    "int64, uint8[::1],"
    "int64[:, ::1], uint8[:, ::1], uint8[:, ::1], int64[:, ::1], int32[:, ::1], uint8[:, ::1])"
)
def decode_kernel(  # type: ignore[no-untyped-def]
    data, ends, ops, symbol_map, known, status, ints, floats, doubles, starts, lengths, nulls
):
    """Decode the frames whose status is UNKNOWN_SCHEMA and whose id is `known`; True where a text
    is not ASCII.

    A frame whose bytes or whose places in the banks are not there stays UNKNOWN_SCHEMA.
    """
    any_high = False
    least = min(len(ends), len(status), ints.shape[1], floats.shape[1] // 4, doubles.shape[1] // 8)
    for i in range(min(least, starts.shape[1], lengths.shape[1], nulls.shape[1])):
        if status[i] != UNKNOWN_SCHEMA:
            continue
        begin = ends[i - 1] if i > 0 else 0
        end = ends[i]
        if begin < 0 or end < begin or end > len(data):
            continue
        size = end - begin
        if size == 0:
            status[i] = EMPTY
            continue
        if size < 5:
            status[i] = SHORT
            continue
        if data[begin] != 0:
            status[i] = BAD_MAGIC
            continue
        found = (
            (np.int64(data[begin + 1]) << 24)
            | (np.int64(data[begin + 2]) << 16)
            | (np.int64(data[begin + 3]) << 8)
            | np.int64(data[begin + 4])
        )
        if found != known:
            continue
        position = begin + 5
        ok = True
        for op in range(ops.shape[0]):
            kind = ops[op, 0]
            row = ops[op, 2]
            if ops[op, 1] >= 0:
                branch, position = _zigzag(data, position, end)
                if position < 0 or branch < 0 or branch > 1:
                    ok = False
                    break
                is_null = branch == ops[op, 1]
                if ops[op, 4] >= 0:
                    nulls[ops[op, 4], i] = is_null
                if is_null:
                    continue
            if kind == INT:
                value, position = _zigzag(data, position, end)
                if position < 0:
                    ok = False
                    break
                if row >= 0:
                    ints[row, i] = value
            elif kind == TEXT:
                length, position = _zigzag(data, position, end)
                if position < 0 or length < 0 or length > end - position:
                    ok = False
                    break
                if row >= 0:
                    starts[row, i] = position
                    lengths[row, i] = length
                for at in range(position, position + length):
                    if data[at] > 127:
                        any_high = True
                position += length
            elif kind == ENUM:
                value, position = _zigzag(data, position, end)
                base = ops[op, 3]
                if position < 0 or value < 0 or value >= symbol_map[base]:
                    ok = False
                    break
                if row >= 0:
                    if symbol_map[base + 1 + value] < 0:
                        ok = False
                        break
                    ints[row, i] = symbol_map[base + 1 + value]
            elif kind == BOOL:
                if position >= end:
                    ok = False
                    break
                if row >= 0:
                    ints[row, i] = data[position] != 0
                position += 1
            elif kind == FLOAT or kind == DOUBLE:
                width = 4 if kind == FLOAT else 8
                if end - position < width:
                    ok = False
                    break
                if row >= 0:
                    for at in range(width):
                        if kind == FLOAT:
                            floats[row, i * 4 + at] = data[position + at]
                        else:
                            doubles[row, i * 8 + at] = data[position + at]
                position += width
            else:
                after, high = _skip_array(data, position, end, kind, ops[op, 3])
                if after < 0:
                    ok = False
                    break
                any_high = any_high or high
                if row >= 0:
                    starts[row, i] = position
                    lengths[row, i] = after - position
                position = after
        if not ok:
            status[i] = TRUNCATED
        elif position != end:
            status[i] = TRAILING
        else:
            status[i] = OK
    return any_high


@kernel(
    "void(Array(uint8, 1, 'C', readonly=True), int64[::1], int32[::1], int64, int64, int64, "
    "int64, int64, boolean[::1])",
    allocates=False,
)
def list_bounds_kernel(  # type: ignore[no-untyped-def]
    data, starts, lengths, kind, width, most_items, most_bytes, most_total, broken
):
    """Mark in `broken` each array field of `kind` with over `most_items` items, or a text over
    `most_bytes`, or texts over `most_total` bytes together. Spans are those of `decode_kernel`, an
    item of ROWS is of `width` longs; what is no array there is left as it is.
    """
    for i in range(min(len(starts), len(lengths), len(broken))):
        position, end = starts[i], starts[i] + lengths[i]
        if position < 0 or lengths[i] <= 1 or end > len(data):
            continue
        items, total = np.int64(0), np.int64(0)
        while position >= 0 and position < end:
            count, position = _zigzag(data, position, end)
            if position < 0 or count == 0:
                break
            if count < 0:
                count = -count
                _, position = _zigzag(data, position, end)
            items += count
            if position < 0 or count < 0 or items > most_items:
                broken[i] = True
                break
            if kind == FLOATS:
                position += 4 * count
                continue
            for _ in range(count * width if kind == ROWS else count):
                length, position = _zigzag(data, position, end)
                if position < 0:
                    break
                if kind == TEXTS:
                    if length < 0 or length > end - position:
                        position = np.int64(-1)
                        break
                    if length > most_bytes:
                        broken[i] = True
                    total += length
                    position += length
        if total > most_total:
            broken[i] = True


@kernel(
    "int64(Array(uint8, 1, 'C', readonly=True), int64[::1], int32[::1], int64[:, ::1], int64[::1])",
    allocates=False,
)
def rows_kernel(data, starts, lengths, out, ends):  # type: ignore[no-untyped-def]
    """Items of an array field of ROWS, of all records one behind another; `ends` get where those of
    each record end in `out`. How many there are, or -1 where `out` or `ends` have no room.

    Spans are those of `decode_kernel`; of one that is no array nothing is taken.
    """
    used = np.int64(0)
    width = out.shape[1]
    n = min(len(starts), len(lengths))
    if n > len(ends):
        return np.int64(-1)
    for i in range(n):
        position, end = starts[i], starts[i] + lengths[i]
        while position >= 0 and position < end and lengths[i] > 1 and end <= len(data):
            count, position = _zigzag(data, position, end)
            if position < 0 or count == 0:
                break
            if count < 0:
                count = -count
                _, position = _zigzag(data, position, end)
            if position < 0 or count < 0 or count > end - position:
                break
            if count > len(out) - used:
                return np.int64(-1)
            for _ in range(count):
                for at in range(width):
                    value, position = _zigzag(data, position, end)
                    if position < 0:
                        break
                    out[used, at] = value
                if position < 0:
                    break
                used += 1
        ends[i] = used
    return used


@njit(inline="always")
def _put_long(out, position, value):  # type: ignore[no-untyped-def]
    """Write a zigzag varint; the next position."""
    rest = np.uint64((value << 1) ^ (value >> 63))
    while rest > np.uint64(127):
        out[position] = np.uint8((rest & np.uint64(127)) | np.uint64(128))
        rest >>= np.uint64(7)
        position += 1
    out[position] = np.uint8(rest)
    return position + 1


@njit(inline="always")
def _put_text(out, position, source, start, length):  # type: ignore[no-untyped-def]
    """Write a length and its bytes; the next position."""
    position = _put_long(out, position, np.int64(length))
    for at in range(length):
        out[position + at] = source[start + at]
    return position + length


@kernel(
    "int64(int64, int64, uint8[::1], uint8[::1], int32[:, ::1], int64[:, ::1], uint8[:, "
    "::1], uint8[:, ::1],"
    "int64[:, ::1], int32[:, ::1], uint8[:, ::1], uint8[:, ::1], int32[::1], int64[:, "
    "::1], int32[::1],"
    "int32[:, :, ::1], uint8[:, ::1], int64[:, ::1],"
    "Array(uint8, 1, 'C', readonly=True), Array(uint8, 1, 'C', readonly=True), int32[::1], "
    "int64[::1])"
)
def encode_kernel(  # type: ignore[no-untyped-def]
    first,
    n,
    header,
    out,
    ops,
    ints,
    floats,
    doubles,
    starts,
    lengths,
    nulls,
    vectors,
    vector_lengths,
    longs,
    long_counts,
    codes,
    code_counts,
    rows,
    data,
    words,
    word_ends,
    ends,
):
    """Encode records first..n-1 into `out`; `ends` get the end of each. The record at which it
    stopped, or n.

    It stops before a record that `out` has no room for: give more and go on from there. A count or
    a code that a bank has no room for, or a text or item that is not there, is answered with -1 -
    the record; banks of fewer than n records with -1 - n. Spans of a field of ROWS are the first
    item and their number in `rows`.
    """
    least = min(
        len(ends),
        ints.shape[1],
        floats.shape[1] // 4,
        doubles.shape[1] // 8,
        starts.shape[1],
        lengths.shape[1],
    )
    least = min(
        least,
        nulls.shape[1],
        len(vectors),
        len(vector_lengths),
        len(longs),
        len(long_counts),
        codes.shape[1],
    )
    if n > min(least, code_counts.shape[1]) or len(header) < 5:
        return -1 - n
    position = ends[first - 1] if first > 0 else 0
    # where a record may stand with all but its texts and arrays
    room = len(out) - (len(header) + FIXED * ops.shape[0])
    for i in range(first, n):
        if position > room:
            return i
        for at in range(5):
            out[position + at] = header[at]
        position += 5
        for op in range(ops.shape[0]):
            kind = ops[op, 0]
            row = ops[op, 2]
            if ops[op, 1] >= 0:
                if nulls[ops[op, 4], i]:
                    position = _put_long(out, position, np.int64(ops[op, 1]))
                    continue
                position = _put_long(out, position, np.int64(1 - ops[op, 1]))
            if kind == INT or kind == ENUM:
                position = _put_long(out, position, ints[row, i])
            elif kind == TEXT:
                if position + lengths[row, i] > room:
                    return i
                held = len(data) if ops[op, 3] == 0 else len(words)
                if (
                    lengths[row, i] < 0
                    or starts[row, i] < 0
                    or starts[row, i] + lengths[row, i] > held
                ):
                    return -1 - i
                if ops[op, 3] == 0:
                    position = _put_text(out, position, data, starts[row, i], lengths[row, i])
                else:
                    position = _put_text(out, position, words, starts[row, i], lengths[row, i])
            elif kind == BOOL:
                out[position] = np.uint8(ints[row, i])
                position += 1
            elif kind == FLOAT:
                for at in range(4):
                    out[position + at] = floats[row, i * 4 + at]
                position += 4
            elif kind == DOUBLE:
                for at in range(8):
                    out[position + at] = doubles[row, i * 8 + at]
                position += 8
            elif kind == FLOATS and ops[op, 3] == 1:
                start = starts[row, i]
                count = np.int64(lengths[row, i])
                if start < 0 or count < 0 or start + 4 * count > len(data):
                    return -1 - i
                if position + 4 * count > room:
                    return i
                if count > 0:
                    position = _put_long(out, position, count)
                    for at in range(4 * count):
                        out[position + at] = data[start + at]
                    position += 4 * count
                out[position] = 0
                position += 1
            elif kind == FLOATS:
                count = np.int64(vector_lengths[i])
                if 4 * count > vectors.shape[1]:
                    return -1 - i
                if position + 4 * count > room:
                    return i
                if count > 0:
                    position = _put_long(out, position, count)
                    for at in range(4 * count):
                        out[position + at] = vectors[i, at]
                    position += 4 * count
                out[position] = 0
                position += 1
            elif kind == LONGS:
                count = np.int64(long_counts[i])
                if count > longs.shape[1]:
                    return -1 - i
                if position + 10 * count > room:
                    return i
                if count > 0:
                    position = _put_long(out, position, count)
                    for at in range(count):
                        position = _put_long(out, position, longs[i, at])
                out[position] = 0
                position += 1
            elif kind == ROWS:
                item = starts[row, i]
                count = np.int64(lengths[row, i])
                width = ops[op, 3]
                if item < 0 or count < 0 or item + count > len(rows) or width > rows.shape[1]:
                    return -1 - i
                if position + 10 * count * width > room:
                    return i
                if count > 0:
                    position = _put_long(out, position, count)
                    for at in range(item, item + count):
                        for of in range(width):
                            position = _put_long(out, position, rows[at, of])
                out[position] = 0
                position += 1
            else:
                count = np.int64(code_counts[ops[op, 3], i])
                if count > codes.shape[2]:
                    return -1 - i
                if count > 0:
                    position = _put_long(out, position, count)
                    for at in range(count):
                        code = codes[ops[op, 3], i, at]
                        if code < 0 or code >= len(word_ends):
                            return -1 - i
                        if (
                            position
                            + 10
                            + word_ends[code]
                            - (word_ends[code - 1] if code > 0 else 0)
                            > room
                        ):
                            return i
                        start = word_ends[code - 1] if code > 0 else 0
                        position = _put_text(out, position, words, start, word_ends[code] - start)
                out[position] = 0
                position += 1
        ends[i] = position
    return n
