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

DAY = 86_400_000


def _scores(**change: Any) -> pa.Table:
    columns: dict[str, Any] = {
        "transaction_id": ["a", "b", "c", "d", "e", "f"],
        "customer_id": ["k", "k", "l", "m", "m", "n"],
        "occurred_at": pa.array([0, 5, 10, DAY, DAY + 5, DAY + 9], pa.timestamp("ms")),
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
    ] == [("1970-01-01", 3, 1, 2, 0.5, 1.0), ("1970-01-02", 3, 2, 1, 1.0, 0.5)]
    assert "1970-01-02" in result.output
    page = (tmp_path / "out.html").read_text()
    assert "Precision by recall" in page
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
            _scores(),
            _labels(transaction_id=["f", "e", "d", "c", "b", "x"]),
            ("1 scored transaction without a label, a first"),
        ),
        (
            _scores(),
            pa.concat_tables([_labels(), pa.table({"transaction_id": ["z"], "is_fraud": [True]})]),
            "1 label of transactions without a score, z first",
        ),
        (_scores(score=[0.1, float("nan"), 0.1, 0.1, 0.1, 0.1]), _labels(), "row 1 has no number"),
        (
            _scores(transaction_id=["a", "a", "c", "d", "e", "f"]),
            _labels(),
            ("transaction a of customer k appears twice"),
        ),
        (
            _scores(),
            _labels(transaction_id=["f", "f", "d", "c", "b", "a"]),
            ("transaction f appears twice"),
        ),
        (
            _scores(),
            _labels(customer_id=["n", "m", "m", "l", "k", None]),
            ("customer_id has empty values"),
        ),
        (
            _scores(),
            _labels(customer_id=["n", "m", "m", "l", "k", "x"]),
            ("1 scored transaction without a label, a first"),
        ),
        (_scores(score=[None, 0.1, 0.1, 0.1, 0.1, 0.1]), _labels(), "score has empty values"),
        (_scores().drop_columns(["score"]), _labels(), "column score is missing"),
        (_scores(), _labels(is_fraud=[True] * 6), "all fraud or all genuine"),
        (_scores().slice(0, 0), _labels().slice(0, 0), "holds no rows"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, scores: pa.Table, labels: pa.Table, words: str
) -> None:
    with pytest.raises(Fatal, match=words):
        _run(tmp_path, scores, labels)


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fatal, match="cannot be written"):
        _run(tmp_path, _scores(), _labels(), "--json", str(tmp_path / "file" / "out.json"))
