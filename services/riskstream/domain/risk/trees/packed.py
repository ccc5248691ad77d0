"""Trees packed for the kernels, and their scores: many rows side by side, few level by level."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.trees.ensemble import KINDS, NONE, Ensemble, splits_of
from riskstream.domain.risk.trees.levels import Levels, levels_of
from riskstream.domain.risk.trees.pieces import Pieces, pieces_of
from riskstream.domain.risk.trees.trees_kernel import lanes_kernel, levels_kernel
from riskstream.runtime.errors import Fatal

FEW = 4
"""Most rows that go level by level."""


class PackedTrees:
    """Scores of rows by trees over so many `columns`: the sum of what the leaves add and `base`,
    float32, or its logistic function.

    Test t, a column of the arrays, is of column tests[t, 0] of the rows, and of kind tests[t, 1].
    ValueError where a number leads out of an array.
    """

    def __init__(
        self,
        tests: NDArray[np.int32],
        pieces: Pieces,
        levels: Levels,
        *,
        columns: int,
        base: np.float32,
        is_logistic: bool,
    ) -> None:
        nodes, trees, count = levels.nodes, levels.trees, len(tests)
        within = (
            (tests[:, 0], columns),
            (pieces.columns, count),
            (nodes[:, 0], max(count, 1)),
            (nodes[:, 1] + 1, len(nodes)),
            (trees[:, 0], len(nodes)),
            (trees[:, 1], len(trees)),
        )
        if any(len(each) and not 0 <= each.min() <= each.max() < end for each, end in within):
            raise ValueError("a number leads out of the arrays")
        self._columns = columns
        ends = (base, is_logistic)
        few = (levels.nodes, levels.numbers, levels.trees, levels.counts)
        many = (pieces.columns, pieces.thresholds, pieces.masks, pieces.ends, pieces.values)
        self._few, self._many = (tests, *few, *ends), (tests, *many, *ends)

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[n] of rows float32[n, columns]. Fatal where rows have fewer columns."""
        rows = np.ascontiguousarray(rows, np.float32)
        out = np.empty(len(rows), np.float32)
        if len(rows) <= FEW:
            is_done = levels_kernel(rows, *self._few, out)
        else:
            is_done = lanes_kernel(rows, *self._many, out)
        if not is_done:
            raise Fatal(
                what=f"rows of {rows.shape[1]} columns, or arrays of different lengths, do not fit "
                f"trees of {self._columns} columns",
                where="PackedTrees.predict",
                do="give a model of this feature set",
            )
        return out


def pack(trees: Ensemble, columns: int) -> PackedTrees:
    """For rows of so many columns. Unfit where the kernels cannot compute the trees."""
    splits = splits_of(trees, columns)
    used = np.union1d(splits.tests, splits.second_tests)
    used = used[used != NONE]

    def numbered(tests: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.where(tests == NONE, NONE, np.searchsorted(used, tests)).astype(np.int32)

    splits = replace(
        splits, tests=numbered(splits.tests), second_tests=numbered(splits.second_tests)
    )
    return PackedTrees(
        np.stack([used // KINDS, used % KINDS], axis=1).astype(np.int32),
        pieces_of(splits, trees.roots, trees.values),
        levels_of(splits, trees.roots, trees.values),
        columns=columns,
        base=trees.base,
        is_logistic=trees.is_logistic,
    )
