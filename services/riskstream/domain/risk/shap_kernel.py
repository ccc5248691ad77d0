"""The kernel of exact contributions of trees (path-dependent TreeSHAP), leaf by leaf.

Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for
trees", define the Shapley values of a tree's expectation when the features outside a set are
averaged by the training rows' covers. For a leaf of value v whose path tests the features P,
feature j with a share w_j of the rows, and o_j = 1 where the row itself goes that way:

    phi_i = v (o_i - w_i) * sum over S in P without i of |S|! (m - |S| - 1)! / m! * prod_S o_j *
    prod_rest w_j = v (o_i - w_i) * integral from 0 to 1 of prod_{j != i} (o_j t + w_j (1 - t)) dt

since |S|! (m - |S| - 1)! / m! is the integral of t^|S| (1 - t)^(m - 1 - |S|). The integrand is a
polynomial of degree m - 1, so Gauss-Legendre with ceil(m / 2) points gives it exactly: no table of
subsets, no recursion. All features that the row does not follow share one integral: their factor
w_j (1 - t) cancels w_j.
"""

import numpy as np

from riskstream.runtime.kernel import kernel

LONGEST = 64
"""Most features that one path may test."""
LANES = 8
"""Rows that are explained side by side: written out, so that LLVM does the arithmetic in vectors (4
times faster).
"""


@kernel(
    "boolean(Array(float32, 2, 'C', readonly=True), int32[::1], float64[::1], int32[::1], "
    "float64[::1], float64[::1], uint8[::1],"
    "float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])"
)
def shap_kernel(  # type: ignore[no-untyped-def]
    rows, ends, values, features, lows, highs, takes_nan, weights, points, point_weights, out
):
    """Add to out[row, feature] the contributions of all leaves to the margin of each row.

    Leaf l has the path entries ends[l-1]..ends[l]: a row follows entry e where lows[e] < x <=
    highs[e], or x is NaN and takes_nan[e]; weights[e] is the share of training rows that do.
    `points[n, :n]` on (0, 1) and their weights serve paths of 2n and 2n - 1 features. False where a
    path is longer than LONGEST or than `points` serve, or asks for a column that the rows have not:
    then `out` is not whole.
    """
    wide = rows.shape[1]
    if len(out) < len(rows) or out.shape[1] < wide:
        return False
    x = np.zeros((wide, LANES))
    totals = np.empty((wide, LANES))
    # o - w of each entry: its factor at t is w + b t, followed or not
    b = np.empty((LONGEST, LANES))
    for first in range(0, len(rows), LANES):
        lanes = min(LANES, len(rows) - first)
        for f in range(wide):
            for r in range(lanes):
                x[f, r] = rows[first + r, f]
        totals[:] = 0.0
        begin = 0
        for leaf in range(len(ends)):
            end = ends[leaf]
            if (
                end > len(features)
                or end - begin > LONGEST
                or (end - begin + 1) // 2 >= len(points)
            ):
                return False
            for e in range(begin, end):
                f, low, high, nan = features[e], lows[e], highs[e], takes_nan[e] != 0
                if f < 0 or f >= wide:
                    return False
                x0 = x[f, 0]
                x1 = x[f, 1]
                x2 = x[f, 2]
                x3 = x[f, 3]
                x4 = x[f, 4]
                x5 = x[f, 5]
                x6 = x[f, 6]
                x7 = x[f, 7]
                o0 = ((x0 > low) & (x0 <= high)) | (nan & (x0 != x0))
                o1 = ((x1 > low) & (x1 <= high)) | (nan & (x1 != x1))
                o2 = ((x2 > low) & (x2 <= high)) | (nan & (x2 != x2))
                o3 = ((x3 > low) & (x3 <= high)) | (nan & (x3 != x3))
                o4 = ((x4 > low) & (x4 <= high)) | (nan & (x4 != x4))
                o5 = ((x5 > low) & (x5 <= high)) | (nan & (x5 != x5))
                o6 = ((x6 > low) & (x6 <= high)) | (nan & (x6 != x6))
                o7 = ((x7 > low) & (x7 <= high)) | (nan & (x7 != x7))
                w, k = weights[e], e - begin
                b[k, 0] = (1.0 if o0 else 0.0) - w
                b[k, 1] = (1.0 if o1 else 0.0) - w
                b[k, 2] = (1.0 if o2 else 0.0) - w
                b[k, 3] = (1.0 if o3 else 0.0) - w
                b[k, 4] = (1.0 if o4 else 0.0) - w
                b[k, 5] = (1.0 if o5 else 0.0) - w
                b[k, 6] = (1.0 if o6 else 0.0) - w
                b[k, 7] = (1.0 if o7 else 0.0) - w
            many = (end - begin + 1) // 2
            for q in range(many):
                t = points[many, q]
                p0 = p1 = p2 = p3 = p4 = p5 = p6 = p7 = values[leaf] * point_weights[many, q]
                for e in range(begin, end):
                    w, k = weights[e], e - begin
                    p0 *= w + b[k, 0] * t
                    p1 *= w + b[k, 1] * t
                    p2 *= w + b[k, 2] * t
                    p3 *= w + b[k, 3] * t
                    p4 *= w + b[k, 4] * t
                    p5 *= w + b[k, 5] * t
                    p6 *= w + b[k, 6] * t
                    p7 *= w + b[k, 7] * t
                for e in range(begin, end):
                    w, k, f = weights[e], e - begin, features[e]
                    c0 = totals[f, 0] + b[k, 0] * (p0 / (w + b[k, 0] * t))
                    c1 = totals[f, 1] + b[k, 1] * (p1 / (w + b[k, 1] * t))
                    c2 = totals[f, 2] + b[k, 2] * (p2 / (w + b[k, 2] * t))
                    c3 = totals[f, 3] + b[k, 3] * (p3 / (w + b[k, 3] * t))
                    c4 = totals[f, 4] + b[k, 4] * (p4 / (w + b[k, 4] * t))
                    c5 = totals[f, 5] + b[k, 5] * (p5 / (w + b[k, 5] * t))
                    c6 = totals[f, 6] + b[k, 6] * (p6 / (w + b[k, 6] * t))
                    c7 = totals[f, 7] + b[k, 7] * (p7 / (w + b[k, 7] * t))
                    totals[f, 0] = c0
                    totals[f, 1] = c1
                    totals[f, 2] = c2
                    totals[f, 3] = c3
                    totals[f, 4] = c4
                    totals[f, 5] = c5
                    totals[f, 6] = c6
                    totals[f, 7] = c7
            begin = end
        for f in range(wide):
            for r in range(lanes):
                out[first + r, f] += totals[f, r]
    return True
