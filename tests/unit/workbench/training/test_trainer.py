"""Training: the model folder is right, whole, or not there."""

import json
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.vectors import column

from riskstream.cli.train import command
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.offline import TransactionColumns, vectors
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.runtime.errors import Fatal
from riskstream.workbench.checks.scored import Scored
from riskstream.workbench.checks.slices import slices
from riskstream.workbench.rows import transactions
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.rows.transactions import NEEDED, Reading, read_transactions
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training import gates
from riskstream.workbench.training.calibrate import platt, scale
from riskstream.workbench.training.export import export
from riskstream.workbench.training.fit import FitSettings, boost, train
from riskstream.workbench.training.gates import exported_scores
from riskstream.workbench.training.thresholds import Costs, by_cost, cost_minor
from riskstream.workbench.training.tree_paths import tree_paths


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
    scores = loaded.predict(rows[(int(len(rows) * 0.75) + len(rows)) // 2 :])
    assert np.mean(scores >= np.float32(loaded.card.review_from)) == pytest.approx(0.01, abs=0.003)
    assert np.mean(scores >= np.float32(loaded.card.block_from)) == pytest.approx(0.002, abs=0.001)


def test_one_row_and_many_rows_give_the_same_scores(model: Path, data: Path) -> None:
    loaded = OnnxModel(model, STANDARD)
    rows = read_dataset(data, STANDARD).rows[:50]
    many = loaded.predict(rows)
    np.testing.assert_array_equal(
        many, np.concatenate([loaded.predict(rows[i : i + 1]) for i in range(50)])
    )


def _changed(tmp_path: Path, data: Path, change: str) -> Path:
    table = pq.read_table(data).slice(0, 4000)
    if change == "one class":
        table = table.set_column(
            table.column_names.index("is_fraud"), "is_fraud", pa.array([False] * len(table))
        )
    elif change == "missing":
        table = table.drop_columns(["kind"])
    elif change == "twice":
        table = pa.concat_tables([table.slice(0, 2000), table.slice(1999)])
    elif change == "few":
        table = pa.concat_tables(
            [table.filter(table["is_fraud"]).slice(0, 3), table.slice(0, 20)]
        ).sort_by("occurred_at")
    path = tmp_path / "in.parquet"
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("one class", "all fraud or all genuine"),
        ("missing", "column kind is missing"),
        ("few", "too few"),
        ("twice", ("appears twice")),
    ],
)
def test_bad_data_is_one_sentence_and_no_folder_is_left(
    tmp_path: Path, data: Path, change: str, words: str
) -> None:
    path = _changed(tmp_path, data, change)
    with pytest.raises(Fatal, match=words):
        train(read_dataset(path, STANDARD), STANDARD, FitSettings(trees=3), tmp_path / "out")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.parquet"]


def test_two_customers_may_share_an_id(tmp_path: Path, data: Path) -> None:
    table = pq.read_table(data).slice(0, 100)
    ids = [table["transaction_id"][0].as_py()] * 100
    customers = [f"c-{at}" for at in range(100)]
    for name, values in (("transaction_id", ids), ("customer_id", customers)):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, tmp_path / "in.parquet")
    read = read_transactions(tmp_path / "in.parquet")
    assert read.names() == list(zip(customers, ids, strict=True))
    customers[7] = customers[6]
    pq.write_table(
        table.set_column(
            table.column_names.index("customer_id"), "customer_id", pa.array(customers)
        ),
        tmp_path / "in.parquet",
    )
    with pytest.raises(Fatal, match=f"transaction {ids[0]} of customer c-6 appears twice"):
        read_transactions(tmp_path / "in.parquet")


@pytest.mark.parametrize("amount", [-1, 10**13 + 1, 2**62])
def test_an_amount_that_the_scorer_rejects_is_no_training_data(
    tmp_path: Path, data: Path, amount: int
) -> None:
    table = pq.read_table(data).slice(0, 100)
    amounts = pa.array([*table["base_amount_minor"].to_pylist()[:99], amount], pa.int64())
    pq.write_table(
        table.set_column(
            table.column_names.index("base_amount_minor"), "base_amount_minor", amounts
        ),
        tmp_path / "in.parquet",
    )
    read = read_transactions(tmp_path / "in.parquet")
    assert (len(read.ids), read.left_out.total) == (99, 1)
    [why] = read.left_out.counts
    assert why.startswith("base_amount_minor: ")


