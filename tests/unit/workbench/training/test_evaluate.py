"""`riskstream evaluate`: figures by hand on a small table, the page, and bad input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from riskstream.cli.evaluate import command
from riskstream.runtime.errors import Fatal

DAY, START = 86_400_000, 1_709_251_200_000  # 2024-03-01


def _times(since_start_ms: Any) -> pa.Array:
    return pa.array(np.array(since_start_ms) + START).cast(pa.timestamp("ms"))


def _scores(**change: Any) -> pa.Table:
    columns: dict[str, Any] = {
        "transaction_id": ["a", "b", "c", "d", "e", "f"],
        "customer_id": ["k", "k", "l", "m", "m", "n"],
        "occurred_at": _times([0, 5, 10, DAY, DAY + 5, DAY + 9]),
        "base_amount_minor": [100, 200, 400, 800, 1600, 3200],
        "score": [0.9, 0.1, 0.8, 0.7, 0.2, 0.3],
        "decision": ["BLOCK", "APPROVE", "REVIEW", "REVIEW", "APPROVE", "APPROVE"],
    }
    return pa.table({**columns, **change})


def _labels(**change: Any) -> pa.Table:
    columns: dict[str, Any] = {
        "transaction_id": ["f", "e", "d", "c", "b", "a"],
        "is_fraud": [True, False, True, False, False, True],
    }
    return pa.table({**columns, **change})


def _figures(folder: Path, scores: pa.Table, labels: pa.Table, *more: str) -> dict[str, Any]:
    _run(folder, scores, labels, "--json", str(folder / "out.json"), *more)
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def _run(folder: Path, scores: pa.Table, labels: pa.Table, *more: str) -> Result:
    pq.write_table(scores, folder / "scores.parquet")
    pq.write_table(labels, folder / "labels.parquet")
    given = [
        "--scores",
        str(folder / "scores.parquet"),
        "--labels",
        str(folder / "labels.parquet"),
        *more,
    ]
    result = CliRunner().invoke(command, given)
    if result.exception:
        raise result.exception
    return result


def test_figures_by_hand(tmp_path: Path) -> None:
    result = _run(
        tmp_path,
        _scores(),
        _labels(),
        "--json",
        str(tmp_path / "out.json"),
        "--page",
        str(tmp_path / "out.html"),
    )
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["rows"], found["frauds"], found["alerts"]) == (6, 3, 3)
    assert found["auc"] == pytest.approx(7 / 9)  # of 9 pairs, c stands above d and f
    assert found["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert (found["saved_minor"], found["lost_minor"], found["stopped_minor"]) == (900, 3200, 400)
    assert found["brier"] == pytest.approx(np.mean([0.01, 0.01, 0.64, 0.09, 0.04, 0.49]))
    assert [
        (day["day"], day["rows"], day["frauds"], day["alerts"], day["precision"], day["recall"])
        for day in found["days"]
    ] == [("2024-03-01", 3, 1, 2, 0.5, 1.0), ("2024-03-02", 3, 2, 1, 1.0, 0.5)]
    assert "2024-03-02" in result.output
    page = (tmp_path / "out.html").read_text()
    assert "Precision by recall" in page
    assert "prefers-color-scheme: dark" in page
    low, high = found["saved_minor_interval"]
    assert f"{low / 100:.2f} to {high / 100:.2f}" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_without_decisions_the_budget_says_what_is_alerted(tmp_path: Path) -> None:
    _run(
        tmp_path,
        _scores().drop_columns(["decision"]),
        _labels(),
        "--budget",
        "0.34",
        "--json",
        str(tmp_path / "out.json"),
    )
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["alerts"], found["saved_minor"], found["stopped_minor"]) == (2, 100, 400)


def test_labels_are_joined_by_customer_and_transaction(tmp_path: Path) -> None:
    scores = _scores(transaction_id=["a", "b", "a", "d", "b", "f"])
    customers = _scores()["customer_id"].to_pylist()
    named = _labels(
        transaction_id=scores["transaction_id"].to_pylist()[::-1],
        customer_id=customers[::-1],
    )
    _run(tmp_path, scores, named, "--json", str(tmp_path / "out.json"))
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["frauds"], found["saved_minor"], found["lost_minor"], found["stopped_minor"]) == (
        3,
        900,
        3200,
        400,
    )


def test_labels_without_customers_are_refused_where_customers_share_an_id(tmp_path: Path) -> None:
    shared = _scores(transaction_id=["a", "b", "a", "d", "e", "f"])
    with pytest.raises(
        Fatal,
        match=r"transaction a belongs to several customers.*add the column "
        r"customer_id",
    ):
        _run(tmp_path, shared, _labels())


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        (
            _scores(score=[0.1, float("nan"), 0.1, 0.1, 0.1, 0.1]),
            _labels(),
            "score of transaction b is not a number",
        ),
        (
            _scores(transaction_id=["a", "a", "c", "d", "e", "f"]),
            _labels(),
            "transaction a of customer k appears twice, with occurred_at .*: keep one of the two",
        ),
        (
            _scores(),
            _labels(transaction_id=["f", "f", "d", "c", "b", "a"]),
            "transaction f appears twice, with is_fraud True and with False.*customer_id",
        ),
        (_scores().drop_columns(["score"]), _labels(), "column score is missing"),
        (
            _scores(),
            _labels(is_fraud=["Yes"] * 6),
            "none of its rows fits: 6: is_fraud: none of 0, 1, false, true: say `values:",
        ),
        (
            _scores(),
            _labels(is_fraud=pa.array([0] * 6, pa.timestamp("ms"))),
            r"none of its rows fits: 6: is_fraud: a timestamp\[ms\] is no label",
        ),
        (_scores(base_amount_minor=[1.5] * 6), _labels(), "amounts are not whole minor units"),
        (
            _scores(decision=["BLOCK", "APPROVE", "REVIEW", "approve", "APPROVE", "APPROVE"]),
            _labels(),
            "column decision has 'approve', which is no decision",
        ),
        (
            _scores(occurred_at=[10**18] * 6),
            _labels(),
            "none of its rows fits: 6: occurred_at: in the future: it looks like ns",
        ),
        (_scores().slice(0, 0), _labels().slice(0, 0), "holds no rows"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, scores: pa.Table, labels: pa.Table, words: str
) -> None:
    with pytest.raises(Fatal, match=words):
        _run(tmp_path, scores, labels)


def test_rows_without_a_label_or_a_score_are_left_out_and_counted_last(tmp_path: Path) -> None:
    scores = _scores(score=[0.9, 0.1, 0.8, None, 0.2, 0.3])
    labels = _labels(
        transaction_id=["f", "e", "d", "c", "x", "a"],
        is_fraud=[True, None, True, False, False, True],
    )
    found = _figures(tmp_path, scores, labels)
    assert (found["rows"], found["frauds"], found["stopped_minor"]) == (3, 2, 400)
    assert {name: count for name, count in found["left_out"].items() if count} == {
        "without_label": 1,
        "without_score": 1,
        "empty_label": 1,
        "empty_score": 1,
    }
    said = (
        "left out: 1 scored transaction without a label, 1 label without a score, "
        "1 row with an empty label, 1 row with an empty score"
    )
    page = tmp_path / "out.html"
    assert _run(tmp_path, scores, labels, "--page", str(page)).stdout.splitlines()[-1] == said
    assert said.capitalize() in page.read_text()


@pytest.mark.parametrize(
    ("scores", "labels", "why"),
    [
        ({}, {"is_fraud": [1, 0, 1, 0, 0, -1]}, "1: is_fraud: none of 0, 1, false, true"),
        ({}, {"is_fraud": ["true", "Yes", "0", "1", "0", "0"]}, "like 'Yes' in line 2"),
        ({}, {"is_fraud": [1.0, 0.0, 1.0, 0.0, float("nan"), 1.0]}, "like 'nan' in line 5"),
        ({}, {"customer_id": ["n", "m", "m", "l", "k", None]}, "1: customer_id: empty"),
        ({"customer_id": ["k", "k", "l", "NULL", "m", "n"]}, {}, "a word for no value"),
        ({"score": ["0.9", "0.1", "0.8", "high", "0.2", "0.3"]}, {}, "score: not a number"),
    ],
)
def test_rows_that_do_not_fit_are_left_out_and_counted(
    tmp_path: Path, scores: dict[str, Any], labels: dict[str, Any], why: str
) -> None:
    result = _run(tmp_path, _scores(**scores), _labels(**labels))
    assert why in result.stderr
    assert "1 row that does not fit" in result.stdout.splitlines()[-1]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_scores_and_labels_of_every_format_give_the_same_figures(tmp_path: Path, kind: str) -> None:
    expected = _figures(tmp_path, _scores(), _labels())
    for name, table in (("scores", _scores()), ("labels", _labels())):
        rows = [{key: str(value) for key, value in row.items()} for row in table.to_pylist()]
        lines = [json.dumps(row) for row in rows]
        if kind == "csv":
            lines = [
                ";".join(row.keys() if at < 0 else row.values())
                for at, row in enumerate([rows[0], *rows], -1)
            ]
        (tmp_path / f"{name}.{kind}").write_text("\n".join(lines))
    given = ["--scores", f"{tmp_path}/scores.{kind}", "--labels", f"{tmp_path}/labels.{kind}"]
    done = CliRunner().invoke(command, [*given, "--json", str(tmp_path / "again.json")])
    assert done.exception is None
    assert json.loads((tmp_path / "again.json").read_text()) == expected


@pytest.mark.parametrize(
    "mapping",
    [
        "label:\n  label_id: {row: true}\n  transaction_id: {column: TX, prefix: t-}\n"
        "  customer_id: WHO\n  outcome: {column: Betrug, values: {ja: FRAUD, nein: GENUINE}}\n"
        f"  occurred_at: {{value: {START}}}\n  known_at: {{value: {START}}}\n",
        "label:\n  transaction_id: {column: TX, prefix: t-}\n"
        "  outcome: {column: Betrug, values: {ja: FRAUD, nein: GENUINE}}\n",
        "transaction:\n  transaction_id: {column: TX, prefix: t-}\n  customer_id: WHO\n"
        "  account_token: WHO\n  amount_minor: {value: 1}\n  currency: {value: EUR}\n"
        f"  occurred_at: {{value: {START}}}\n"
        "label: {is_fraud: {column: Betrug, values: {ja: true, nein: false}}}\n",
    ],
    ids=["labels alone", "what figures need", "transactions"],
)
def test_labels_may_be_written_as_a_mapping_says(tmp_path: Path, mapping: str) -> None:
    scores = _scores(transaction_id=[f"t-{each}" for each in "abcdef"])
    expected = _figures(tmp_path, _scores(), _labels())
    lines = ["TX;WHO;Betrug", "a;k;ja", "b;k;nein", "c;l;nein", "d;m;ja", "e;m;nein", "f;n;ja"]
    (tmp_path / "bank.csv").write_text("\n".join(lines))
    (tmp_path / "mapping.yaml").write_text(mapping)
    pq.write_table(scores, tmp_path / "scores.parquet")
    given = ["--scores", f"{tmp_path}/scores.parquet", "--labels", f"{tmp_path}/bank.csv"]
    more = ["--mapping", f"{tmp_path}/mapping.yaml", "--json", f"{tmp_path}/again.json"]
    done = CliRunner().invoke(command, [*given, *more])
    assert done.exception is None
    assert json.loads((tmp_path / "again.json").read_text()) == expected


def test_that_nothing_was_left_out_is_said_as_well(tmp_path: Path) -> None:
    assert _run(tmp_path, _scores(), _labels()).stdout.splitlines()[-1] == "left out: nothing"


def test_no_row_left_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    labels = _labels(transaction_id=["1", "2", "3", "4", "5", "6"])
    with pytest.raises(Fatal, match="6 scored transactions without a label, 6 labels") as refused:
        _run(tmp_path, _scores(), labels)
    assert refused.value.exit_code == 1
    with pytest.raises(Fatal, match="6 rows with an empty label") as refused:
        _run(tmp_path, _scores(), _labels(is_fraud=pa.nulls(6)))
    assert refused.value.exit_code == 1


def test_rows_that_repeat_another_count_once(tmp_path: Path) -> None:
    once = _figures(tmp_path, _scores(), _labels())
    empty = pa.table({"transaction_id": ["a"], "is_fraud": pa.array([None], pa.bool_())})
    found = _figures(
        tmp_path,
        pa.concat_tables([_scores(), _scores().slice(2, 2)]),
        pa.concat_tables([empty, _labels(), _labels().slice(0, 3)]),
    )
    left = found.pop("left_out")
    assert (left["repeated_score"], left["repeated_label"], sum(left.values())) == (2, 4, 6)
    assert found == {name: value for name, value in once.items() if name != "left_out"}


@pytest.mark.parametrize(
    "labels",
    [
        [1, 0, 1, 0, 0, 1],
        [1.0, 0.0, 1.0, 0.0, 0.0, 1.0],
        ["TRUE", "false", "1", "0", "False", "true"],
        pa.array(["1", "0", "1", "0", "0", "1"]).dictionary_encode(),
    ],
)
def test_a_label_may_be_written_in_several_ways(tmp_path: Path, labels: Any) -> None:
    assert _figures(tmp_path, _scores(), _labels(is_fraud=labels)) == _figures(
        tmp_path, _scores(), _labels()
    )


@pytest.mark.parametrize(("is_fraud", "kind"), [(False, "genuine"), (True, "fraud")])
def test_labels_of_one_class_leave_the_figures_that_need_one(
    tmp_path: Path, is_fraud: bool, kind: str
) -> None:
    page = tmp_path / "out.html"
    labels = _labels(is_fraud=[is_fraud] * 6)
    result = _run(tmp_path, _scores(), labels, "--page", str(page))
    assert f"All labels are {kind}." in result.output
    assert "no curve for these rows" in page.read_text()
    found = _figures(tmp_path, _scores(), labels)
    assert [found[name] for name in ("auc", "auc_interval", "average_precision")] == [None] * 3
    assert found["recall"] == (0.5 if is_fraud else None)
    assert found["precision"] == float(is_fraud)
    assert found["brier"] == pytest.approx(
        np.mean((np.array([0.9, 0.1, 0.8, 0.7, 0.2, 0.3]) - is_fraud) ** 2)
    )
    lines = result.output.splitlines()
    assert [line.split() for line in lines if "auc" in line] == [["auc", "-"]]


def test_scores_that_are_all_equal_rank_nothing(tmp_path: Path) -> None:
    found = _figures(
        tmp_path, _scores(score=[0.5] * 6).drop_columns(["decision"]), _labels(), "--budget", "0.2"
    )
    assert (found["auc"], found["auc_interval"]) == (0.5, None)
    assert found["average_precision"] == 0.5
    assert found["notes"][0] == "All scores are equal: they rank nothing."
    assert "6 rows count as alerts in place of 1" in found["notes"][1]


def test_scores_that_are_no_probabilities_have_no_calibration(tmp_path: Path) -> None:
    found = _figures(tmp_path, _scores(score=[9.0, -1.0, 8.0, 7.0, 2.0, 3.0]), _labels())
    assert found["auc"] == pytest.approx(7 / 9)
    assert (found["brier"], found["calibration_error"], found["calibration"]) == (None, None, [])
    assert any("not between 0 and 1" in note for note in found["notes"])


def test_the_same_rows_in_any_order_give_the_same_figures(tmp_path: Path) -> None:
    n, rng = 400, np.random.default_rng(4)
    scores = pa.table(
        {
            "transaction_id": [f"t{at}" for at in range(n)],
            "customer_id": [f"c{at % 40}" for at in range(n)],
            "occurred_at": _times(rng.integers(0, 3 * DAY, n)),
            "base_amount_minor": rng.integers(1, 1000, n),
            "score": rng.integers(0, 8, n) / 8,
        }
    )
    labels = pa.table({"transaction_id": scores["transaction_id"], "is_fraud": rng.random(n) < 0.2})
    one = _figures(tmp_path, scores, labels)
    again = _figures(tmp_path, scores, labels)
    other = _figures(tmp_path, scores.take(pa.array(rng.permutation(n))), labels)
    assert one == again
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, float) or name.endswith("_interval"):
            assert other[name] == pytest.approx(value, abs=1e-12), name
    low, high = one["average_precision_interval"]
    assert low < one["average_precision"] < high
    assert all(day["precision_interval"] for day in one["days"])


def test_three_alerts_of_three_customers_that_are_all_frauds_may_be_luck(tmp_path: Path) -> None:
    labels = _labels(is_fraud=[False, False, True, True, False, True])
    found = _figures(tmp_path, _scores(), labels)
    assert found["precision"] == found["recall"] == 1.0
    for name in ("precision", "recall"):
        assert found[f"{name}_interval"] == pytest.approx([0.025 ** (1 / 3), 1.0])
    # nothing was lost or stopped in any resample: nothing tells how much could be
    assert (found["lost_minor"], found["lost_minor_interval"]) == (0, None)


def test_a_day_of_few_frauds_has_an_interval_that_is_right_for_few(tmp_path: Path) -> None:
    """11 frauds of 11 customers, of which 8 were alerted."""
    n = 40
    scores = pa.table(
        {
            "transaction_id": [f"t{at}" for at in range(n)],
            "customer_id": [f"c{at}" for at in range(n)],
            "occurred_at": _times(range(n)),
            "base_amount_minor": range(1, n + 1),
            "score": [0.5] * n,
            "decision": ["BLOCK"] * 5 + ["REVIEW"] * 3 + ["APPROVE"] * 32,
        }
    )
    labels = pa.table({"transaction_id": scores["transaction_id"], "is_fraud": np.arange(n) < 11})
    [day] = _figures(tmp_path, scores, labels)["days"]
    assert day["recall"] == pytest.approx(8 / 11)
    assert day["recall_interval"] == pytest.approx([0.434, 0.903], abs=0.001)
    assert day["saved_minor_interval"] is None


def test_each_decision_has_its_precision_and_those_stopped_by_mistake(tmp_path: Path) -> None:
    decisions = ["BLOCK", "BLOCK", "BLOCK", "REVIEW", "APPROVE", "APPROVE"]
    out = tmp_path / "out.html"
    found = _figures(tmp_path, _scores(decision=decisions), _labels(), "--page", str(out))
    block, review = found["by_decision"]
    assert [block[name] for name in ("decision", "rows", "frauds", "genuine")] == ["BLOCK", 3, 1, 2]
    assert (block["precision"], block["genuine_customers"]) == (pytest.approx(1 / 3), 2)
    assert (block["saved_minor"], block["stopped_minor"]) == (100, 600)
    assert block["precision_interval"] is not None
    assert (review["decision"], review["precision"], review["genuine"]) == ("REVIEW", 1.0, 0)
    assert "<td>BLOCK</td><td>3</td><td>1</td><td>33.3 %" in out.read_text()
    said = _run(tmp_path, _scores(decision=decisions), _labels()).output
    assert "; 2 genuine transactions of 2 customers by mistake" in said
    bare = _figures(tmp_path, _scores().drop_columns(["decision"]), _labels())
    assert bare["by_decision"] == []


def test_scores_that_rank_no_better_than_the_amounts_are_told_of(tmp_path: Path) -> None:
    good = _figures(tmp_path, _scores(), _labels())
    assert good["average_precision_amount"] == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)
    assert not any("sorting by amount" in note for note in good["notes"])
    bad = _figures(tmp_path, _scores(score=[0.1, 0.9, 0.8, 0.2, 0.7, 0.3]), _labels())
    assert any(note.startswith("The scores are no better than sorting by") for note in bad["notes"])
    same = _figures(tmp_path, _scores(score=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), _labels())
    assert any("sorting by amount" in note for note in same["notes"])


def test_one_customer_gives_no_interval(tmp_path: Path) -> None:
    found = _figures(tmp_path, _scores(customer_id=["k"] * 6), _labels())
    assert found["auc"] is not None
    assert {value for name, value in found.items() if name.endswith("_interval")} == {None}
    assert found["notes"] == ["All rows belong to one customer, so there are no intervals."]


def test_instants_of_any_unit_are_the_same_days(tmp_path: Path) -> None:
    finer = _scores()["occurred_at"].cast(pa.timestamp("ns", "UTC"))
    assert (
        _figures(tmp_path, _scores(occurred_at=finer), _labels())["days"]
        == _figures(tmp_path, _scores(), _labels())["days"]
    )


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fatal, match="cannot be written"):
        _run(tmp_path, _scores(), _labels(), "--json", str(tmp_path / "file" / "out.json"))
