"""`riskstream score` and `riskstream compare`: a model's scores of a file, and two of them side by
side.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from riskstream.cli.main import root
from riskstream.domain.risk.decision import decide
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.onnx_model import OnnxModel, SecondStage
from riskstream.runtime.errors import Fatal
from riskstream.workbench.checks.scored import DECISIONS
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train


def _run(*given: object) -> Result:
    result = CliRunner().invoke(root, [str(each) for each in given])
    if result.exception:
        raise result.exception
    return result


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "in.parquet"
    pq.write_table(simulate(Simulation(seed=3, customers=800, days=30)), path)
    return path


@pytest.fixture(scope="module")
def models(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One of 30 trees, and one of 2."""
    folder = tmp_path_factory.mktemp("models")
    rows = read_dataset(data, STANDARD)
    train(rows, STANDARD, FitSettings(trees=30), folder / "a")
    train(rows, STANDARD, FitSettings(trees=2), folder / "b")
    return folder / "a", folder / "b"


def _changed(path: Path, name: str, column: Any) -> None:
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, column), path)


def test_scores_and_decisions_are_those_of_the_scorer(
    tmp_path: Path, data: Path, models: tuple[Path, Path]
) -> None:
    out = tmp_path / "scores.parquet"
    said = _run("score", "--model", models[1], "--data", data, "--out", out).output
    table, sent = pq.read_table(out), pq.read_table(data)
    model = OnnxModel(models[1], STANDARD)
    scores = model.predict(read_dataset(data, STANDARD).rows)
    np.testing.assert_array_equal(table["score"].to_numpy(), scores)
    decisions = decide(scores, model.card.review_from, model.card.block_from)
    assert table["decision"].to_pylist() == [DECISIONS[each] for each in decisions.tolist()]
    for name in ("transaction_id", "customer_id", "base_amount_minor", "base_currency", "is_fraud"):
        assert table[name].to_pylist() == sent[name].to_pylist(), name
    assert (
        table["occurred_at"].cast(pa.int64()).to_pylist()
        == sent["occurred_at"].cast(pa.int64()).to_pylist()
    )
    assert out.stat().st_mode & 0o777 == 0o600
    assert f"{len(sent):,} rows scored" in said
    assert f"{table['decision'].to_pylist().count('REVIEW'):,} REVIEW" in said


def test_a_second_stage_that_is_on_decides_in_its_band(
    tmp_path: Path, data: Path, models: tuple[Path, Path]
) -> None:
    folder, out = tmp_path / "model", tmp_path / "scores.parquet"
    folder.mkdir()
    for each in models[0].iterdir():
        (folder / each.name).write_bytes(each.read_bytes())
    second = (models[1] / "model.onnx").read_bytes()  # any graph of the same columns will do
    (folder / "stage2.onnx").write_bytes(second)
    card = json.loads((folder / "model.json").read_text())
    version = hashlib.sha256(second).hexdigest()[:12]
    card["stage2"] = {"version": version, "low": 0.01, "high": 0.5, "on": True}
    (folder / "model.json").write_text(json.dumps(card))
    _run("score", "--model", folder, "--data", data, "--out", out)
    table = pq.read_table(out)
    model = OnnxModel(folder, STANDARD)
    rows = read_dataset(data, STANDARD).rows
    first = model.predict(rows)
    np.testing.assert_array_equal(table["score"].to_numpy(), first)
    assert model.card.stage2 is not None
    asked = (first >= np.float32(model.card.stage2.low)) & (
        first < np.float32(model.card.stage2.high)
    )
    assert 0 < asked.sum() < len(rows)
    np.testing.assert_array_equal(pc.is_valid(table["stage2_score"]).to_numpy(), asked)
    again = SecondStage(folder, model.card).predict(rows[asked])
    decided = decide(again, model.card.review_from, model.card.block_from)
    assert np.array(table["decision"].to_pylist())[asked].tolist() == [
        DECISIONS[each] for each in decided.tolist()
    ]
    card["stage2"]["on"] = False
    (folder / "model.json").write_text(json.dumps(card))
    _run("score", "--model", folder, "--data", data, "--out", out)
    assert "stage2_score" not in pq.read_table(out).column_names


def test_rows_of_the_training_dates_are_told_of(
    tmp_path: Path, data: Path, models: tuple[Path, Path]
) -> None:
    out, at = tmp_path / "scores.parquet", pc.cast(pq.read_table(data)["occurred_at"], pa.int64())
    trained = json.loads((models[0] / "model.json").read_text())["trained_on"]
    inside = trained["rows"]
    assert at[inside - 1].as_py() == trained["last"] < at[inside].as_py()
    words = f"{inside:,} of {len(at):,} rows lie between "
    assert words in _run("score", "--model", models[0], "--data", data, "--out", out).stderr
    given = ["--scores", out, "--labels", data, "--resamples", 100]
    assert words in _run("evaluate", *given).stdout
    compared = _run("compare", *models, "--data", data, "--resamples", 100).stdout
    assert f"\nA: {words}" in compared
    assert f"\nB: {words}" in compared
    later = tmp_path / "later.parquet"
    pq.write_table(pq.read_table(data).slice(inside), later)
    said = _run("score", "--model", models[0], "--data", later, "--out", out).stderr
    assert "rows lie between" not in said
    assert "rows lie between" not in _run("evaluate", *given).stdout