@pytest.mark.parametrize(("row", "time"), [(0, -1), (99, 2**42), (99, 2**62)])
def test_a_time_that_no_ring_holds_is_no_training_data(
    tmp_path: Path, data: Path, row: int, time: int
) -> None:
    table = pq.read_table(data).slice(0, 100)
    times = table["occurred_at"].cast(pa.int64()).to_pylist()
    times[row] = time
    path = tmp_path / "in.parquet"
    pq.write_table(
        table.set_column(
            table.column_names.index("occurred_at"), "occurred_at", pa.array(times, pa.int64())
        ),
        path,
    )
    read = read_transactions(path)
    assert (len(read.ids), read.left_out.total) == (99, 1)
    [(why, (_, place, _))] = read.left_out.firsts.items()
    assert why.startswith("occurred_at: ")
    assert place == row + 1


def test_base_amounts_of_two_currencies_are_not_summed(tmp_path: Path, data: Path) -> None:
    table = pq.read_table(data).slice(0, 100)
    mixed = pa.array(["EUR"] * 99 + ["JPY"])
    pq.write_table(
        table.set_column(table.column_names.index("base_currency"), "base_currency", mixed),
        tmp_path / "in.parquet",
    )
    with pytest.raises(Fatal, match="base amounts are in EUR and JPY, and would be summed"):
        read_transactions(tmp_path / "in.parquet")


def test_rows_in_another_base_currency_are_left_out(tmp_path: Path, data: Path) -> None:
    table = pq.read_table(data).slice(0, 100)
    mixed = pa.array(["EUR"] * 99 + ["JPY"])
    path = tmp_path / "in.parquet"
    pq.write_table(
        table.set_column(table.column_names.index("base_currency"), "base_currency", mixed), path
    )
    read = read_transactions(path, Reading(base_currency="EUR"))
    assert (len(read.ids), read.base_currency, read.left_out.total) == (99, "EUR", 1)
    bare = table.drop_columns(["base_currency"])
    pq.write_table(bare, path)
    assert read_transactions(path, Reading(base_currency="EUR")).base_currency == "EUR"


def test_a_mapping_without_labels_is_told_which_column_may_be_one(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,who,amount,when,Betrug\n1,a,1,2024-03-01,1\n")
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "transaction: {transaction_id: id, customer_id: who, account_token: who, occurred_at: when,"
        " channel: {value: POS}, kind: {value: PURCHASE}, amount_minor: amount,"
        " currency: {value: EUR}}\n"
    )
    given = ["--data", str(tmp_path / "in.csv"), "--mapping", str(mapping)]
    result = CliRunner().invoke(command, [*given, "--out", str(tmp_path / "m")])
    assert str(result.exception).startswith("the mapping has no section `label` that says what")
    assert "{is_fraud: Betrug}" in str(result.exception)


def test_no_file_or_no_parquet_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="there is no such file"):
        read_dataset(tmp_path / "none.parquet", STANDARD)
    (tmp_path / "in.parquet").write_text("hello")
    with pytest.raises(Fatal, match="column is_fraud is missing"):
        read_dataset(tmp_path / "in.parquet", STANDARD)


@pytest.mark.parametrize(
    "damage", ["no card", "broken card", "other model", "truncated model", ("other set")]
)
def test_a_damaged_model_is_refused_with_what_to_do(
    model: Path, tmp_path: Path, damage: str
) -> None:
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
        card.write_text(
            json.dumps(
                {**json.loads(card.read_text()), "version": hashlib.sha256(raw).hexdigest()[:12]}
            )
        )
    else:
        features = FeatureSet(
            name="other", version=1, inputs=STANDARD.inputs, features=STANDARD.features
        )
    with pytest.raises(Fatal) as caught:
        OnnxModel(tmp_path, features)
    assert caught.value.do


def test_the_trainer_needs_only_the_columns_it_names() -> None:
    assert "attack" not in NEEDED


def test_scores_are_calibrated_and_the_trees_speak_of_the_same_margin(
    model: Path, data: Path
) -> None:
    loaded = OnnxModel(model, STANDARD)
    rows = read_dataset(data, STANDARD).rows[:200]
    margin = loaded.paths.contributions(rows).sum(axis=1) + loaded.paths.base
    np.testing.assert_allclose(1 / (1 + np.exp(-margin)), loaded.predict(rows), atol=1e-5)
    metrics = json.loads((model / "model.json").read_text())["metrics"]
    assert metrics["calibration_error"] <= 0.02
    assert metrics["calibration_slope"] > 0


def test_platts_scaling_finds_the_slope_and_offset_that_made_the_labels() -> None:
    rng = np.random.default_rng(1)
    margins = rng.normal(-1, 2, 200_000)
    labels = rng.random(len(margins)) < 1 / (1 + np.exp(-(0.5 * margins + 0.7)))
    slope, offset = platt(margins, labels)
    assert slope == pytest.approx(0.5, abs=0.02)
    assert offset == pytest.approx(0.7, abs=0.03)
    assert platt(margins[:50], np.zeros(50, np.bool_)) == (1.0, 0.0)
    # a model that ranks the wrong way is not turned round
    assert platt(-margins, labels) == (1.0, 0.0)


