"""A kernel that looks at each text of a column once: how long texts are, and whether one may be no
id.
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel

SUSPECTS, SHORTEST, LONGEST = range(3)
"""Places in what the kernel finds, int64[3]."""
NONE_BYTES = 1 << 62
"""The shortest text where there is none."""
LONGEST_WORD = 13
"""Bytes of the longest word for no value, or for a line of totals."""
_LONG_DIGITS = 16
"""Digits of a number that a spreadsheet, or a float, rounds."""
_BYTES = "Array(uint8, 1, 'C', readonly=True)"
_SPACE, _APOSTROPHE, _MINUS, _POINT, _ZERO, _NINE, _EQUALS = 32, 39, 45, 46, 48, 57, 61
_E, _SMALL, _COMMA = 69, 32, 44
_SHORTEST_POWER = 6
"""Bytes of 2E+015."""
_WORDS = np.array([each in b"#(-<?GNSTU\\gnstu" for each in range(256)])
"""By its first byte, whether a text may be such a word."""
_WIDE_SPACES = np.array([each in b"\xa0\x8b\xbf" for each in range(256)])
"""By its last byte, whether a text may end with a space that is not ASCII's."""


@njit(inline="always")
def _is_odd_number(data, start, size):  # type: ignore[no-untyped-def]
    """1 where a text that begins as a number and ends with a digit may be no id."""
    end = start + size
    if size == 2 and data[start] == _MINUS:
        return 1
    if size < 3:
        return 0
    if data[end - 1] == _ZERO and data[end - 2] == _POINT:
        return 1
    second = data[start + 1]
    if second == _E or second == _E + _SMALL:
        return 1 if 3 < size <= _SHORTEST_POWER else 0
    if second == _POINT or second == _COMMA:
        for at in range(end - 5, end - 2):
            if at > start and (data[at] == _E or data[at] == _E + _SMALL):
                return 1
    is_day = size == 10 or size == 19
    return 1 if is_day and data[start + 4] == _MINUS and data[start + 7] == _MINUS else 0


@kernel(f"void({_BYTES}, Array(int32, 1, 'C', readonly=True), {_BYTES}, int64, int64[::1])")
def looks_kernel(data, ends, validity, first, found):  # type: ignore[no-untyped-def]
    """Texts of Arrow's `data` between `ends`; those whose bit in `validity` (none: all are there)
    from `first` on is 0 are passed over. A suspect begins as words for no value, in quotes or as a
    formula, has a space around it, is like a date, or ends like 7.0, 2E+15 or a rounded number.
    """
    found[SUSPECTS], found[SHORTEST], found[LONGEST] = 0, NONE_BYTES, 0
    long_numbers, rounded = 0, 0
    for i in range(len(ends) - 1):
        bit = first + i
        if len(validity) > 0 and (validity[bit >> 3] >> (bit & 7)) & 1 == 0:
            continue
        start = ends[i]
        size = ends[i + 1] - start
        found[SHORTEST] = min(found[SHORTEST], size)
        found[LONGEST] = max(found[LONGEST], size)
        if size == 0:
            found[SUSPECTS] += 1
            continue
        a, z = data[start], data[start + size - 1]
        is_number, is_counted = a >= _ZERO and a <= _NINE, z >= _ZERO and z <= _NINE
        if a <= _SPACE or a == _APOSTROPHE or a == _EQUALS or z <= _SPACE or _WIDE_SPACES[z]:
            found[SUSPECTS] += 1
        elif is_counted and (is_number or a == _MINUS):
            is_odd = _is_odd_number(data, start, size)
            found[SUSPECTS] += is_odd
            if not is_odd and size >= _LONG_DIGITS:
                long_numbers += 1
                rounded += z == _ZERO
        elif size == 6 and data[start + 3] == _MINUS:
            found[SUSPECTS] += 1
        elif is_number:
            found[SUSPECTS] += 4 < size < 7 and (
                data[start + 1] == _MINUS or data[start + 2] == _MINUS
            )
        elif not is_counted and size <= LONGEST_WORD and _WORDS[a]:
            found[SUSPECTS] += 1
    if long_numbers == rounded:
        found[SUSPECTS] += rounded