def test_a_row_without_a_label_is_scored_and_stays_without(
    tmp_path: Path, data: Path, models: tuple[Path, Path]
) -> None:
    path, out = tmp_path / "in.parquet", tmp_path / "scores.parquet"
    pq.write_table(pq.read_table(data), path)
    labels = pq.read_table(data)["is_fraud"].to_pylist()
    _changed(path, "is_fraud", pa.array([None, *labels[1:]], pa.bool_()))
    said = _run("score", "--model", models[1], "--data", path, "--out", out).output
    assert pq.read_table(out)["is_fraud"].to_pylist() == [None, *labels[1:]]
    assert "without a label: 1; " in said
    evaluated = _run("evaluate", "--scores", out, "--labels", out, "--resamples", 100).stdout
    assert evaluated.splitlines()[-1] == "left out: 1 row with an empty label"


def test_a_file_without_labels_is_scored_without_them(
    tmp_path: Path, data: Path, models: tuple[Path, Path]
) -> None:
    path, out = tmp_path / "in.parquet", tmp_path / "scores.parquet"
    pq.write_table(pq.read_table(data).slice(0, 500).drop_columns(["is_fraud"]), path)
    _run("score", "--model", models[1], "--data", path, "--out", out)
    table = pq.read_table(out)
    assert (len(table), "is_fraud" in table.column_names) == (500, False)
    with pytest.raises(Fatal, match="column is_fraud is missing"):
        _run("compare", *models, "--data", path)


def test_what_is_no_model_or_no_data_is_one_sentence(
    tmp_path: Path, data: Path, models: tuple[Path, Path]
) -> None:
    out, path = tmp_path / "scores.parquet", tmp_path / "in.parquet"
    with pytest.raises(Fatal, match=r"model\.json cannot be read"):
        _run("score", "--model", tmp_path, "--data", data, "--out", out)
    (tmp_path / "other").mkdir()
    card = json.loads((models[1] / "model.json").read_text()) | {"feature_set": "other.v1"}
    (tmp_path / "other" / "model.json").write_text(json.dumps(card))
    with pytest.raises(Fatal, match=r"trained on other\.v1, which this version does not have"):
        _run("score", "--model", tmp_path / "other", "--data", data, "--out", out)
    pq.write_table(pq.read_table(data).slice(0, 0), path)
    with pytest.raises(Fatal, match="holds no rows"):
        _run("score", "--model", models[1], "--data", path, "--out", out)
    assert not out.exists()


def test_two_models_are_compared_as_their_scores_are(
    tmp_path: Path, data: Path, models: tuple[Path, Path]
) -> None:
    files = []
    for model in models:
        files.append(tmp_path / f"{model.name}.parquet")
        _run("score", "--model", model, "--data", data, "--out", files[-1])
    found = []
    for pair in (models, files, (models[0], files[1])):
        out = tmp_path / "out.json"
        said = _run("compare", *pair, "--data", data, "--json", out, "--resamples", 200).stdout
        found.append(json.loads(out.read_text()))
        assert said.splitlines()[-1] == "left out: nothing"
        assert "average_precision" in said
    assert found[0] == found[1] == found[2]
    assert found[0]["figures"]["average_precision"]["b_is"] == "worse"
    assert sum(each["rows"] for each in found[0]["decisions"]) > 0


def test_rows_that_only_one_scored_are_left_out_and_contradictions_refused(
    tmp_path: Path, data: Path, models: tuple[Path, Path]
) -> None:
    a, b = tmp_path / "a.parquet", tmp_path / "b.parquet"
    _run("score", "--model", models[1], "--data", data, "--out", a)
    table = pq.read_table(a)
    n = len(table)
    finer = table["occurred_at"].cast(pa.timestamp("us"))
    pq.write_table(table.slice(5).take(pa.array(np.arange(n - 5)[::-1])), b)
    said = _run("compare", a, b, "--data", data, "--resamples", 100).stdout.splitlines()
    assert said[-1] == "left out: 5 transactions that only one of the two scored"
    assert "  no decision changes" in said
    pq.write_table(table, b)
    _changed(b, "occurred_at", finer)
    _run("compare", a, b, "--data", data, "--resamples", 100)
    _changed(b, "base_amount_minor", pc.add(table["base_amount_minor"], 1))
    with pytest.raises(Fatal, match=r"has base_amount_minor \d+ in a\.parquet and \d+ here"):
        _run("compare", a, b, "--data", data)
