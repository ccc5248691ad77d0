"""Trees level by level, for `levels_kernel`: the two nodes below one stand side by side."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.trees.ensemble import NONE, Splits


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The arrays of `levels_kernel`: int32 and float32[nodes, 2], int32[trees, 2] and
    int32[depth].
    """

    nodes: NDArray[np.int32]
    numbers: NDArray[np.float32]
    trees: NDArray[np.int32]
    counts: NDArray[np.int32]


class _Nodes:
    """The nodes as they are placed; test, next, threshold and value of each."""

    def __init__(self, splits: Splits, values: NDArray[np.float32]) -> None:
        self._of = list(
            zip(
                splits.tests.tolist(),
                splits.thresholds.tolist(),
                splits.second_tests.tolist(),
                splits.second_thresholds.tolist(),
                splits.lefts.tolist(),
                splits.rights.tolist(),
                strict=True,
            )
        )
        self._values = values.tolist()
        self.tests: list[int] = []
        self.nexts: list[int] = []
        self.thresholds: list[float] = []
        self.values: list[float] = []

    def add_tree(self, root: int) -> tuple[int, int]:
        """(its place, how many levels lie below it)."""
        start = self._room(1)
        level = [(start, root, False)]
        below: dict[int, int] = {}
        while level:
            level = [each for place in level for each in self._fill(*place, below)]
        return start, self._height(start)

    def _height(self, start: int) -> int:
        """Of the tree that begins there and ends with the last node."""
        heights, before = [0] * (len(self.nexts) - start), [-1]
        while before != heights:  # twice, but where a node has two places
            before = heights.copy()
            for place in reversed(range(len(heights))):
                following = self.nexts[start + place] - start
                if following != place - 1:  # no leaf
                    heights[place] = 1 + max(heights[following : following + 2])
        return heights[0]

    def _fill(
        self, place: int, node: int, is_second: bool, below: dict[int, int]
    ) -> list[tuple[int, int, bool]]:
        """Put a node there; the places to fill below it. A node that several ways lead to has
        several places, and what is below it one (`below`).
        """
        test, threshold, second, second_threshold, left, right = self._of[node]
        if test == NONE:
            self.values[place] = self._values[node]
            return []
        pair = -1 if is_second else below.get(node, -1)
        is_new = pair < 0
        if is_new:
            pair = self._room(2)
        if not is_second:
            below[node] = pair
        self.tests[place] = second if is_second else test
        self.thresholds[place] = second_threshold if is_second else threshold
        self.nexts[place] = pair
        if not is_new:
            return []
        asks_again = second != NONE and not is_second
        return [(pair, node if asks_again else left, asks_again), (pair + 1, right, False)]

    def _room(self, count: int) -> int:
        """The first of so many new places: leaves, which lead to themselves, as nothing is at most
        NaN.
        """
        first = len(self.tests)
        self.tests += [0] * count
        self.nexts += range(first - 1, first - 1 + count)
        self.thresholds += [np.nan] * count
        self.values += [0.0] * count
        return first


def levels_of(splits: Splits, roots: NDArray[np.int32], values: NDArray[np.float32]) -> Levels:
    """Of the trees of these roots, none of them a circle; a node's column is its test."""
    out = _Nodes(splits, values)
    starts, depths = np.array([out.add_tree(root) for root in roots.tolist()]).T
    order = np.argsort(-depths, kind="stable")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    levels = np.arange(depths.max())
    return Levels(
        nodes=np.stack([out.tests, out.nexts], axis=1).astype(np.int32),
        numbers=np.stack([out.thresholds, out.values], axis=1).astype(np.float32),
        trees=np.stack([starts[order], places], axis=1).astype(np.int32),
        counts=(depths[:, None] > levels).sum(axis=0).astype(np.int32),
    )
