"""The kernel of `json_rows.py`: a JSON array of flat objects into banks of columns. Helpers stand
here for numba's cache.
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel

PLAIN, ODD = 0, 1
"""Of an item: read into the banks; or left to the door, which says what is wrong, if anything."""
WHOLE, TEXT, SYMBOL = 0, 1, 2
"""Kinds of fields."""
NO_ARRAY, TOO_MANY = -1, -2
"""What the kernel gives in place of a count: the body is no array; it has more items than room."""
_DIGITS = 18
"""Of a number that surely fits 64 bits."""


@njit(inline="always")
def _space(data, at, end):  # type: ignore[no-untyped-def]
    """Behind white space."""
    while at < end and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@njit(inline="always")
def _text_end(data, at, end):  # type: ignore[no-untyped-def]
    """The place of the quote that ends a text which begins at `at`; -1 where the text has an escape
    or a control character, or does not end.
    """
    while at < end:
        byte = data[at]
        if byte == 34:
            return at
        if byte < 32 or byte == 92:
            return np.int64(-1)
        at += 1
    return np.int64(-1)


@njit
def _skipped(data, at, end):  # type: ignore[no-untyped-def]
    """Behind a value of any kind, by its brackets and quotes alone; `end` where it does not end."""
    depth = 0
    while at < end:
        byte = data[at]
        if byte == 34:
            at += 1
            while at < end and data[at] != 34:
                at += 2 if data[at] == 92 else 1
        elif byte == 123 or byte == 91:
            depth += 1
        elif byte == 125 or byte == 93:
            if depth == 0:
                return at
            depth -= 1
            if depth == 0:
                return at + 1
        elif byte == 44 and depth == 0:
            return at
        at += 1
    return end


@njit(inline="always")
def _same(data, at, length, names, begin):  # type: ignore[no-untyped-def]
    for step in range(length):  # noqa: SIM110  numba has no generators here
        if data[at + step] != names[begin + step]:
            return False
    return True


@njit(inline="always")
def _found(data, at, length, names, ends, first, stop):  # type: ignore[no-untyped-def]
    """Which of the names `first` to `stop` - 1 stands there, -1 where none does."""
    for each in range(first, stop):
        begin = ends[each - 1] if each else np.int64(0)
        if ends[each] - begin == length and _same(data, at, length, names, begin):
            return each
    return np.int64(-1)


@njit
def _whole(data, at, end):  # type: ignore[no-untyped-def]
    """(value, place behind it) of a whole number; place -1 where it is long, or no such number."""
    sign, begin = np.int64(1), at
    if data[at] == 45:
        sign, begin = np.int64(-1), at + 1
    value, at = np.int64(0), begin
    while at < end and 48 <= data[at] <= 57 and at - begin < _DIGITS:
        value = value * 10 + np.int64(data[at] - 48)
        at += 1
    if at == begin or (data[begin] == 48 and at - begin > 1):
        return value, np.int64(-1)
    if at < end:
        byte = data[at]
        if byte == 46 or byte == 69 or byte == 101 or 48 <= byte <= 57:
            return value, np.int64(-1)
    return sign * value, at


@njit(inline="always")
def _is_null(data, at, end):  # type: ignore[no-untyped-def]
    return (
        at + 4 <= end
        and data[at] == 110
        and data[at + 1] == 117
        and data[at + 2] == 108
        and data[at + 3] == 108
    )


@njit
def _value(  # type: ignore[no-untyped-def]
    data, at, end, field, row, fields, symbols, symbol_ends, ints, starts, lengths
):
    """Behind the value of a field, which goes into its bank; -1 where it is odd, or too large."""
    kind, bank, least, most = (
        fields[field, 0],
        fields[field, 1],
        fields[field, 3],
        fields[field, 4],
    )
    if kind == WHOLE:
        if not (data[at] == 45 or 48 <= data[at] <= 57):
            return np.int64(-1)
        value, after = _whole(data, at, end)
        if after < 0 or value < least or value > most:
            return np.int64(-1)
        ints[bank, row] = value
        return after
    if data[at] != 34:
        return np.int64(-1)
    stop = _text_end(data, at + 1, end)
    if stop < 0:
        return stop
    begin, size = at + 1, stop - at - 1
    if kind == SYMBOL:
        code = _found(data, begin, size, symbols, symbol_ends, least, most)
        if code < 0:
            return np.int64(-1)
        ints[bank, row] = code - fields[field, 5]
        return stop + 1
    if size < least or size > most:
        return np.int64(-1)
    if fields[field, 5]:  # capital letters, all of them
        if size != most:
            return np.int64(-1)
        for step in range(size):
            if not 65 <= data[begin + step] <= 90:
                return np.int64(-1)
    starts[bank, row] = begin
    lengths[bank, row] = np.int32(size)
    return stop + 1


@njit
def _object(  # type: ignore[no-untyped-def]
    data, at, end, row, names, name_ends, fields, symbols, symbol_ends, ints, starts, lengths
):
    """(place behind the object at `at`, bits of the fields that have a value, bits of those that
    are null); place -1 where it is odd.
    """
    has, nulls = np.uint64(0), np.uint64(0)
    at = _space(data, at + 1, end)
    if at < end and data[at] == 125:
        return at + 1, has, nulls
    while at < end and data[at] == 34:
        stop = _text_end(data, at + 1, end)
        if stop < 0:
            break
        field = _found(data, at + 1, stop - at - 1, names, name_ends, 0, len(name_ends))
        if field < 0:
            break
        bit = np.uint64(1) << np.uint64(field)
        if (has | nulls) & bit:
            break
        at = _space(data, stop + 1, end)
        if at >= end or data[at] != 58:
            break
        at = _space(data, at + 1, end)
        if at >= end:
            break
        if _is_null(data, at, end):
            nulls |= bit
            at += 4
        else:
            at = _value(
                data, at, end, field, row, fields, symbols, symbol_ends, ints, starts, lengths
            )
            if at < 0:
                break
            has |= bit
        at = _space(data, at, end)
        if at >= end:
            break
        if data[at] == 125:
            return at + 1, has, nulls
        if data[at] != 44:
            break
        at = _space(data, at + 1, end)
    return np.int64(-1), has, nulls


@kernel(
    "int64(uint8[::1], uint8[::1], int64[::1], int64[:,::1], uint8[::1], int64[::1], uint64,"
    " uint64, int64[:,::1], int64[:,::1], int32[:,::1], uint64[::1], uint8[::1], int64[::1],"
    " int64[::1])",
    allocates=False,
    nogil=True,
)
def json_rows_kernel(  # type: ignore[no-untyped-def]
    data,
    names,
    name_ends,
    fields,
    symbols,
    symbol_ends,
    needed,
    nullable,
    ints,
    starts,
    lengths,
    given,
    status,
    begins,
    ends,
):
    """How many items the array in `data` has, each of them read; NO_ARRAY, TOO_MANY.

    `fields` int64[n, 6]: kind, bank row, unused, least and most (of a number; of a text's bytes; of
    a symbol its first and the one behind its last that may be told), and of a text 1 where it is
    `most` capital letters, of a symbol where its codes begin. `given`: bits of the fields that an
    item gives; `begins`, `ends`: its bytes.
    """
    end = np.int64(len(data))
    at = _space(data, np.int64(0), end)
    if at >= end or data[at] != 91:
        return NO_ARRAY
    at = _space(data, at + 1, end)
    if at < end and data[at] == 93:
        return np.int64(0) if _space(data, at + 1, end) == end else NO_ARRAY
    row = np.int64(0)
    while at < end:
        if row == len(status):
            return TOO_MANY
        begins[row] = at
        after, has, nulls = np.int64(-1), np.uint64(0), np.uint64(0)
        if data[at] == 123:
            after, has, nulls = _object(
                data,
                at,
                end,
                row,
                names,
                name_ends,
                fields,
                symbols,
                symbol_ends,
                ints,
                starts,
                lengths,
            )
        is_plain = after >= 0 and (has & needed) == needed and (nulls & ~nullable) == 0
        if after < 0:
            after = _skipped(data, at, end)
        status[row] = PLAIN if is_plain else ODD
        given[row] = has
        ends[row] = after
        row += 1
        if after == begins[row - 1]:
            return NO_ARRAY
        at = _space(data, after, end)
        if at >= end:
            return NO_ARRAY
        if data[at] == 93:
            return row if _space(data, at + 1, end) == end else NO_ARRAY
        if data[at] != 44:
            return NO_ARRAY
        at = _space(data, at + 1, end)
    return NO_ARRAY
