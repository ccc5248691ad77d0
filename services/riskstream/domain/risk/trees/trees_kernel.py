"""The kernels that compute trees, equal to ONNX Runtime's to the bit: many rows side by side, and a
few rows with the trees side by side.

Many rows: Lucchese et al. (2015), "QuickScorer: a fast algorithm to rank documents with additive
ensembles of regression trees". Each node has a mask that clears the leaves of its left side. The
masks of all nodes whose test fails are joined by `and`, in any order; the lowest bit that is left
is the leaf of the row. Nothing branches, and the rows of a block are the lanes of a vector.

A few rows: all trees go down one level at a time, so that their loads do not wait for one another.
"""

import math

import numpy as np
from numba import njit

from riskstream.domain.risk.trees.ensemble import NAN_LEFT, NEGATED
from riskstream.runtime.kernel import kernel

BITS = 32
"""Leaves of a mask."""
STEP = 6
"""Nodes that are joined at once: each piece has a multiple of them."""
BLOCK = 256
"""Rows of a block."""
LOWEST = 0x077CB531
"""A de Bruijn sequence: times a power of two, its upper 5 bits tell which one (`LEAF_PLACES`)."""
LEAF_PLACES = tuple((LOWEST << bit & 0xFFFFFFFF) >> 27 for bit in range(BITS))
"""Where the value of the leaf of a bit stands among the 32 of its piece."""
_ALL = np.uint32(0xFFFFFFFF)
_LOWEST, _SHIFT, _ONE = np.uint32(LOWEST), np.uint32(27), np.uint32(1)


@njit(inline="always")
def _tested(value, kind):  # type: ignore[no-untyped-def]
    """What a test of that kind compares with its threshold."""
    if kind & NEGATED:
        value = -value
    if kind & NAN_LEFT and value != value:
        value = np.float32(-np.inf)
    return value


@njit(inline="always")
def _place(kept):  # type: ignore[no-untyped-def]
    """Where the value of the lowest leaf that is kept stands, 0 to 31; in 32 bits all along, so
    that a vector has 16 of them.
    """
    lowest = np.uint32(kept & np.uint32(~kept + _ONE))
    return np.uint32(np.uint32(lowest * _LOWEST) >> _SHIFT)


@njit(inline="always")
def _score(margin, base, is_logistic):  # type: ignore[no-untyped-def]
    """In the order of ONNX Runtime's own operations."""
    margin = margin + base
    if is_logistic:
        share = np.float32(1) / (np.float32(1) + math.exp(-abs(margin)))
        margin = np.float32(1) - share if margin < 0 else share
    return margin


@kernel(
    "boolean(Array(float32, 2, 'C', readonly=True), int32[:, ::1], int32[::1], float32[::1], "
    "uint32[::1], int32[::1], float32[::1], float32, boolean, float32[::1])"
)
def lanes_kernel(  # type: ignore[no-untyped-def]
    rows, tests, columns, thresholds, masks, ends, values, base, is_logistic, out
):
    """Scores of rows float32[n, inputs] into out[:n].

    Test c is of input tests[c, 0] and kind tests[c, 1]. Piece p of a tree has the steps
    ends[p-1]..ends[p]: rows keep the leaves masks[s] where test columns[s] is above thresholds[s].
    Its leaves add values[32 p..]. False where an array is too short for that: `out` is not whole.
    """
    n, wide, steps = len(rows), len(tests), len(columns)
    if len(out) < n or len(thresholds) < steps or len(masks) < steps:
        return False
    if len(values) < len(ends) * BITS:
        return False
    for c in range(wide):
        if tests[c, 0] < 0 or tests[c, 0] >= rows.shape[1]:
            return False
    x = np.zeros((wide, BLOCK), np.float32)
    kept = np.empty(BLOCK, np.uint32)
    sums = np.empty(BLOCK, np.float32)
    for first in range(0, n, BLOCK):
        lanes = min(BLOCK, n - first)
        full = (lanes + 15) & -16
        for c in range(wide):
            given, kind = tests[c, 0], tests[c, 1]
            for r in range(lanes):
                x[c, r] = _tested(rows[first + r, given], kind)
        for r in range(full):
            sums[r] = np.float32(0)
        begin = 0
        for piece in range(len(ends)):
            if ends[piece] > steps or (ends[piece] - begin) % STEP != 0:
                return False
            for r in range(full):
                kept[r] = _ALL
            for s in range(begin, ends[piece], STEP):
                c0, c1, c2 = columns[s], columns[s + 1], columns[s + 2]
                c3, c4, c5 = columns[s + 3], columns[s + 4], columns[s + 5]
                x0, x1, x2, x3, x4, x5 = x[c0], x[c1], x[c2], x[c3], x[c4], x[c5]
                t0, t1, t2 = thresholds[s], thresholds[s + 1], thresholds[s + 2]
                t3, t4, t5 = thresholds[s + 3], thresholds[s + 4], thresholds[s + 5]
                m0, m1, m2 = masks[s], masks[s + 1], masks[s + 2]
                m3, m4, m5 = masks[s + 3], masks[s + 4], masks[s + 5]
                for r in range(full):
                    kept[r] &= (
                        (_ALL if x0[r] <= t0 else m0)
                        & (_ALL if x1[r] <= t1 else m1)
                        & (_ALL if x2[r] <= t2 else m2)
                        & (_ALL if x3[r] <= t3 else m3)
                        & (_ALL if x4[r] <= t4 else m4)
                        & (_ALL if x5[r] <= t5 else m5)
                    )
            at = piece * BITS
            for r in range(full):
                kept[r] = _place(kept[r])
            for r in range(full):
                sums[r] += values[at + np.int64(kept[r])]
            begin = ends[piece]
        for r in range(lanes):
            out[first + r] = _score(sums[r], base, is_logistic)
    return True


@kernel(
    "boolean(Array(float32, 2, 'C', readonly=True), int32[:, ::1], int32[:, ::1], "
    "float32[:, ::1], int32[:, ::1], int32[::1], float32, boolean, float32[::1])"
)
def levels_kernel(  # type: ignore[no-untyped-def]
    rows, tests, nodes, numbers, trees, levels, base, is_logistic, out
):
    """Scores of rows float32[n, inputs] into out[:n].

    Node i goes on to nodes[i, 1], or where test nodes[i, 0] is above numbers[i, 0] to the one
    behind it; a leaf stays where it is, and adds numbers[i, 1]. Place k begins at trees[k, 0], the
    deepest tree first, and levels[d] of them are deeper than d; the values of trees[:, 1] are added
    in that order. False where an array is too short, or a number leads out of one: `out` is not
    whole.
    """
    count, wide, known = len(trees), len(tests), len(nodes)
    if len(out) < len(rows) or len(numbers) < known:
        return False
    x = np.empty(wide, np.float32)
    at = np.empty(count, np.int32)
    for c in range(wide):
        if tests[c, 0] < 0 or tests[c, 0] >= rows.shape[1]:
            return False
    for depth in range(len(levels)):
        if levels[depth] > count:
            return False
    for row in range(len(rows)):
        for c in range(wide):
            x[c] = _tested(rows[row, tests[c, 0]], tests[c, 1])
        for k in range(count):
            at[k] = trees[k, 0]
        for depth in range(len(levels)):
            for k in range(levels[depth]):
                i = at[k]
                at[k] = nodes[i, 1] + (0 if x[nodes[i, 0]] <= numbers[i, 0] else 1)
        margin = np.float32(0)
        for k in range(count):
            margin += numbers[at[trees[k, 1]], 1]
        out[row] = _score(margin, base, is_logistic)
    return True
