"""`riskstream rules dry-run` on a file of `riskstream logged`."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from tests.support.builders import NOW_MS, score

from riskstream.cli.rules import command
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.kafka.record import Record
from riskstream.runtime.durations import HOUR_MS
from riskstream.runtime.errors import Fatal
from riskstream.workbench.rows import logged as rows_logged
from riskstream.workbench.rows.logged import STAGE2, LoggedRows, read_logged

ECOM = 2.0
SCORES = ((0.2, None), (0.6, None), (0.6, 0.1), (0.4, 0.9))
"""Of the first stage and of the second."""


def _record(topic: str, offset: int, contract: str, said: dict[str, Any]) -> Record:
    return Record(
        topic=topic,
        partition=0,
        offset=offset,
        appended_at=NOW_MS,
        key=b"c",
        value=codec(contract).encode(said),
        headers=[],
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four payments, an hour apart from 10:00 UTC on; the last one is a fraud."""
    rows = LoggedRows(STANDARD)
    label = {
        "label_id": "l",
        "transaction_id": "t3",
        "customer_id": "c-1",
        "outcome": "FRAUD",
        "source": "IMPORT",
        "occurred_at": NOW_MS,
        "known_at": NOW_MS + 5 * HOUR_MS,
        "loss_minor": 0,
        "base_currency": "EUR",
        "terminal_id": None,
        "device_id": None,
    }
    rows.take_labels([_record("labels.v1", 0, "label.v1", label)])
    records = []
    for src, (first, second) in enumerate(SCORES):
        vector = np.zeros(len(STANDARD.names), np.float32)
        vector[STANDARD.names.index("channel")] = ECOM if src % 2 else 1.0
        vector[STANDARD.names.index("mcc")] = np.nan if src == 0 else 5411
        vector[STANDARD.names.index("customer_count_1h")] = src
        said = score(
            src=src,
            prev=src - 1,
            transaction_id=f"t{src}",
            occurred_at=NOW_MS + src * HOUR_MS,
            base_amount_minor=1000 + src,
            score=first,
            stage2_score=second,
            features=vector.tolist(),
        )
        records.append(_record("scores.v1", src, "score.v1", said))
    rows.take_scores(records)
    path = tmp_path / "logged.parquet"
    pq.write_table(rows.table(delay_ms=0), path)
    return path


def _run(*given: object) -> Result:
    result = CliRunner().invoke(command, [str(each) for each in given])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _rules(data: Path, when: str) -> Path:
    path = data.with_name("rules.yaml")
    path.write_text(
        f"rules:\n  - {{id: r, when: '{when}', action: BLOCK, reason: R, max_share: 1.0}}\n"
    )
    return path


@pytest.mark.parametrize(
    ("when", "matched", "frauds"),
    [
        ("score > 0.5", 2, 1),
        ("score < 0.15", 1, 0),
        ("hour == 13", 1, 1),
        ("weekday == 5", 4, 1),
        ('channel == "ECOM"', 2, 1),
        ("mcc is None", 1, 0),
        ("mcc == 5411", 3, 1),
        ("customer_count_1h >= 2 and amount < 1003", 1, 0),
        ("base_amount_minor == 1003", 1, 1),
        ('transaction_id == "t2"', 1, 0),
        ('customer_id == "c-1" and base_currency == "EUR"', 4, 1),
        ("occurred_at is not None", 4, 1),
    ],
)
def test_rules_read_what_scorers_used(data: Path, when: str, matched: int, frauds: int) -> None:
    said = _run("dry-run", _rules(data, when), "--data", data).output
    cells = said.splitlines()[1].split()
    assert (cells[2], cells[7]) == (str(matched), f"{frauds / matched:.3f}")
    assert ("and none of them is a fraud" in said) is (frauds == 0)


def test_a_rule_on_what_is_not_logged_is_refused_and_a_default_one_left_out(data: Path) -> None:
    with pytest.raises(Fatal, match="r reads terminal_id, which scorers do not log"):
        _run("dry-run", _rules(data, 'terminal_id == "x"'), "--data", data)
    said = _run("dry-run", "--data", data)
    assert "left out: blocked-terminal: scorers do not log terminal_id" in said.output
    assert {"velocity", "amount-over-own-mean", "all"} <= {
        line.split()[0] for line in said.stdout.splitlines()
    }


def test_another_feature_set_a_mapping_and_less_than_was_written_are_refused(
    data: Path, tmp_path: Path
) -> None:
    rules = _rules(data, "score > 0.5")
    with pytest.raises(Fatal, match=r"belong to standard\.v2, not to standard-tiles\.v2"):
        _run("dry-run", rules, "--data", data, "--features", "standard-tiles")
    with pytest.raises(Fatal, match="needs no mapping"):
        _run("dry-run", rules, "--data", data, "--accept", "old-times")
    empty = tmp_path / "empty.parquet"
    pq.write_table(pq.read_table(data).slice(0, 0), empty)
    with pytest.raises(Fatal, match="it holds no rows"):
        _run("dry-run", rules, "--data", empty)
    pq.write_table(pq.read_table(data).drop_columns(["base_currency"]), empty)
    with pytest.raises(Fatal, match="column base_currency is missing"):
        _run("dry-run", rules, "--data", empty)


def test_a_file_without_second_stages_says_what_its_scores_are(data: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.parquet"
    pq.write_table(pq.read_table(data).drop_columns([STAGE2]), older)
    said = _run("dry-run", _rules(data, "score > 0.5"), "--data", older).output
    assert "an older riskstream wrote the file: each score is the first stage's" in said
    assert "older" not in _run("dry-run", _rules(data, "hour == 13"), "--data", older).output
    assert rows_logged.is_logged(older)


def test_a_folder_of_logged_files_is_read_in_order_of_time(data: Path, tmp_path: Path) -> None:
    folder, table = tmp_path / "logged", pq.read_table(data)
    folder.mkdir()
    later = table["occurred_at"].cast("int64").to_numpy() >= NOW_MS + 2 * HOUR_MS
    pq.write_table(table.filter(later), folder / "a.parquet")
    pq.write_table(table.filter(~later), folder / "b.parquet")
    rules = _rules(data, "score > 0.5 or hour == 10")
    whole = _run("dry-run", rules, "--data", data)
    assert whole.output.splitlines()[1].split()[2] == "3"
    assert _run("dry-run", rules, "--data", folder).output == whole.output


def test_a_logged_file_without_rows_is_refused(data: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.parquet"
    pq.write_table(pq.read_table(data).slice(0, 0), empty)
    with pytest.raises(Fatal, match="it holds no rows"):
        _run("dry-run", _rules(data, "score > 0.5"), "--data", empty)
    with pytest.raises(Fatal, match="it holds no rows"):
        read_logged(empty, STANDARD, "EUR")
