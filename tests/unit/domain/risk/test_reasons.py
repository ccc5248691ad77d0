"""Exact contributions against Shapley values by their definition, against LightGBM's own, and the
codes made of them.
"""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from numpy.typing import NDArray

from riskstream.domain.risk.features.sets import SETS
from riskstream.domain.risk.reasons import REASON_TEXT, Reasons
from riskstream.domain.risk.shap_kernel import shap_kernel
from riskstream.domain.risk.tree_paths import NO_TREES, TreePaths
from riskstream.runtime.errors import Fatal
from riskstream.workbench.training.tree_paths import tree_paths


def _booster(
    rows: NDArray[np.float32], labels: NDArray[np.bool_], trees: int, leaves: int, **more: object
) -> lgb.Booster:
    parameters = {
        "objective": "binary",
        "num_leaves": leaves,
        "verbose": -1,
        "min_data_in_leaf": 5,
        "seed": 1,
        **more,
    }
    return lgb.train(parameters, lgb.Dataset(rows, labels.astype(np.int8)), trees)


def _data(n: int, columns: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, columns)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[:, 0] = np.nan_to_num(rows[:, 0])  # a column without NaN in training
    labels = (
        np.nan_to_num(rows[:, 0] * rows[:, 1]) + np.nan_to_num(rows[:, 2]) + rng.normal(size=n)
        > 0.8
    )
    return rows, labels


def _by_definition(paths: TreePaths, row: NDArray[np.float32], columns: int) -> list[float]:
    """Shapley values of the expectation over leaves when only the features of a set are known,
    subset by subset.
    """
    leaves = []
    begin = 0
    for end, value in zip(paths.ends.tolist(), paths.values.tolist(), strict=True):
        path = {}
        for e in range(begin, end):
            x = float(row[paths.features[e]])
            follows = (
                bool(paths.takes_nan[e])
                if math.isnan(x)
                else bool(paths.lows[e] < x <= paths.highs[e])
            )
            path[int(paths.features[e])] = (follows, float(paths.weights[e]))
        leaves.append((value, path))
        begin = end

    def worth(known: set[int]) -> float:
        total = 0.0
        for value, path in leaves:
            total += value * math.prod(
                (float(follows) if f in known else w) for f, (follows, w) in path.items()
            )
        return total

    out = []
    for i in range(columns):
        others = [f for f in range(columns) if f != i]
        total = 0.0
        for size in range(columns):
            share = (
                math.factorial(size) * math.factorial(columns - size - 1) / math.factorial(columns)
            )
            for known in itertools.combinations(others, size):
                total += share * (worth({*known, i}) - worth(set(known)))
        out.append(total)
    return out


def test_contributions_are_shapley_values_by_their_definition() -> None:
    rows, labels = _data(600, 5)
    paths = tree_paths(_booster(rows, labels, trees=4, leaves=12))
    for row in rows[:6]:
        np.testing.assert_allclose(
            paths.contributions(row[None, :])[0], _by_definition(paths, row, 5), atol=1e-12
        )


@pytest.mark.parametrize(("columns", "leaves", "trees"), [(3, 4, 20), (23, 31, 100), (40, 128, 30)])
def test_contributions_equal_lightgbms_own_and_add_up_to_the_margin(
    columns: int, leaves: int, trees: int
) -> None:
    rows, labels = _data(4000, columns, seed=columns)
    booster = _booster(rows, labels, trees, leaves, max_bin=2047)
    rows = rows[:37].copy()
    rows[0, :] = np.nan  # also where training had none
    paths = tree_paths(booster)
    found, own = paths.contributions(rows), np.asarray(booster.predict(rows, pred_contrib=True))
    np.testing.assert_allclose(found, own[:, :-1], rtol=0, atol=1e-9)
    assert paths.base == pytest.approx(own[0, -1], abs=1e-9)
    np.testing.assert_allclose(
        found.sum(axis=1) + paths.base, booster.predict(rows, raw_score=True), atol=1e-9
    )
    one_by_one = np.concatenate([paths.contributions(rows[at : at + 1]) for at in range(len(rows))])
    np.testing.assert_array_equal(found, one_by_one)


