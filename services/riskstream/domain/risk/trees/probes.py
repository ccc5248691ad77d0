"""Rows that try trees: on and beside their thresholds, and of every odd number there is."""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.trees.ensemble import KINDS, NONE, Ensemble, Splits, splits_of

_LEAST, _MOST = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, _LEAST, -_LEAST, _MOST, -_MOST], np.float32)


def probe_rows(
    trees: Ensemble, columns: int, rng: np.random.Generator, most: int
) -> NDArray[np.float32]:
    """float32[at most 2 * most, columns]: half of them reach a node, and have there a value on its
    threshold, on either side, or NaN. The others are of thresholds, numbers near them, and ODD.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _rows(splits_of(trees, columns), columns, rng, most)


def _rows(splits: Splits, columns: int, rng: np.random.Generator, most: int) -> NDArray[np.float32]:
    mixed = _mixed(splits, columns, rng, most)
    inner = np.flatnonzero(splits.tests != NONE)
    if not len(inner):
        return mixed
    chosen = inner if len(inner) * 4 <= most else rng.choice(inner, most // 4, replace=False)
    reached = _reaching(splits, chosen, mixed[rng.integers(0, len(mixed), len(chosen))])
    at, tested = splits.thresholds[chosen], splits.tests[chosen] // KINDS
    beside = [np.nextafter(at, np.float32(side)) for side in (-np.inf, np.inf)]
    out = [mixed]
    for values in (at, *beside, np.full_like(at, np.nan)):
        out.append(reached.copy())
        out[-1][np.arange(len(chosen)), tested] = values
    return np.concatenate(out)


def _mixed(
    splits: Splits, columns: int, rng: np.random.Generator, count: int
) -> NDArray[np.float32]:
    """Rows of which each column has thresholds of its own, numbers between and beside them, and
    ODD.
    """
    out = np.empty((count, columns), np.float32)
    inner = splits.tests != NONE
    tested, thresholds = splits.tests[inner] // KINDS, splits.thresholds[inner]
    for column in range(columns):
        own = np.unique(thresholds[tested == column])
        own = own if len(own) else np.zeros(1, np.float32)
        on = rng.choice(own, count)
        share = rng.random(count).astype(np.float32)
        between = on + share * (rng.choice(own, count) - on)
        near = np.nextafter(on, rng.choice(np.array([-np.inf, np.inf], np.float32), count))
        kind = rng.choice(4, count, p=(0.4, 0.3, 0.2, 0.1))
        out[:, column] = np.choose(kind, [between, on, near, rng.choice(ODD, count)])
    return out


def _reaching(
    splits: Splits, nodes: NDArray[np.int64], rows: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The rows, changed so that each comes to its node, where any row does."""
    above, is_left = _parents(splits)
    for row, node in zip(rows, nodes.tolist(), strict=True):
        lows: dict[int, np.float32] = {}
        highs: dict[int, np.float32] = {}
        at = node
        while (parent := above[at]) != NONE:
            column, threshold = int(splits.tests[parent]) // KINDS, splits.thresholds[parent]
            if is_left[at]:
                highs[column] = min(highs.get(column, threshold), threshold)
            else:
                lows[column] = max(lows.get(column, threshold), threshold)
            at = parent
        for column, low in lows.items():
            row[column] = np.nextafter(low, np.float32(np.inf))
        for column, high in highs.items():
            row[column] = high
    return rows


def _parents(splits: Splits) -> tuple[list[int], list[bool]]:
    """The node above each, NONE above a root; whether it is the left one of the two below it."""
    count = len(splits.tests)
    inner = np.flatnonzero(splits.tests != NONE)
    above, is_left = np.full(count, NONE), np.zeros(count, np.bool_)
    above[splits.lefts[inner]] = above[splits.rights[inner]] = inner
    is_left[splits.lefts[inner]] = True
    return above.tolist(), is_left.tolist()
