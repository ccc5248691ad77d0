"""XGBoost's trees as LightGBM reads them: the same probabilities, ways, reasons."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import xgboost
from numpy.typing import NDArray

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.runtime.errors import Fatal
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.export import export
from riskstream.workbench.training.fit import FitSettings, boost, train
from riskstream.workbench.training.gates import exported_scores
from riskstream.workbench.training.tree_paths import tree_paths
from riskstream.workbench.training.xgboost_trees import as_lightgbm


def _rows(seed: int, n: int = 6000) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    # many values equal to thresholds
    rows = np.round(rng.normal(size=(n, 5)), 1).astype(np.float32)
    rows[rng.random(rows.shape) < 0.15] = np.nan
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_every_row_goes_the_same_way_also_at_thresholds_and_with_nan(seed: int) -> None:
    rows = _rows(seed)
    labels = np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 1]) * np.isnan(rows[:, 2]) > 0.8
    own = xgboost.train(
        {
            "objective": "binary:logistic",
            "max_leaves": 12,
            "grow_policy": "lossguide",
            "subsample": 0.7,
            "seed": seed,
        },
        xgboost.DMatrix(rows, labels),
        25,
    )
    carried = as_lightgbm(json.loads(own.save_raw("json")), rows)
    thresholds = np.array(
        [[each] * 5 for each in {0.0, -0.0, *np.unique(rows[~np.isnan(rows)]).tolist()}], np.float32
    )
    strange = np.concatenate(
        [rows, _rows(seed + 50), thresholds, np.full((1, 5), np.nan, np.float32)]
    )
    expected = own.predict(xgboost.DMatrix(strange))
    np.testing.assert_allclose(carried.predict(strange), expected, atol=1e-6)
    _, difference = exported_scores(carried, export(carried, 5), strange)
    assert difference < 1e-6


def test_reasons_add_up_and_equal_lightgbms_own() -> None:
    rows = _rows(9)
    booster = boost(
        rows,
        np.nan_to_num(rows[:, 0]) > 0.4,
        FitSettings(booster="xgboost", trees=20, leaves=8, patience=0),
    )
    paths = tree_paths(booster)
    found, own = (
        paths.contributions(rows[:300]),
        np.asarray(booster.predict(rows[:300], pred_contrib=True)),
    )
    np.testing.assert_allclose(found, own[:, :-1], atol=1e-6)
    margins = booster.predict(rows[:300], raw_score=True)
    np.testing.assert_allclose(found.sum(axis=1) + paths.base, margins, atol=1e-6)


def test_it_trains_a_whole_model_folder(tmp_path: Path) -> None:
    pq.write_table(simulate(Simulation(seed=3, customers=800, days=30)), tmp_path / "in.parquet")
    data = read_dataset(tmp_path / "in.parquet", STANDARD)
    metrics = train(data, STANDARD, FitSettings(booster="xgboost", trees=60), tmp_path / "m")
    assert metrics["average_precision"] > 3 * metrics["average_precision_amount"]
    assert json.loads((tmp_path / "m/model.json").read_text())["booster"] == "xgboost"
    loaded = OnnxModel(tmp_path / "m", STANDARD)
    margin = loaded.paths.contributions(data.rows[:50]).sum(axis=1) + loaded.paths.base
    np.testing.assert_allclose(1 / (1 + np.exp(-margin)), loaded.predict(data.rows[:50]), atol=1e-5)


def test_without_xgboost_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    rows = _rows(1, 100)
    with pytest.raises(Fatal, match=r"XGBoost is not installed.*trainer,xgboost"):
        boost(rows, rows[:, 0] > 0, FitSettings(booster="xgboost"))


def test_labels_that_nothing_explains_give_no_tree_and_one_sentence() -> None:
    rows = np.ones((200, 3), np.float32)
    with pytest.raises(Fatal, match="no tree with a split"):
        boost(rows, np.arange(200) % 2 == 0, FitSettings(booster="xgboost", trees=3, patience=0))