def test_scaled_trees_give_the_scaled_margin() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(2000, 4)).astype(np.float32)
    booster = boost(rows, rows[:, 0] > 0.5, FitSettings(trees=10, patience=0))
    before = np.asarray(booster.predict(rows, raw_score=True))
    scale(booster, 0.4, -1.5)
    np.testing.assert_allclose(booster.predict(rows, raw_score=True), 0.4 * before - 1.5, atol=1e-9)
    paths = tree_paths(booster)
    np.testing.assert_allclose(
        paths.contributions(rows[:50]).sum(axis=1) + paths.base, 0.4 * before[:50] - 1.5, atol=1e-9
    )


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 900)), min_size=1, max_size=25
    ),
    review=st.integers(0, 300),
    block=st.integers(0, 900),
)
def test_thresholds_by_cost_are_the_cheapest_of_all_pairs(
    rows: list[tuple[int, bool, int]], review: int, block: int
) -> None:
    scores = np.array([score / 10 for score, _, _ in rows], np.float32)
    labels, amounts = (
        np.array([label for _, label, _ in rows]),
        np.array([amount for _, _, amount in rows]),
    )
    costs = Costs(review_minor=review, block_minor=block)
    review_from, block_from = by_cost(scores, labels, amounts, costs)
    assert review_from <= block_from
    edges = [*np.unique(scores).tolist(), 2.0]
    least = min(
        cost_minor(scores, labels, amounts, costs, a, b) for a in edges for b in edges if a <= b
    )
    assert cost_minor(scores, labels, amounts, costs, review_from, block_from) == least


def test_budgets_that_contradict_each_other_are_refused(data: Path, tmp_path: Path) -> None:
    asked = ["--data", str(data), "--out", str(tmp_path / "model")]
    for budget in (["--block-budget", "0.02"], ["--review-budget", "0.001"]):
        result = CliRunner().invoke(command, [*asked, *budget])
        assert isinstance(result.exception, Fatal)
        assert "which holds what is blocked too" in result.exception.what
    assert not (tmp_path / "model").exists()


def test_a_feature_that_knows_what_comes_after_stops_the_training(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(features: FeatureSet, rows: TransactionColumns, *given: Any, **more: Any) -> Any:
        out = vectors(features, rows, *given, **more)
        column(STANDARD, out, "customer_count_7d")[:] += np.float32(rows.base_amount_minor.mean())
        return out

    monkeypatch.setattr(transactions, "vectors", leaking)
    with pytest.raises(Fatal, match=r"feature customer_count_7d of row .* depends on later rows"):
        read_dataset(data, STANDARD)


def test_a_label_known_before_its_transaction_is_refused(data: Path, tmp_path: Path) -> None:
    table = pq.read_table(data)
    at = table.column_names.index("label_known_at")
    early = pa.array(np.array(table["label_known_at"].cast(pa.int64())) - 400 * 86_400_000)
    pq.write_table(table.set_column(at, "label_known_at", early), tmp_path / "in.parquet")
    with pytest.raises(Fatal, match="label known_at: before occurred_at"):
        read_dataset(tmp_path / "in.parquet", STANDARD)


def test_the_card_is_one_page_with_curves_and_slices(model: Path) -> None:
    page = (model / "card.html").read_text()
    for words in (
        "Precision by recall",
        "Calibration",
        "By slice",
        "channel ECOM",
        "amount up to",
        "By day",
    ):
        assert words in page
    assert "<script" not in page
    for words in ("Trained on", "by lightgbm", "Reviewed from, blocked from"):
        assert words in page
    for words in ("average precision of sorting by amount", "By decision", "<td>BLOCK</td>"):
        assert words in page


def test_a_slice_of_all_rows_is_not_shown(data: Path) -> None:
    rows = read_dataset(data, STANDARD)
    place = STANDARD.names.index("kind")
    rows.rows[:, place] = 1.0
    n = len(rows.labels)
    scored = Scored(
        score=rows.rows[:, 0].astype(np.float64),
        label=rows.labels,
        alerted=np.arange(n) < 50,
        customer=rows.customers,
        occurred_at=rows.occurred_at,
        amount_minor=rows.amounts_minor,
    )
    found = slices(scored, rows.rows, STANDARD, resamples=100)
    assert all(0 < each["rows"] < n for each in found)
    assert {each["name"].split()[0] for each in found} == {"channel", "amount", "new", "known"}


def test_the_card_says_what_was_left_out_of_the_file(tmp_path: Path, data: Path) -> None:
    table = pq.read_table(data)
    labels, amounts = table["is_fraud"].to_pylist(), table["base_amount_minor"].to_pylist()
    labels[:100] = [None] * 100
    customers = table["customer_id"].to_pylist()
    customers[200] = ""
    currencies = [*["USD"] * 3, *table["base_currency"].to_pylist()[3:]]
    for name, values in (
        ("is_fraud", labels),
        ("customer_id", customers),
        ("base_currency", currencies),
    ):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, tmp_path / "in.parquet")
    given = ["--data", str(tmp_path / "in.parquet"), "--out", str(tmp_path / "m"), "--trees", "9"]
    result = CliRunner().invoke(command, given, catch_exceptions=False)
    found = json.loads((tmp_path / "m/model.json").read_text())["left_out"]
    assert (found["rows"], found["of_rows"]) == (101, len(table))
    without_label = sum(amounts[3:100])
    assert found["amount_minor"] == without_label + amounts[200]
    assert found["of_amount_minor"] == sum(amounts[3:])
    assert found["amount_share"] == found["amount_minor"] / found["of_amount_minor"]
    assert [(each["why"], each["rows"], each["amount_minor"]) for each in found["reasons"]] == [
        ("is_fraud: no label", 97, without_label),
        ("base_currency: not EUR, in which amounts are summed", 3, 0),
        ("customer_id: blank", 1, amounts[200]),
    ]
    assert [each["rows_without_amount"] for each in found["reasons"]] == [0, 3, 0]
    page = (tmp_path / "m/card.html").read_text()
    assert f"Left out: 101 of {len(table):,} rows of the file (" in page
    assert "The amount of 3 rows is not known." in page
    for each in found["reasons"]:
        assert f"<td>{each['why']}</td>" in page
        assert f"{each['rows']}: {each['why']}" in result.stderr


