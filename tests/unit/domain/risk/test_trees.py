"""Packed trees against their definition, node by node: every mode, NaN, large trees, and numbers
that lead out of the arrays.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.forests import MODES, by_definition, chain, grown, rows_of

from riskstream.domain.risk.trees.ensemble import EQ, GT, LEAF, LEQ, LT, Ensemble, Unfit, splits_of
from riskstream.domain.risk.trees.levels import levels_of
from riskstream.domain.risk.trees.packed import FEW, PackedTrees, pack
from riskstream.domain.risk.trees.pieces import pieces_of
from riskstream.domain.risk.trees.probes import probe_rows
from riskstream.domain.risk.trees.trees_kernel import (
    BITS,
    LEAF_PLACES,
    lanes_kernel,
    levels_kernel,
)
from riskstream.runtime.errors import Fatal

INNER = tuple(each for each in MODES if each != LEAF)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 7, 40]),
    st.sampled_from([1, 2, 6, 31, 33, 90]),
    st.sampled_from([1, 3, 12]),
    st.sets(st.sampled_from(INNER), min_size=1).map(sorted),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_packed_trees_give_what_their_definition_gives(
    seed: int, trees: int, leaves: int, columns: int, modes: list[int], tracks: float
) -> None:
    rng = np.random.default_rng(seed)
    forest = grown(
        rng,
        trees=trees,
        leaves=leaves,
        columns=columns,
        modes=tuple(modes),
        tracks=tracks,
        is_logistic=False,
    )
    packed = pack(forest, columns)
    rows = np.concatenate([rows_of(rng, 40, columns), probe_rows(forest, columns, rng, 20)])
    expected = by_definition(forest, rows)
    np.testing.assert_array_equal(packed.predict(rows), expected)
    for size in (1, FEW, FEW + 1):
        found = [packed.predict(rows[at : at + size]) for at in range(0, len(rows), size)]
        np.testing.assert_array_equal(np.concatenate(found), expected)


def test_a_leaf_right_of_more_tests_than_a_mask_has_bits_for_is_unfit() -> None:
    rows = np.arange(-1, 250, 0.5, dtype=np.float32)[:, None]
    for deep in (chain(30, LEQ), chain(120, GT)):
        np.testing.assert_array_equal(pack(deep, 1).predict(rows), by_definition(deep, rows))
    with pytest.raises(Unfit, match="right of more than 30 tests"):
        pack(chain(120, LEQ), 1)


def test_a_node_that_several_ways_lead_to_has_its_leaves_behind_each() -> None:
    """1, 3 and 4 go on to one node, deeper down each time; others end."""
    steps = [(0, EQ, 1, 5, 1), (0, EQ, 3, 5, 2), (0, EQ, 4, 5, 3), (1, LEQ, 0, 5, 4)]
    nodes = [*steps, (0, LEAF, 0, 0, 0), (2, LEQ, 7, 6, 7), (0, LEAF, 0, 0, 0), (0, LEAF, 0, 0, 0)]
    features, modes, thresholds, trues, falses = zip(*nodes, strict=True)
    forest = Ensemble(
        roots=np.zeros(1, np.int32),
        features=np.array(features, np.int32),
        modes=np.array(modes, np.uint8),
        thresholds=np.array(thresholds, np.float32),
        tracks_true=np.zeros(8, np.bool_),
        trues=np.array(trues, np.int32),
        falses=np.array(falses, np.int32),
        values=np.arange(8, dtype=np.float32),
        base=np.float32(0),
        is_logistic=False,
    )
    rng = np.random.default_rng(4)
    rows = rng.integers(-1, 9, (200, 3)).astype(np.float32)
    packed, expected = pack(forest, 3), by_definition(forest, rows)
    assert set(expected.tolist()) == {4, 6, 7}
    np.testing.assert_array_equal(packed.predict(rows), expected)
    found = [packed.predict(row[None, :]) for row in rows]
    np.testing.assert_array_equal(np.concatenate(found), expected)


def test_each_leaf_of_a_mask_has_a_place_of_its_own() -> None:
    assert sorted(LEAF_PLACES) == list(range(BITS))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"roots": np.zeros(0, np.int32)}, "no tree"),
        ({"trues": 99}, "not there"),
        ({"falses": -1}, "not there"),
        ({"trues": 0}, "circle"),
        ({"features": 3}, "not one of 3"),
        ({"features": -1}, "not one of 3"),
        ({"thresholds": np.nan}, "NaN"),
        ({"thresholds": -np.inf, "modes": LT}, "below every number"),
        ({"base": np.float32(np.inf)}, "adds no number"),
    ],
)
def test_nodes_that_are_no_trees_are_unfit(change: dict[str, Any], words: str) -> None:
    forest = grown(np.random.default_rng(1), trees=1, leaves=9, columns=3, modes=(LEQ,))
    pack(forest, 3)
    whole: dict[str, Any] = {}
    for name, value in change.items():
        whole[name] = value
        if isinstance(value, int | float) and not isinstance(value, np.floating):
            whole[name] = getattr(forest, name).copy()
            whole[name][0] = value
    with pytest.raises(Unfit, match=words):
        pack(replace(forest, **whole), 3)


def test_a_number_that_leads_out_of_the_arrays_is_refused() -> None:
    rng = np.random.default_rng(2)
    forest = grown(rng, trees=3, leaves=9, columns=3, is_logistic=False)
    splits, values = splits_of(forest, 3), forest.values
    tests = np.stack([np.arange(12) // 4, np.arange(12) % 4], axis=1).astype(np.int32)
    pieces = pieces_of(splits, forest.roots, values)
    levels = levels_of(splits, forest.roots, values)

    def made() -> PackedTrees:
        return PackedTrees(tests, pieces, levels, columns=3, base=forest.base, is_logistic=False)

    rows = rows_of(rng, 9, 3)
    first = slice(None), 0
    second = slice(None), 1
    np.testing.assert_array_equal(made().predict(rows), by_definition(forest, rows))
    for array, place, bad in (
        (pieces.columns, ..., 12),
        (levels.nodes, first, -1),
        (levels.nodes, second, len(levels.nodes) - 1),
        (levels.trees, first, len(levels.nodes)),
        (levels.trees, second, 3),
        (tests, first, 3),
    ):
        kept = array[place].copy()
        array[place] = bad
        with pytest.raises(ValueError, match="leads out"):
            made()
        array[place] = kept
    made()


def test_kernels_refuse_arrays_that_are_too_short_and_rows_of_fewer_columns() -> None:
    rng = np.random.default_rng(3)
    forest = grown(rng, trees=30, leaves=9, columns=3)
    packed = pack(forest, 3)
    for count in (1, 9):
        with pytest.raises(Fatal, match="rows of 2 columns"):
            packed.predict(np.zeros((count, 2), np.float32))
    rows = rows_of(rng, 9, 3)
    for kernel, held in ((lanes_kernel, packed._many), (levels_kernel, packed._few)):
        assert kernel(rows, *held, np.empty(9, np.float32))
        assert not kernel(rows, *held, np.empty(8, np.float32))
    tests, columns, thresholds, masks, ends, values, base, is_logistic = packed._many
    for short in (
        (columns, thresholds[:-1], masks, ends, values),
        (columns, thresholds, masks[:-1], ends, values),
        (columns, thresholds, masks, ends, values[:-1]),
        (columns, thresholds, masks, ends + np.int32(6), values),
        (columns, thresholds, masks, ends - np.int32(1), values),
    ):
        out = np.empty(9, np.float32)
        assert not lanes_kernel(rows, tests, *short, base, is_logistic, out)
    tests, nodes, numbers, trees, counts, base, is_logistic = packed._few
    for few in ((nodes, numbers[:-1], trees, counts), (nodes, numbers, trees, counts + 30)):
        out = np.empty(9, np.float32)
        assert not levels_kernel(rows, tests, *few, base, is_logistic, out)