def test_paths_of_many_features_take_several_groups_of_points() -> None:
    """Up to 64 features: 32 points, 8 groups of 4."""
    rng = np.random.default_rng(6)
    lengths = np.array([64, 1, 8, 9, 40])
    count = int(lengths.sum())
    lows = rng.normal(size=count)
    paths = TreePaths(
        base=0.0,
        ends=np.cumsum(lengths).astype(np.int32),
        values=rng.normal(size=len(lengths)),
        features=np.concatenate([rng.permutation(64)[:n] for n in lengths]).astype(np.int32),
        lows=lows,
        highs=lows + 3,
        takes_nan=rng.integers(0, 2, count).astype(np.uint8),
        weights=rng.uniform(0.5, 0.99, count),
    )
    rows = rng.normal(size=(9, 64)).astype(np.float32) + 1
    rows[rng.random(rows.shape) < 0.1] = np.nan
    found = paths.contributions(rows)
    # that they add up to what all features together tell, less what none of them does
    for row, own in zip(rows, found, strict=True):
        told, begin = 0.0, 0
        for end, value in zip(paths.ends.tolist(), paths.values.tolist(), strict=True):
            x, at = row[paths.features[begin:end]], slice(begin, end)
            follows = ((paths.lows[at] < x) & (x <= paths.highs[at])) | (
                np.isnan(x) & (paths.takes_nan[at] != 0)
            )
            told += value * (float(follows.all()) - float(np.prod(paths.weights[at])))
            begin = end
        assert own.sum() == pytest.approx(told, abs=1e-12)


def test_arrays_that_do_not_fit_are_refused_and_nothing_is_explained() -> None:
    rows, labels = _data(600, 5)
    paths = tree_paths(_booster(rows, labels, trees=4, leaves=12))
    rows = rows[:3]
    with pytest.raises(Fatal, match="rows of 2 have not"):
        paths.contributions(np.ascontiguousarray(rows[:, :2]))
    for change in ({"lows": paths.lows[:-1]}, {"ends": paths.ends + np.int32(1)}):
        with pytest.raises(Fatal, match="a path tests more than 64 features"):
            replace(paths, **change).contributions(rows)
    entries: list[NDArray[Any]] = [
        paths.ends,
        paths.features,
        paths.lows,
        paths.highs,
        paths.takes_nan,
    ]
    arrays: list[NDArray[Any]] = [*entries, *paths._tables]
    assert shap_kernel(rows, *arrays, np.zeros(rows.shape))
    assert not shap_kernel(rows, *arrays, np.zeros((2, 5)))
    for place in range(1, len(arrays)):
        cut = np.ascontiguousarray(arrays[place][:-1])
        short = [*arrays[:place], cut, *arrays[place + 1 :]]
        assert not shap_kernel(rows, *short, np.zeros(rows.shape)), place


def test_paths_survive_their_file_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    rows, labels = _data(600, 5)
    paths = tree_paths(_booster(rows, labels, trees=4, leaves=12))
    (tmp_path / "reasons.npz").write_bytes(paths.packed())
    assert paths.packed() == paths.packed()
    again = TreePaths.read(tmp_path / "reasons.npz", 5)
    np.testing.assert_array_equal(paths.contributions(rows[:9]), again.contributions(rows[:9]))
    with pytest.raises(ValueError, match="not one of 2"):
        TreePaths.read(tmp_path / "reasons.npz", 2)
    (tmp_path / "reasons.npz").write_bytes(paths.packed()[:-200])
    with pytest.raises((OSError, KeyError, ValueError)):
        TreePaths.read(tmp_path / "reasons.npz", 5)


def test_reasons_name_the_groups_that_raise_the_score_strongest_first() -> None:
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 2, (4000, 5)).astype(np.float32)
    margin = 3 * rows[:, 0] + 5 * rows[:, 1] - 2 * rows[:, 2] + 4 * rows[:, 3] - 4
    labels = rng.random(4000) < 1 / (1 + np.exp(-margin))
    reasons = Reasons(
        ["A", "B", "C", "", "A"], tree_paths(_booster(rows, labels, trees=40, leaves=8))
    )
    assert reasons.codes == ("A", "B", "C")
    found = reasons.explain(
        np.array([[1, 1, 1, 1, 0], [1, 0, 0, 1, 0], [0, 0, 1, 1, 0]], np.float32)
    )
    assert [[reasons.codes[group] for group in row] for row in found] == [
        ["B", "A"],
        ["A", "C"],
        [],
    ]


def test_without_trees_nothing_is_explained() -> None:
    assert Reasons(["A", "B"], NO_TREES).explain(np.zeros((2, 2), np.float32)) == [[], []]


@pytest.mark.parametrize("name", SETS)
def test_every_reason_of_a_set_has_a_text(name: str) -> None:
    assert {each for each in SETS[name].reasons if each} <= set(REASON_TEXT)
