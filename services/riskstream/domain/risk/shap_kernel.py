"""The kernel of exact contributions of trees (path-dependent TreeSHAP), leaf by leaf.

Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for
trees", define the Shapley values of a tree's expectation when the features outside a set are
averaged by the training rows' covers. For a leaf of value v whose path tests the features P,
feature j with a share w_j of the rows, and o_j = 1 where the row itself goes that way:

    phi_i = v (o_i - w_i) * sum over S in P without i of |S|! (m - |S| - 1)! / m! * prod_S o_j *
    prod_rest w_j = v (o_i - w_i) * integral from 0 to 1 of prod_{j != i} (o_j t + w_j (1 - t)) dt

since |S|! (m - |S| - 1)! / m! is the integral of t^|S| (1 - t)^(m - 1 - |S|). The integrand is a
polynomial of degree m - 1, so Gauss-Legendre with ceil(m / 2) points gives it exactly: no table of
subsets, no recursion.

At a point t the factor of j is w_j (1 - t), or w_j + (1 - w_j) t where the row follows. So phi_i is
the product of all factors times -1 / (1 - t), or times (1 - w_i) / (w_i + (1 - w_i) t): both are
known when the model is loaded, and nothing is divided. POINTS are computed at once, for LANES rows.
"""

import numpy as np

from riskstream.runtime.kernel import kernel

LONGEST = 64
"""Most features that one path may test."""
LANES = 8
"""Rows that are explained side by side: written out, so that LLVM does the arithmetic in vectors (4
times faster).
"""
POINTS = 4
"""Points of a quadrature that share loads and loops: written out too (twice as fast)."""


