"""Trees as masks of leaves, for `lanes_kernel`: each tree in pieces of at most 32 leaves.

A piece has some leaves of a tree that follow one another. Each subtree before them has one bit,
and all that lies behind them has one: these add 0. So a node of a large tree costs about as much as
one of a small tree, and exactly one piece of a tree adds a value.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.trees.ensemble import NONE, Splits, Unfit
from riskstream.domain.risk.trees.trees_kernel import BITS, LEAF_PLACES, STEP

MOST_LEAVES = 8192
"""Of a tree; a node that several ways lead to has its leaves behind each of them."""
_PLACES = np.array(LEAF_PLACES)
_ALL = np.uint32((1 << BITS) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The arrays of `lanes_kernel`: int32, float32 and uint32[steps], int32[pieces] and
    float32[32 * pieces].
    """

    columns: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    masks: NDArray[np.uint32]
    ends: NDArray[np.int32]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Tree:
    """Nodes with leaves on both sides, each with the leaves lows..highs, of which lows..middles lie
    left; and the nodes that are leaves, from left to right.
    """

    nodes: NDArray[np.int64]
    lows: NDArray[np.int64]
    middles: NDArray[np.int64]
    highs: NDArray[np.int64]
    leaves: NDArray[np.int64]


Step = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.uint32]]


def pieces_of(splits: Splits, roots: NDArray[np.int32], values: NDArray[np.float32]) -> Pieces:
    """Of the trees of these roots; a step's column is its test. Unfit where a leaf lies too
    deep, or there are too many.
    """
    sides = [
        None if test == NONE else side
        for test, *side in zip(
            splits.tests.tolist(), splits.lefts.tolist(), splits.rights.tolist(), strict=True
        )
    ]
    steps: list[Step] = []
    placed: list[NDArray[np.float32]] = []
    for root in roots.tolist():
        tree = _laid_out(sides, root)
        first = 0
        while first < len(tree.leaves):
            befores, last = _cut(tree, first)
            steps.append(_steps(splits, tree, first, last, befores))
            bits = np.arange(last - first) + len(befores)
            placed.append(np.zeros(BITS, np.float32))
            placed[-1][_PLACES[bits]] = values[tree.leaves[first:last]]
            first = last
    columns, thresholds, masks = (np.concatenate(each) for each in zip(*steps, strict=True))
    return Pieces(
        columns=columns,
        thresholds=thresholds,
        masks=masks,
        ends=np.cumsum([len(each) for each, _, _ in steps]).astype(np.int32),
        values=np.concatenate(placed),
    )


def _laid_out(sides: list[list[int] | None], root: int) -> _Tree:
    """The tree below a root. `sides`: left and right of each node, None of a leaf. Unfit where it
    has too many leaves, or a node leads back to itself.
    """
    nodes: list[int] = []
    lows: list[int] = []
    middles: list[int] = []
    highs: list[int] = []
    leaves: list[int] = []
    waiting = [(root, -1, middles)]
    while waiting:
        node, closed, bounds = waiting.pop()
        if closed >= 0:  # the left side, or both, of that node are laid out
            bounds[closed] = len(leaves)
        if node < 0:
            continue
        pair = sides[node]
        if pair is None:
            leaves.append(node)
            continue
        number = len(nodes)
        if number == MOST_LEAVES:
            raise Unfit(f"a tree has more than {MOST_LEAVES} leaves, or a circle")
        nodes.append(node)
        lows.append(len(leaves))
        middles.append(0)
        highs.append(0)
        waiting += [(-1, number, highs), (pair[1], number, middles), (pair[0], -1, middles)]
    return _Tree(*(np.array(each, np.int64) for each in (nodes, lows, middles, highs, leaves)))


def _cut(tree: _Tree, first: int) -> tuple[NDArray[np.int64], int]:
    """Where the subtrees begin that the piece from leaf `first` on has before it; its end."""
    befores = np.sort(tree.lows[(tree.middles <= first) & (first < tree.highs)])
    count, room = len(tree.leaves), BITS - len(befores)
    if count - first <= room:
        return befores, count
    if room < 2:
        raise Unfit(f"a leaf lies right of more than {BITS - 2} tests")
    return befores, first + room - 1


def _steps(splits: Splits, tree: _Tree, first: int, last: int, befores: NDArray[np.int64]) -> Step:
    """(tests, thresholds, masks) of a piece, those of one test together, in a multiple of STEP."""

    def bits(bounds: NDArray[np.int64]) -> NDArray[np.uint64]:
        """All bits before a leaf."""
        inside = len(befores) + np.minimum(bounds, last) - first
        before = np.where(bounds <= first, np.searchsorted(befores, bounds), inside)
        return (np.uint64(1) << before.astype(np.uint64)) - np.uint64(1)

    kept = (tree.highs > first) & (tree.lows < last)
    lefts = bits(tree.middles[kept]) ^ bits(tree.lows[kept])
    masks = _ALL & ~lefts.astype(np.uint32)
    nodes = tree.nodes[kept]
    twice = splits.second_tests[nodes] != NONE
    more = -(len(nodes) + int(twice.sum())) % STEP
    tests = np.concatenate(
        [splits.tests[nodes], splits.second_tests[nodes[twice]], np.zeros(more, np.int32)]
    )
    thresholds = np.concatenate(
        [
            splits.thresholds[nodes],
            splits.second_thresholds[nodes[twice]],
            np.zeros(more, np.float32),
        ]
    )
    masks = np.concatenate([masks, masks[twice], np.full(more, _ALL, np.uint32)])
    order = np.argsort(tests, kind="stable")
    return tests[order], thresholds[order], masks[order]
