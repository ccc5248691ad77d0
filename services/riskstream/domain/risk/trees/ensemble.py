"""Trees of a model as an exporter writes them, and the two tests that all of their modes come down
to.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEQ, LT, GTE, GT, EQ, NEQ, LEAF = range(7)
"""Modes of a node."""
NAN_LEFT, NEGATED = 1, 2
"""Kinds of a test: NaN goes left; the negative of the value is tested."""
KINDS = 4
NONE = -1


class Unfit(Exception):
    """Why the kernel does not compute a model. Another engine does then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Nodes of all trees; several ways may lead to one node, as exporters write sets of categories.
    A row at node n goes to trues[n] where its value of the column
    features[n] stands to thresholds[n] as modes[n] says, or is NaN and tracks_true[n]; else to
    falses[n].

    A leaf adds values[n]. What the leaves of the `roots` give is added in their order, float32,
    then `base`; `is_logistic` takes the logistic function of the sum.
    """

    roots: NDArray[np.int32]
    features: NDArray[np.int32]
    modes: NDArray[np.uint8]
    thresholds: NDArray[np.float32]
    tracks_true: NDArray[np.bool_]
    trues: NDArray[np.int32]
    falses: NDArray[np.int32]
    values: NDArray[np.float32]
    base: np.float32
    is_logistic: bool


@dataclass(frozen=True, slots=True)
class Splits:
    """The same nodes: left where the value of test tests[n] is at most thresholds[n], and, where
    there is a second test, that one's as well; else right.

    A test is a column times KINDS, and its kind; NONE: a leaf, or no second test.
    """

    tests: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    second_tests: NDArray[np.int32]
    second_thresholds: NDArray[np.float32]
    lefts: NDArray[np.int32]
    rights: NDArray[np.int32]


def splits_of(trees: Ensemble, columns: int) -> Splits:
    """Unfit where the nodes are no trees over so many columns, or a number has no such form."""
    _check(trees, columns)
    modes, inner = trees.modes, trees.modes != LEAF
    turned = (modes == GTE) | (modes == GT) | (modes == NEQ)
    below = (modes == LT) | (modes == GTE)
    equal = (modes == EQ) | (modes == NEQ)
    # x < t is x <= the next float32 below t; x > t is not x <= t, and NaN goes the other way then
    thresholds = trees.thresholds.copy()
    with np.errstate(over="ignore"):
        thresholds[below] = np.nextafter(thresholds[below], np.float32(-np.inf))
    # NaN is unequal to all
    nan_left = np.where(turned, ~trees.tracks_true & (modes != NEQ), trees.tracks_true)
    tests = (trees.features * KINDS + np.where(nan_left, NAN_LEFT, 0)).astype(np.int32)
    return Splits(
        tests=np.where(inner, tests, NONE).astype(np.int32),
        thresholds=thresholds,
        second_tests=np.where(equal, tests + NEGATED, NONE).astype(np.int32),
        second_thresholds=-thresholds,
        lefts=np.where(turned, trees.falses, trees.trues),
        rights=np.where(turned, trees.trues, trees.falses),
    )


def _check(trees: Ensemble, columns: int) -> None:
    count, inner = len(trees.modes), trees.modes != LEAF
    if not len(trees.roots):
        raise Unfit("it has no tree")
    children = np.concatenate([trees.trues[inner], trees.falses[inner], trees.roots])
    if ((children < 0) | (children >= count)).any():
        raise Unfit("a node leads to one that is not there")
    if ((trees.features[inner] < 0) | (trees.features[inner] >= columns)).any():
        raise Unfit(f"a node tests a column that is not one of {columns}")
    if not np.isfinite(trees.values[~inner]).all() or not np.isfinite(trees.base):
        raise Unfit("a leaf adds no number")
    used = trees.thresholds[inner]
    strict = (trees.modes[inner] == LT) | (trees.modes[inner] == GTE)
    if np.isnan(used).any() or (strict & (used == -np.inf)).any():
        raise Unfit("a threshold is NaN, or lies below every number")