@kernel(
    "boolean(Array(float32, 2, 'C', readonly=True), int32[::1], int32[::1], float64[::1], "
    "float64[::1], uint8[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1])"
)
def shap_kernel(  # type: ignore[no-untyped-def]
    rows, ends, features, lows, highs, takes_nan, points, stays, values, shares, turns, out
):
    """Add to out[row, feature] the contributions of all leaves to the margin of each row.

    Leaf l has the path entries ends[l-1]..ends[l]: a row follows entry e where lows[e] < x <=
    highs[e], or x is NaN and takes_nan[e]. A path of 2n or 2n - 1 entries has the points
    `points[n]`, and `stays[n]`, -1 / (1 - t) of each. The others have a row of POINTS for each
    POINTS points of a leaf: `values` one, its value times the points' weights; `shares` and `turns`
    one for each of its entries, w (1 - t), and the factor of a row that follows less that of
    another. False where a path is longer than LONGEST, an array too short, or a column is asked for
    that the rows have not: then `out` is not whole.
    """
    wide = rows.shape[1]
    if len(out) < len(rows) or out.shape[1] < wide:
        return False
    if len(lows) < len(features) or len(highs) < len(features) or len(takes_nan) < len(features):
        return False
    if points.shape[1] != stays.shape[1] or len(points) != len(stays):
        return False
    if values.shape[1] != POINTS or shares.shape[1] != POINTS or turns.shape[1] != POINTS:
        return False
    x = np.zeros((wide, LANES))
    totals = np.empty((wide, LANES))
    follows = np.empty((LONGEST, LANES))
    for first in range(0, len(rows), LANES):
        lanes = min(LANES, len(rows) - first)
        for f in range(wide):
            for r in range(lanes):
                x[f, r] = rows[first + r, f]
        totals[:] = 0.0
        begin = block = group = 0
        for leaf in range(len(ends)):
            length = ends[leaf] - begin
            many = (length + 1) // 2
            groups = (many + POINTS - 1) // POINTS
            if length < 0 or length > LONGEST or ends[leaf] > len(features):
                return False
            if many >= len(points) or groups * POINTS > points.shape[1]:
                return False
            if group + groups > len(values):
                return False
            if block + groups * length > min(len(shares), len(turns)):
                return False
            # unsigned numbers count from the front alone: nobody looks at their sign
            size, entry, row = np.uint64(length), np.uint64(begin), np.uint64(many)
            for k in range(size):
                e = entry + k
                if features[e] < 0 or features[e] >= wide:
                    return False
                column, low, high, nan = (
                    np.uint64(features[e]),
                    lows[e],
                    highs[e],
                    takes_nan[e] != 0,
                )
                x0 = x[column, 0]
                x1 = x[column, 1]
                x2 = x[column, 2]
                x3 = x[column, 3]
                x4 = x[column, 4]
                x5 = x[column, 5]
                x6 = x[column, 6]
                x7 = x[column, 7]
                o0 = ((x0 > low) & (x0 <= high)) | (nan & (x0 != x0))
                o1 = ((x1 > low) & (x1 <= high)) | (nan & (x1 != x1))
                o2 = ((x2 > low) & (x2 <= high)) | (nan & (x2 != x2))
                o3 = ((x3 > low) & (x3 <= high)) | (nan & (x3 != x3))
                o4 = ((x4 > low) & (x4 <= high)) | (nan & (x4 != x4))
                o5 = ((x5 > low) & (x5 <= high)) | (nan & (x5 != x5))
                o6 = ((x6 > low) & (x6 <= high)) | (nan & (x6 != x6))
                o7 = ((x7 > low) & (x7 <= high)) | (nan & (x7 != x7))
                follows[k, 0] = 1.0 if o0 else 0.0
                follows[k, 1] = 1.0 if o1 else 0.0
                follows[k, 2] = 1.0 if o2 else 0.0
                follows[k, 3] = 1.0 if o3 else 0.0
                follows[k, 4] = 1.0 if o4 else 0.0
                follows[k, 5] = 1.0 if o5 else 0.0
                follows[k, 6] = 1.0 if o6 else 0.0
                follows[k, 7] = 1.0 if o7 else 0.0
            for q in range(groups):
                at, first_entry = np.uint64(q * POINTS), np.uint64(block)
                t0, n0 = points[row, at + np.uint64(0)], stays[row, at + np.uint64(0)]
                t1, n1 = points[row, at + np.uint64(1)], stays[row, at + np.uint64(1)]
                t2, n2 = points[row, at + np.uint64(2)], stays[row, at + np.uint64(2)]
                t3, n3 = points[row, at + np.uint64(3)], stays[row, at + np.uint64(3)]
                a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = values[group, 0]
                b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = values[group, 1]
                c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = values[group, 2]
                d0 = d1 = d2 = d3 = d4 = d5 = d6 = d7 = values[group, 3]
                for k in range(size):
                    e = first_entry + k
                    g0 = follows[k, 0]
                    g1 = follows[k, 1]
                    g2 = follows[k, 2]
                    g3 = follows[k, 3]
                    g4 = follows[k, 4]
                    g5 = follows[k, 5]
                    g6 = follows[k, 6]
                    g7 = follows[k, 7]
                    s = shares[e, 0]
                    a0 *= s + g0 * t0
                    a1 *= s + g1 * t0
                    a2 *= s + g2 * t0
                    a3 *= s + g3 * t0
                    a4 *= s + g4 * t0
                    a5 *= s + g5 * t0
                    a6 *= s + g6 * t0
                    a7 *= s + g7 * t0
                    s = shares[e, 1]
                    b0 *= s + g0 * t1
                    b1 *= s + g1 * t1
                    b2 *= s + g2 * t1
                    b3 *= s + g3 * t1
                    b4 *= s + g4 * t1
                    b5 *= s + g5 * t1
                    b6 *= s + g6 * t1
                    b7 *= s + g7 * t1
                    s = shares[e, 2]
                    c0 *= s + g0 * t2
                    c1 *= s + g1 * t2
                    c2 *= s + g2 * t2
                    c3 *= s + g3 * t2
                    c4 *= s + g4 * t2
                    c5 *= s + g5 * t2
                    c6 *= s + g6 * t2
                    c7 *= s + g7 * t2
                    s = shares[e, 3]
                    d0 *= s + g0 * t3
                    d1 *= s + g1 * t3
                    d2 *= s + g2 * t3
                    d3 *= s + g3 * t3
                    d4 *= s + g4 * t3
                    d5 *= s + g5 * t3
                    d6 *= s + g6 * t3
                    d7 *= s + g7 * t3
                for k in range(size):
                    e, column = first_entry + k, np.uint64(features[entry + k])
                    u0, u1, u2, u3 = turns[e, 0], turns[e, 1], turns[e, 2], turns[e, 3]
                    g0 = follows[k, 0]
                    g1 = follows[k, 1]
                    g2 = follows[k, 2]
                    g3 = follows[k, 3]
                    g4 = follows[k, 4]
                    g5 = follows[k, 5]
                    g6 = follows[k, 6]
                    g7 = follows[k, 7]
                    z0 = (
                        totals[column, 0]
                        + a0 * (n0 + g0 * u0)
                        + b0 * (n1 + g0 * u1)
                        + c0 * (n2 + g0 * u2)
                        + d0 * (n3 + g0 * u3)
                    )
                    z1 = (
                        totals[column, 1]
                        + a1 * (n0 + g1 * u0)
                        + b1 * (n1 + g1 * u1)
                        + c1 * (n2 + g1 * u2)
                        + d1 * (n3 + g1 * u3)
                    )
                    z2 = (
                        totals[column, 2]
                        + a2 * (n0 + g2 * u0)
                        + b2 * (n1 + g2 * u1)
                        + c2 * (n2 + g2 * u2)
                        + d2 * (n3 + g2 * u3)
                    )
                    z3 = (
                        totals[column, 3]
                        + a3 * (n0 + g3 * u0)
                        + b3 * (n1 + g3 * u1)
                        + c3 * (n2 + g3 * u2)
                        + d3 * (n3 + g3 * u3)
                    )
                    z4 = (
                        totals[column, 4]
                        + a4 * (n0 + g4 * u0)
                        + b4 * (n1 + g4 * u1)
                        + c4 * (n2 + g4 * u2)
                        + d4 * (n3 + g4 * u3)
                    )
                    z5 = (
                        totals[column, 5]
                        + a5 * (n0 + g5 * u0)
                        + b5 * (n1 + g5 * u1)
                        + c5 * (n2 + g5 * u2)
                        + d5 * (n3 + g5 * u3)
                    )
                    z6 = (
                        totals[column, 6]
                        + a6 * (n0 + g6 * u0)
                        + b6 * (n1 + g6 * u1)
                        + c6 * (n2 + g6 * u2)
                        + d6 * (n3 + g6 * u3)
                    )
                    z7 = (
                        totals[column, 7]
                        + a7 * (n0 + g7 * u0)
                        + b7 * (n1 + g7 * u1)
                        + c7 * (n2 + g7 * u2)
                        + d7 * (n3 + g7 * u3)
                    )
                    totals[column, 0] = z0
                    totals[column, 1] = z1
                    totals[column, 2] = z2
                    totals[column, 3] = z3
                    totals[column, 4] = z4
                    totals[column, 5] = z5
                    totals[column, 6] = z6
                    totals[column, 7] = z7
                block += length
                group += 1
            begin = ends[leaf]
        for f in range(wide):
            for r in range(lanes):
                out[first + r, f] += totals[f, r]
    return True
