"""`riskstream labels` refuses a file whose rows break the contract's bounds, names the row, and
sends nothing.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.support.builders import NOW_MS

from riskstream.cli.labels import read_labels
from riskstream.cli.main import root
from riskstream.domain.contracts.codec import codec
from riskstream.runtime.errors import Fatal


def _file(folder: Path, **changes: Any) -> Path:
    good = {
        "label_id": "l-1",
        "transaction_id": "t-1",
        "customer_id": "c-1",
        "outcome": "FRAUD",
        "source": "CHARGEBACK",
        "occurred_at": NOW_MS,
        "known_at": NOW_MS + 5,
        "terminal_id": "t",
    }
    path = folder / "labels.parquet"
    pq.write_table(
        pa.Table.from_pylist([good, {**good, "label_id": "l-0", "known_at": NOW_MS, **changes}]),
        path,
    )
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"customer_id": "ü" * 129}, "row 1: customer_id is 258 bytes, not 1 to 256 bytes"),
        ({"transaction_id": ""}, "line 2: transaction_id: blank"),
        ({"terminal_id": "x" * 300}, "row 1: terminal_id is 300 bytes"),
        (
            {"occurred_at": 1_717_236_000, "known_at": 1_717_236_001},
            "line 2: occurred_at: before 2000: it looks like s",
        ),
    ],
)
def test_a_row_over_a_bound_is_named_and_nothing_is_sent(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    done = CliRunner().invoke(
        root, ["labels", str(_file(tmp_path, **changes)), "--kafka", "127.0.0.1:1"]
    )
    assert isinstance(done.exception, Fatal)
    assert said in str(done.exception)


MAPPING = """
file: {separator: ";", decimal: ",", zone: Europe/Berlin}
label:
  label_id: {column: Fall, prefix: "cb-"}
  transaction_id: Buchung
  customer_id: Kunde
  outcome: {column: Ergebnis, values: {Betrug: FRAUD, "ok": GENUINE}}
  source: {value: CHARGEBACK}
  occurred_at: {column: Datum, format: "%d.%m.%Y %H:%M"}
  known_at: {column: Gemeldet, format: "%d.%m.%Y"}
  loss_minor: {column: Schaden, scale: 100}
"""
ROWS = "Fall;Buchung;Kunde;Datum;Gemeldet;Ergebnis;Schaden\n"
GOOD = "7;b1;k1;01.07.2024 12:00;02.07.2024;Betrug;10,50\n"


def test_a_mapping_says_how_labels_are_written(tmp_path: Path) -> None:
    path, mapping = tmp_path / "in.csv", tmp_path / "mapping.yaml"
    path.write_text(ROWS + GOOD)
    mapping.write_text(MAPPING)
    _, frames = read_labels(path, mapping=mapping)
    assert [codec("label.v1").decode(each) for each in frames] == [
        {
            "label_id": "cb-7",
            "transaction_id": "b1",
            "customer_id": "k1",
            "outcome": "FRAUD",
            "source": "CHARGEBACK",
            "occurred_at": 1_719_828_000_000,
            "known_at": 1_719_871_200_000,
            "loss_minor": 1050,
            "base_currency": "EUR",
            "terminal_id": None,
            "device_id": None,
        }
    ]


@pytest.mark.parametrize(
    ("text", "rows", "said"),
    [
        (MAPPING, GOOD + GOOD.replace("Betrug", "?"), "line 3: outcome: none of UNKNOWN, FRAUD"),
        (MAPPING, GOOD.replace("10,50", "zehn"), "line 2: loss_minor: not a number ('zehn')"),
        (MAPPING.replace(", scale: 100", ""), GOOD, "line 2: loss_minor: amounts are not whole"),
        (MAPPING.replace("  customer_id: Kunde\n", ""), GOOD, "label.customer_id is missing"),
        (MAPPING.replace("label_id:", "name:"), GOOD, "label.name is no field of the contract"),
        (
            MAPPING.replace("{value: CHARGEBACK}", "{row: true}"),
            GOOD,
            "label.source.row is for ids",
        ),
        (MAPPING.replace("label:", "labels:"), GOOD, "unknown section labels"),
    ],
)
def test_a_label_that_does_not_fit_is_named(
    tmp_path: Path, text: str, rows: str, said: str
) -> None:
    path, mapping = tmp_path / "in.csv", tmp_path / "mapping.yaml"
    path.write_text(ROWS + rows)
    mapping.write_text(text)
    with pytest.raises(Fatal) as refused:
        read_labels(path, mapping=mapping)
    assert said in str(refused.value)


def test_good_labels_are_sorted_by_the_time_they_became_known(tmp_path: Path) -> None:
    table, frames = read_labels(_file(tmp_path))
    assert table["label_id"].to_pylist() == ["l-0", "l-1"]
    assert [codec("label.v1").decode(each)["label_id"] for each in frames] == ["l-0", "l-1"]