def test_a_card_says_that_nothing_was_left_out(model: Path) -> None:
    assert json.loads((model / "model.json").read_text())["left_out"]["rows"] == 0
    page = (model / "card.html").read_text()
    assert "Left out: nothing." in page
    assert "None: every row is used." in page


@pytest.mark.parametrize(
    ("bound", "value", "words"),
    [
        ("MAX_ONNX_BYTES", 1000, "the model has .* bytes, allowed are 1,000"),
        ("MAX_ROW_MS", 0.0, ("a row takes .* ms")),
        ("MAX_CALIBRATION_ERROR", 0.0, "differ by .* from the share of frauds"),
        ("MAX_ONNX_DIFFERENCE", -1.0, "ONNX and LightGBM differ"),
        ("MAX_REASON_DIFFERENCE", -1.0, ("reasons and LightGBM")),
    ],
)
def test_a_gate_that_does_not_hold_leaves_nothing_behind(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    value: float,
    words: str,
) -> None:
    monkeypatch.setattr(gates, bound, value)
    with pytest.raises(Fatal, match=words):
        train(read_dataset(data, STANDARD), STANDARD, FitSettings(trees=5), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_value_next_to_a_threshold_goes_the_same_way_in_onnx() -> None:
    low = np.float32(1.0)
    # no float32 lies between them, where the trees put their threshold
    high = np.nextafter(low, np.float32(2))
    rows = np.repeat(np.array([[low], [high]], np.float32), 500, axis=0)
    booster = boost(
        rows,
        rows[:, 0] > low,
        FitSettings(trees=5, leaves=2, min_leaf_rows=5, row_share=1.0, patience=0),
    )
    assert booster.predict(rows[:1]) < booster.predict(rows[-1:])
    _, difference = exported_scores(booster, export(booster, 1), rows)
    assert difference < 1e-6


@pytest.mark.filterwarnings("error")
def test_a_split_by_what_is_missing_goes_the_same_way_in_onnx_and_warns_of_nothing() -> None:
    rows = np.repeat(np.array([[np.nan], [-1.0], [1.0], [2.0]], np.float32), 500, axis=0)
    booster = boost(
        rows,
        np.isnan(rows[:, 0]),
        FitSettings(trees=5, leaves=2, min_leaf_rows=5, row_share=1.0, patience=0),
    )
    assert max(_thresholds(booster)) > float(np.finfo(np.float32).max)
    assert booster.predict(rows[:1]) > booster.predict(rows[-1:])
    _, difference = exported_scores(booster, export(booster, 1), rows)
    assert difference < 1e-6


def _thresholds(booster: lgb.Booster) -> list[float]:
    """Of the root of each tree."""
    return [
        float(tree["tree_structure"]["threshold"]) for tree in booster.dump_model()["tree_info"]
    ]
