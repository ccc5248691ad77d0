"""The kernel that adds scores to sums by hour: what the reporter counts by itself."""

from numba import njit

from riskstream.runtime.kernel import kernel

_SPENT, _REFUNDED, _CORRECTED = 0, 4, 6
"""Where number and amount of a sum stand, in the order of the reporter's SUMS."""


@njit(inline="always")
def _add(sums, row, column, count, amount):  # type: ignore[no-untyped-def]
    """Add to a number and its amount. None of the row falls below zero: it would only where it
    lacks what leaves it.
    """
    sums[row, column] += count
    sums[row, column + 1] += amount
    for each in range(sums.shape[1]):
        if sums[row, each] < 0:
            sums[row, each] = 0


@kernel(
    "int64(int64[::1], int64[::1], uint8[::1], int64[::1], int64[::1], uint8[::1], int64[:, ::1])",
    allocates=False,
)
def hours_kernel(rows, amounts, is_refund, gone, gone_amounts, gone_is_refund, sums):  # type: ignore[no-untyped-def]
    """Add n scores in order: each to row `rows` of `sums` int64[any, 8], and what leaves with it
    out of row `gone`, -1 where nothing does. How many were added: the next one's row is not there.
    """
    n = min(len(rows), len(amounts), len(is_refund), len(gone))
    n = min(n, len(gone_amounts), len(gone_is_refund))
    if sums.shape[1] < _CORRECTED + 2:
        return 0
    for i in range(n):
        if rows[i] < 0 or rows[i] >= len(sums) or gone[i] >= len(sums):
            return i
        _add(sums, rows[i], _REFUNDED if is_refund[i] else _SPENT, 1, amounts[i])
        if gone[i] >= 0:
            # one step: what leaves, and that it was corrected
            row = gone[i]
            sums[row, _CORRECTED] += 1
            sums[row, _CORRECTED + 1] += gone_amounts[i]
            column = _REFUNDED if gone_is_refund[i] else _SPENT
            _add(sums, row, column, -1, -gone_amounts[i])
    return n
