"""The kernel that takes some of joined byte strings."""

from riskstream.runtime.kernel import kernel

_U8 = "Array(uint8, 1, 'C', readonly=True)"
_I64 = "Array(int64, 1, 'C', readonly=True)"


@kernel(f"boolean({_U8}, {_I64}, {_I64}, uint8[::1], int64[::1])", allocates=False)
def pick_kernel(data, ends, rows, out, out_ends):  # type: ignore[no-untyped-def]
    """The strings at `rows` one behind another, and where each ends. False where one is not there,
    or `out` has no room.
    """
    if len(out_ends) < len(rows):
        return False
    used = 0
    for i in range(len(rows)):
        row = rows[i]
        if row < 0 or row >= len(ends):
            return False
        start = ends[row - 1] if row > 0 else 0
        size = ends[row] - start
        if start < 0 or size < 0 or ends[row] > len(data) or used + size > len(out):
            return False
        for at in range(size):
            out[used + at] = data[start + at]
        used += size
        out_ends[i] = used
    return True
