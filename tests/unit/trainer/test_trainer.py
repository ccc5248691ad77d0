"""Training: the model folder is right, whole, or not there."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from riskstream.adapters.onnx_model import OnnxModel
from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.features.standard import STANDARD
from riskstream.runtime.errors import Fatal
from riskstream.simulator.simulate import Simulation, simulate
from riskstream.trainer.dataset import NEEDED, read_dataset
from riskstream.trainer.fit import FitSettings, train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "in.parquet"
    pq.write_table(simulate(Simulation(seed=3, customers=800, days=30)), path)
    return path


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "m"
    train(read_dataset(data, STANDARD), STANDARD, FitSettings(trees=30), out)
    return out


def test_the_model_ranks_far_better_than_the_amount(model: Path) -> None:
    metrics = json.loads((model / "model.json").read_text())["metrics"]
    assert metrics["average_precision"] > 3 * metrics["average_precision_amount"]
    assert metrics["onnx_difference"] < 1e-5


def test_thresholds_give_the_budgets_on_the_validation_rows(model: Path, data: Path) -> None:
    loaded = OnnxModel(model, STANDARD)
    rows = read_dataset(data, STANDARD).rows
    scores = loaded.predict(rows[int(len(rows) * 0.75) :])
    assert np.mean(scores >= np.float32(loaded.card.review_from)) == pytest.approx(0.01, abs=0.003)
    assert np.mean(scores >= np.float32(loaded.card.block_from)) == pytest.approx(0.002, abs=0.001)


def test_one_row_and_many_rows_give_the_same_scores(model: Path, data: Path) -> None:
    loaded = OnnxModel(model, STANDARD)
    rows = read_dataset(data, STANDARD).rows[:50]
    many = loaded.predict(rows)
    np.testing.assert_array_equal(many, np.concatenate([loaded.predict(rows[i : i + 1]) for i in range(50)]))


def _changed(tmp_path: Path, data: Path, change: str) -> Path:
    table = pq.read_table(data).slice(0, 4000)
    if change == "one class":
        table = table.set_column(table.column_names.index("is_fraud"), "is_fraud", pa.array([False] * len(table)))
    elif change == "missing":
        table = table.drop_columns(["kind"])
    elif change == "unsorted":
        table = table.take(pa.array(np.arange(len(table))[::-1]))
    elif change == "nulls":
        column = pc.if_else(
            pc.equal(table["base_amount_minor"], table["base_amount_minor"][0]), None, table["base_amount_minor"]
        )
        table = table.set_column(table.column_names.index("base_amount_minor"), "base_amount_minor", column)
    elif change == "few":
        table = pa.concat_tables([table.filter(table["is_fraud"]).slice(0, 3), table.slice(0, 20)]).sort_by(
            "occurred_at"
        )
    path = tmp_path / "in.parquet"
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("one class", "one class only"), ("missing", "column kind is missing"), ("unsorted", "earlier than the row before"),
        ("nulls", "base_amount_minor holds nulls"), ("few", "too few"),
    ],
)  # fmt: skip
def test_bad_data_is_one_sentence_and_no_folder_is_left(tmp_path: Path, data: Path, change: str, words: str) -> None:
    path = _changed(tmp_path, data, change)
    with pytest.raises(Fatal, match=words):
        train(read_dataset(path, STANDARD), STANDARD, FitSettings(trees=3), tmp_path / "out")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.parquet"]


def test_no_file_or_no_parquet_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="cannot be read"):
        read_dataset(tmp_path / "none.parquet", STANDARD)
    (tmp_path / "in.parquet").write_text("hello")
    with pytest.raises(Fatal, match="cannot be read"):
        read_dataset(tmp_path / "in.parquet", STANDARD)


@pytest.mark.parametrize("damage", ["no card", "broken card", "other model", "truncated model", "other set"])
def test_a_damaged_model_is_refused_with_what_to_do(model: Path, tmp_path: Path, damage: str) -> None:
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    features = STANDARD
    card = tmp_path / "model.json"
    if damage == "no card":
        card.unlink()
    elif damage == "broken card":
        card.write_text("{")
    elif damage == "other model":
        (tmp_path / "model.onnx").write_bytes((model / "model.onnx").read_bytes() + b"\0")
    elif damage == "truncated model":
        import hashlib

        raw = (model / "model.onnx").read_bytes()[:1000]
        (tmp_path / "model.onnx").write_bytes(raw)
        card.write_text(json.dumps({**json.loads(card.read_text()), "version": hashlib.sha256(raw).hexdigest()[:12]}))
    else:
        features = FeatureSet(name="other", version=1, inputs=STANDARD.inputs, features=STANDARD.features)
    with pytest.raises(Fatal) as caught:
        OnnxModel(tmp_path, features)
    assert caught.value.do


def test_the_trainer_needs_only_the_columns_it_names() -> None:
    assert "attack" not in NEEDED
