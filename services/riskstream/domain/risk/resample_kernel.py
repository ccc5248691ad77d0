"""The kernels of the bootstrap: figures of weighted rows, for some resamples side by side.

Every kernel takes `counts` uint8[customers, resamples]: how often each customer was drawn. A row
weighs as much as its customer. A row whose customer has no place in `counts` weighs nothing.
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel


@njit
def _mixed(state):  # type: ignore[no-untyped-def]
    """The output of SplitMix64 (Steele, Lea and Flood 2014) for a state."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@kernel("void(uint64, uint64, uint8[::1], uint8[:, ::1])", allocates=False)
def draw_kernel(seed, first, own, counts):  # type: ignore[no-untyped-def]
    """Draw as many customers as there are, with replacement, for the resamples from `first` on.

    counts[c, r] = how often customer c was drawn in resample first + r, 255 at most. `own`
    uint8[customers]: room to count one resample close together. The same seed gives the same
    draws everywhere. 32 random bits pick a customer: of a million, none is favoured by more than
    1 in 4,000.
    """
    customers = min(len(own), counts.shape[0])
    for lane in range(counts.shape[1]):
        own[:] = 0
        state = _mixed(_mixed(seed) + first + np.uint64(lane))
        for _ in range(customers):
            state += np.uint64(0x9E3779B97F4A7C15)
            customer = ((_mixed(state) >> np.uint64(32)) * np.uint64(customers)) >> np.uint64(32)
            if own[customer] < 255:
                own[customer] += 1
        for customer in range(customers):
            counts[customer, lane] = own[customer]


@kernel(
    "void(int32[::1], boolean[::1], int64[::1], uint8[:, ::1], float64[:, ::1], float64[:, ::1])",
    allocates=False,
)
def rank_kernel(customers, labels, ends, counts, work, out):  # type: ignore[no-untyped-def]
    """(AUC, average precision) of each resample into out[2, resamples]; NaN where it has one class.

    Rows are in order of score, highest first; `ends` says where each group of equal scores ends.
    `work` float64[4, resamples]: frauds and genuine ones so far, and of the group.
    """
    lanes = min(counts.shape[1], work.shape[1], out.shape[1])
    if work.shape[0] < 4 or out.shape[0] < 2:
        return
    frauds, genuine, more_frauds, more_genuine = work[0], work[1], work[2], work[3]
    pairs, precision = out[0], out[1]
    for lane in range(lanes):
        frauds[lane] = genuine[lane] = more_frauds[lane] = more_genuine[lane] = 0.0
        pairs[lane] = precision[lane] = 0.0
    start = 0
    rows = min(len(customers), len(labels))
    for group in range(len(ends)):
        end = min(max(ends[group], start), rows)
        any_fraud = False
        for row in range(start, end):
            customer = customers[row]
            if customer < 0 or customer >= counts.shape[0]:
                continue
            weights = counts[customer]
            if labels[row]:
                any_fraud = True
                for lane in range(lanes):
                    more_frauds[lane] += weights[lane]
            else:
                for lane in range(lanes):
                    more_genuine[lane] += weights[lane]
        start = end
        if not any_fraud:
            for lane in range(lanes):
                pairs[lane] += more_genuine[lane] * frauds[lane]
                genuine[lane] += more_genuine[lane]
                more_genuine[lane] = 0.0
            continue
        for lane in range(lanes):
            pairs[lane] += more_genuine[lane] * (frauds[lane] + 0.5 * more_frauds[lane])
            frauds[lane] += more_frauds[lane]
            genuine[lane] += more_genuine[lane]
            if more_frauds[lane] > 0.0:
                precision[lane] += more_frauds[lane] * frauds[lane] / (frauds[lane] + genuine[lane])
            more_frauds[lane] = more_genuine[lane] = 0.0
    for lane in range(lanes):
        if frauds[lane] > 0.0 and genuine[lane] > 0.0:
            pairs[lane] /= frauds[lane] * genuine[lane]
            precision[lane] /= frauds[lane]
        else:
            pairs[lane] = precision[lane] = np.nan


@kernel(
    "void(int32[::1], int32[::1], float64[:, ::1], uint8[:, ::1], float64[:, :, ::1])",
    allocates=False,
)
def sums_kernel(customers, groups, values, counts, out):  # type: ignore[no-untyped-def]
    """out[g, k, resamples] = sum of values[:, k] of the rows of group g, weighed."""
    out[:] = 0.0
    lanes = min(counts.shape[1], out.shape[2])
    for row in range(min(len(customers), len(groups), values.shape[0])):
        customer, group = customers[row], groups[row]
        if not (0 <= customer < counts.shape[0] and 0 <= group < out.shape[0]):
            continue
        weights = counts[customer]
        for column in range(min(values.shape[1], out.shape[1])):
            value, sums = values[row, column], out[group, column]
            if value != 0.0:
                for lane in range(lanes):
                    sums[lane] += value * weights[lane]


@kernel(
    "void(int32[::1], boolean[::1], int64[::1], int64[::1], int64, uint8[:, ::1], uint8[::1], "
    "float64[::1])",
    allocates=False,
)
def top_kernel(customers, frauds, ends, days, top, counts, found, out):  # type: ignore[no-untyped-def]
    """Card precision of each resample into `out`; see `evaluation.card_precision`.

    An entry is a customer of a day, highest score first; `ends` says where each group of equal
    scores ends, `days` how many groups each day and all before it have. A customer that was drawn
    twice is two. `found` uint8[customers]: room for who was found compromised.
    """
    known = min(counts.shape[0], len(found))
    entries = min(len(customers), len(frauds))
    for resample in range(min(counts.shape[1], len(out))):
        found[:] = 0
        hits = 0.0
        group = 0
        for day in range(len(days)):
            slots = float(top)
            while group < min(days[day], len(ends)):
                start = max(ends[group - 1], 0) if group > 0 else 0
                end = min(ends[group], entries)
                group += 1
                cards = bad = 0.0
                for at in range(start, end):
                    customer = customers[at]
                    if 0 <= customer < known and not found[customer]:
                        cards += counts[customer, resample]
                        if frauds[at]:
                            bad += counts[customer, resample]
                if cards > slots:
                    hits += bad * slots / cards
                    break
                slots -= cards
                hits += bad
                if bad > 0.0:
                    for at in range(start, end):
                        customer = customers[at]
                        if 0 <= customer < known and frauds[at]:
                            found[customer] = 1
            group = max(days[day], group)
        out[resample] = hits / max(top * len(days), 1)
