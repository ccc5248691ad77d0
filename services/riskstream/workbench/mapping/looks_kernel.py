"""A kernel that looks at each text of a column once: how long texts are, and whether one may be no
id.
"""

from riskstream.runtime.kernel import kernel

SUSPECTS, SHORTEST, LONGEST = range(3)
"""Places in what the kernel finds, int64[3]."""
NONE_BYTES = 1 << 62
"""The shortest text where there is none."""
LONGEST_WORD = 6
"""Bytes of the longest word for no value."""
_BYTES = "Array(uint8, 1, 'C', readonly=True)"
_SPACE, _HASH, _APOSTROPHE, _PLUS, _MINUS, _POINT, _ZERO, _NINE = 32, 35, 39, 43, 45, 46, 48, 57
_LESS, _E, _N, _BACKSLASH, _SMALL_E, _SMALL_N = 60, 69, 78, 92, 101, 110


@kernel(f"void({_BYTES}, Array(int32, 1, 'C', readonly=True), {_BYTES}, int64, int64[::1])")
def looks_kernel(data, ends, validity, first, found):  # type: ignore[no-untyped-def]
    """Texts of Arrow's `data` between `ends`; those whose bit in `validity` (none: all are there)
    from `first` on is 0 are passed over. A suspect begins as words for no value or in quotes, is
    blank, or ends like 7.0 or 2E+15.
    """
    found[SUSPECTS], found[SHORTEST], found[LONGEST] = 0, NONE_BYTES, 0
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
        if a <= _SPACE or a == _APOSTROPHE:
            found[SUSPECTS] += 1
        elif a == _MINUS or (a >= _ZERO and a <= _NINE):
            if size < 3 or z < _ZERO or z > _NINE:
                continue
            if z == _ZERO and data[start + size - 2] == _POINT:
                found[SUSPECTS] += 1
            elif size > 3:
                b, c = data[start + size - 3], data[start + size - 4]
                is_signed = b == _PLUS and (c == _E or c == _SMALL_E)
                if is_signed or b == _E or b == _SMALL_E:
                    found[SUSPECTS] += 1
        elif size <= LONGEST_WORD and (
            a == _N or a == _SMALL_N or a == _HASH or a == _LESS or a == _BACKSLASH
        ):
            found[SUSPECTS] += 1
