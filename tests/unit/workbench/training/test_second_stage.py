"""The second stage of a model: its band, its gain, and that it is on only where it surely gains."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.onnx_model import OnnxModel, SecondStage
from riskstream.runtime.errors import Fatal
from riskstream.scorer.models import load_model
from riskstream.scorer.settings import ScorerSettings
from riskstream.workbench.rows.dataset import Dataset, read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training import second_stage
from riskstream.workbench.training.fit import FitSettings, train
from riskstream.workbench.training.second_stage import combined, gained


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("data") / "in.parquet"
    pq.write_table(simulate(Simulation(seed=3, customers=800, days=30)), path)
    return read_dataset(path, STANDARD)


@pytest.fixture(scope="module")
def model(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "m"
    train(data, STANDARD, FitSettings(trees=30, stage2="int8"), out)
    return out


def test_the_folder_holds_it_and_the_card_says_what_it_gains(model: Path, data: Dataset) -> None:
    card = json.loads((model / "model.json").read_text())["stage2"]
    loaded = OnnxModel(model, STANDARD)
    second = SecondStage(model, loaded.card)
    held = data.rows[(int(len(data.rows) * 0.75) + len(data.rows)) // 2 :]
    first = loaded.predict(held)
    band = (first >= np.float32(card["low"])) & (first < np.float32(card["high"]))
    assert card["high"] == loaded.card.block_from
    assert band.mean() == pytest.approx(card["share_asked"], abs=0.002)
    assert 0.02 < card["share_asked"] < 0.06
    assert np.abs(second.predict(held[band]) - first[band]).mean() < 0.2
    assert card["on"] == (
        card["average_precision_gain"] > 0 and card["gains_in_share_of_resamples"] >= 0.95
    )


def test_a_scorer_uses_it_as_the_card_says_or_as_it_is_told(model: Path) -> None:
    card = json.loads((model / "model.json").read_text())
    policies = {
        asked: load_model(ScorerSettings(model=model, stage2=asked), STANDARD)[1]
        for asked in ("card", "on", "off")
    }
    assert (policies["card"].stage2 is not None) == card["stage2"]["on"]
    assert policies["off"].stage2 is None
    assert policies["off"].model_version == card["version"]
    assert policies["on"].stage2 is not None
    assert policies["on"].model_version == f"{card['version']}+{card['stage2']['version']}"


def test_one_that_is_asked_for_and_not_there_or_of_another_run_is_refused(
    model: Path, tmp_path: Path
) -> None:
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "stage2.onnx").write_bytes(b"other")
    settings = ScorerSettings(model=tmp_path, stage2="on")
    with pytest.raises(Fatal, match=r"stage2\.onnx has version"):
        load_model(settings, STANDARD)
    (tmp_path / "stage2.onnx").unlink()
    with pytest.raises(Fatal, match=r"stage2\.onnx cannot be read"):
        load_model(settings, STANDARD)
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**card, "stage2": None}))
    with pytest.raises(Fatal, match="no second stage"):
        load_model(settings, STANDARD)


def test_a_variant_that_loses_too_much_is_not_written(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(raw: bytes) -> bytes:
        """Another student: one of noise."""
        from riskstream.workbench.training.student import distil, export_student

        rows = np.random.default_rng(0).normal(size=(500, len(STANDARD.names))).astype(np.float32)
        return export_student(distil(rows, rows[:, 0].astype(np.float64), epochs=1))

    monkeypatch.setattr(second_stage, "quantised", spoilt)
    with pytest.raises(Fatal, match="the int8 student loses"):
        train(data, STANDARD, FitSettings(trees=10, stage2="int8"), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_the_band_alone_takes_the_second_scores() -> None:
    first, second = np.array([0.1, 0.2, 0.5, 0.8]), np.array([0.9, 0.9, 0.9, 0.9])
    np.testing.assert_array_equal(combined(first, second, 0.2, 0.8), [0.1, 0.9, 0.9, 0.8])


def test_a_gain_is_sure_where_it_is_large_and_not_where_it_is_chance() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random(4000) < 0.05
    good, noise = labels + rng.normal(0, 0.3, 4000), rng.normal(size=4000)
    gain, sure = gained(labels, noise, good, 0)
    assert (gain > 0.5, sure) == (True, 1.0)
    gain, sure = gained(labels, good, good + rng.normal(0, 1e-3, 4000), 0)
    assert abs(gain) < 0.01
    assert 0.0 < sure < 0.95
