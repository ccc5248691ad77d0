"""Replay without a broker: mapping, conversion, order, bad rows."""

import csv
import datetime
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.reader import Files
from riskstream.workbench.mapping.convert import Converter
from riskstream.workbench.mapping.file import default_mapping, read_mapping
from riskstream.workbench.replay.kept import KeptRows
from riskstream.workbench.replay.labels import MAX_OPEN, WaitingLabels
from riskstream.workbench.replay.merge import Slice, merged
from riskstream.workbench.replay.send import Progress, ResumeFile
from riskstream.workbench.simulator.simulate import Simulation, simulate

MAPPING = """
transaction:
  transaction_id: {column: id, prefix: "x-"}
  customer_id: client
  account_token: client
  channel: {value: ECOM}
  kind: kind
  amount_minor: {column: amount, scale: 100}
  currency: {value: EUR}
  occurred_at: {column: at, unit: s}
  mcc: mcc
label:
  is_fraud: bad
  delay_days: 7
"""


def _mapping(tmp_path: Path, text: str = MAPPING) -> Path:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    return path


def _slices(
    path: Path, mapping: Path | None, tmp_path: Path
) -> tuple[list[Slice], list[tuple[int, str]]]:
    bad: list[tuple[int, str]] = []
    waiting = WaitingLabels(tmp_path / "labels")
    files = Files(path)
    found = read_mapping(mapping) if mapping else default_mapping(files.names)
    converter = Converter(found, "EUR", NOW_MS)

    kept = KeptRows(tmp_path / "rows")
    for rows in files.batches(converter.columns):
        done = converter.convert(rows)
        kept.add(rows, done)
        bad.extend((place, each.why) for place, each in done.left_out)
    out = list(merged(kept, waiting))
    waiting.close()
    return out, bad


def _write_csv(path: Path, rows: list[list[Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "client", "kind", "amount", "at", "mcc", "bad"], *rows])


NOW_MS = 1_800_000_000_000
GOOD = ["1", "c", "PURCHASE", "10.50", "1717236000", "5411", "0"]


def test_a_csv_row_becomes_a_transaction_and_a_label(tmp_path: Path) -> None:
    _write_csv(tmp_path / "in.csv", [GOOD, ["2", "d", "CASH", "3", "1717236001", "", "true"]])
    slices, bad = _slices(tmp_path / "in.csv", _mapping(tmp_path), tmp_path)
    assert bad == []
    first = slices[0].transactions
    assert first is not None
    rows = first.as_table().to_pylist()
    assert rows[0]["transaction_id"] == "x-1"
    assert (rows[0]["amount_minor"], rows[0]["base_amount_minor"], rows[0]["occurred_at"]) == (
        1050,
        1050,
        1_717_236_000_000,
    )
    assert rows[1]["mcc"] is None
    labels = slices[-1].labels
    assert labels is not None
    assert [
        (row["transaction_id"], row["outcome"], row["loss_minor"])
        for row in labels.as_table().to_pylist()
    ] == [
        ("x-1", "GENUINE", 0),
        ("x-2", "FRAUD", 300),
    ]
    assert labels.column("known_at")[0] == 1_717_236_000_000 + 7 * 86_400_000


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, "", "transaction_id"),
        (1, "", "customer_id"),
        (2, "GIFT", "kind: none of"),
        (3, "abc", "amount_minor"),
        (3, "", "amount_minor"),
        (3, "-5", "amount_minor"),
        (3, "nan", "amount_minor"),
        (3, "inf", "amount_minor"),
        (3, "1e14", "amount_minor"),
        (4, "yesterday", "occurred_at"),
        (4, "", "occurred_at"),
        (4, "-1", "occurred_at"),
        (6, "7", "is_fraud"),
    ],
)
def test_a_bad_row_is_left_out_with_its_line_and_the_others_are_not(
    tmp_path: Path, place: int, value: str, words: str
) -> None:
    broken = [*GOOD]
    broken[place] = value
    _write_csv(tmp_path / "in.csv", [GOOD, broken, ["3", *GOOD[1:]]])
    slices, bad = _slices(tmp_path / "in.csv", _mapping(tmp_path), tmp_path)
    assert len(bad) == 1
    assert bad[0][0] == 3
    assert words in bad[0][1]
    assert sum(part.transactions.num_rows for part in slices if part.transactions is not None) == 2


def test_a_line_with_too_few_columns_is_left_out(tmp_path: Path) -> None:
    _write_csv(tmp_path / "in.csv", [GOOD, ["2", "c"], ["3", *GOOD[1:]]])
    slices, bad = _slices(tmp_path / "in.csv", _mapping(tmp_path), tmp_path)
    assert bad[0][1] == "2 columns, 7 expected"
    assert sum(part.transactions.num_rows for part in slices if part.transactions is not None) == 2


@pytest.mark.parametrize(
    "text", ["2024-06-01T10:00:00Z", "2024-06-01 10:00:00", "2024-06-01T10:00:00.000+00:00"]
)
def test_instants_may_be_iso_8601(tmp_path: Path, text: str) -> None:
    _write_csv(tmp_path / "in.csv", [[*GOOD[:4], text, *GOOD[5:]]])
    slices, bad = _slices(tmp_path / "in.csv", _mapping(tmp_path), tmp_path)
    assert bad == []
    assert slices[0].start_ms == 1_717_236_000_000


def test_every_event_comes_once_in_the_order_it_becomes_known_and_no_slice_is_longer_than_an_hour(
    tmp_path: Path,
) -> None:
    table = simulate(Simulation(seed=5, customers=300, days=20))
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=1000)
    slices, bad = _slices(tmp_path / "in.parquet", None, tmp_path)
    assert bad == []
    transactions = pa.concat_tables(
        [part.transactions.as_table() for part in slices if part.transactions is not None]
    )
    labels = pa.concat_tables(
        [part.labels.as_table() for part in slices if part.labels is not None]
    )
    assert transactions["transaction_id"].to_pylist() == table["transaction_id"].to_pylist()
    assert sorted(labels["transaction_id"].to_pylist()) == sorted(
        table["transaction_id"].to_pylist()
    )
    assert (np.diff(labels["known_at"].to_numpy()) >= 0).all()
    clock = 0
    for part in slices:
        assert part.end_ms - part.start_ms <= HOUR_MS
        assert part.start_ms >= clock
        clock = part.start_ms
        if part.labels is not None:
            assert part.labels.column("known_at").max() < part.end_ms
    total = {row["transaction_id"]: row["outcome"] for row in labels.to_pylist()}
    truth = zip(table["transaction_id"].to_pylist(), table["is_fraud"].to_pylist(), strict=True)
    assert all(total[name] == ("FRAUD" if fraud else "GENUINE") for name, fraud in truth)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no section"),
        ("transaction: [1]", "no section"),
        (MAPPING + "more: {}", "unknown section more"),
        (MAPPING.replace("currency: {value: EUR}", ""), "transaction.currency is missing"),
        (MAPPING.replace("mcc: mcc", "mmc: mcc"), "transaction.mmc is no field"),
        (MAPPING.replace("unit: s", "unit: minutes"), "unit is minutes, none of"),
        (MAPPING.replace("scale: 100", "sale: 100"), "transaction.amount_minor.sale is unknown"),
        (
            MAPPING.replace("{value: ECOM}", "{value: ECOM, column: x}"),
            "needs one of column, columns",
        ),
        (MAPPING.replace("delay_days", "delay"), "label.delay is unknown"),
        ("a: [", "cannot be read"),
        ("a: " + "[" * 3000, "cannot be read"),
        ("at: 2024-13-45", "cannot be read"),
        (MAPPING + "1: {}", "unknown section 1"),
        (MAPPING.replace("mcc: mcc", "1: a\n  mmc: b"), "transaction.1 is no field"),
        (MAPPING.replace("mcc: mcc", "mcc: {1: a, b: c}"), "transaction.mcc.1 is unknown"),
        (MAPPING.replace("mcc: mcc", "mcc: 5"), "transaction.mcc.column is 5"),
        (MAPPING.replace("mcc: mcc", "mcc:"), "transaction.mcc.column is None"),
        (MAPPING.replace("mcc: mcc", "mcc: {value: 5411.5}"), "transaction.mcc.value is 5411.5"),
        (MAPPING.replace("{value: ECOM}", "{value: ecom}"), "transaction.channel.value is 'ecom'"),
        (MAPPING.replace("{value: EUR}", "{value: 978}"), "transaction.currency.value is 978"),
        (MAPPING.replace("{value: EUR}", "{value: null}"), "transaction.currency.value is None"),
        (MAPPING.replace("scale: 100", "scale: x"), "transaction.amount_minor.scale is 'x'"),
        (MAPPING.replace("scale: 100", "scale: .inf"), "transaction.amount_minor.scale is inf"),
        (MAPPING.replace("unit: s", "unit: [s]"), "unit is ['s']"),
        (MAPPING.replace('prefix: "x-"', "prefix: 1"), "transaction.transaction_id.prefix is 1"),
        (MAPPING.replace("delay_days: 7", "delay_days: soon"), "label.delay_days is 'soon'"),
        (MAPPING.replace("delay_days: 7", "delay_days: .nan"), "label.delay_days is nan"),
        (MAPPING.replace("delay_days: 7", "delay_days: -1"), "label.delay_days is -1"),
        (MAPPING.replace("delay_days: 7", "known_at: {value: 1}"), "label.known_at needs a column"),
        (MAPPING.replace("is_fraud: bad", "is_fraud: [bad]"), "label.is_fraud.column is ['bad']"),
        (MAPPING[: MAPPING.index("label")] + "label: 7", "label is 7"),
    ],
)
def test_a_wrong_mapping_names_the_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Fatal) as caught:
        read_mapping(_mapping(tmp_path, text))
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


_BAD_TYPES = [
    pa.array(["abc"], pa.large_string()),
    pa.array(["abc"]).dictionary_encode(),
    pa.array([2**64 - 1], pa.uint64()),
    pa.array([datetime.timedelta(1)]),
    pa.array([datetime.time(1)]),
    pa.array([b"\xff"]),
    pa.array([[1]]),
    pa.array([{"a": 1}]),
    pa.nulls(1),
]


@pytest.mark.parametrize("values", _BAD_TYPES, ids=lambda each: str(each.type))
@pytest.mark.parametrize("name", ["base_amount_minor", "occurred_at", "is_fraud", "label_known_at"])
def test_a_column_of_another_type_leaves_its_rows_out(
    tmp_path: Path, name: str, values: pa.Array
) -> None:
    table = simulate(Simulation(seed=1, customers=10, days=2)).slice(0, 3)
    odd = pa.chunked_array([values, values, values]).combine_chunks()
    pq.write_table(
        table.set_column(table.column_names.index(name), name, odd), tmp_path / "in.parquet"
    )
    slices, bad = _slices(tmp_path / "in.parquet", None, tmp_path)
    if name == "is_fraud" and values.null_count:
        assert bad == [], "a row without a label is a transaction all the same"
        assert all(part.labels is None for part in slices)
    else:
        assert (slices, [line for line, _ in bad]) == ([], [1, 2, 3])


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_texts_of_every_type_are_read_alike(tmp_path: Path, kind: pa.DataType) -> None:
    _write_csv(
        tmp_path / "in.csv",
        [GOOD, ["2", "c", "PURCHASE", "ten", "1717236000", "", "true"], ["3", *GOOD[1:]]],
    )
    table = pa.csv.read_csv(
        tmp_path / "in.csv",
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(("amount", "at", "bad"), pa.string())
        ),
    )
    pq.write_table(table, tmp_path / "plain.parquet")
    for name in ("amount", "at", "bad", "kind", "client"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    pq.write_table(table, tmp_path / "odd.parquet")
    found = [
        _slices(tmp_path / name, _mapping(tmp_path), tmp_path)
        for name in ("plain.parquet", "odd.parquet")
    ]
    assert found[0] == found[1]
    assert found[0][1] == [(2, "amount_minor: not a number")]


def test_dates_are_the_beginning_of_their_days(tmp_path: Path) -> None:
    table = simulate(Simulation(seed=1, customers=10, days=2)).slice(0, 1)
    day = pa.array([datetime.date(2023, 5, 1)])
    pq.write_table(
        table.set_column(table.column_names.index("occurred_at"), "occurred_at", day),
        tmp_path / "in.parquet",
    )
    slices, _ = _slices(tmp_path / "in.parquet", None, tmp_path)
    assert slices[0].start_ms == 1_682_899_200_000


def test_labels_of_an_hour_come_with_its_transactions_when_the_next_is_later(
    tmp_path: Path,
) -> None:
    """A flush an hour, not two; but nobody knows whether the last hour of a batch goes on."""
    start = 1_717_236_000  # 10:00
    rows = [[str(at), "c", "CASH", "3", str(start + at), "", "0"] for at in (5, 10, 3605, 3610)]
    _write_csv(tmp_path / "in.csv", rows)
    text = MAPPING.replace("delay_days: 7", "delay_days: 0.0001")  # 8.64 s
    slices, _ = _slices(tmp_path / "in.csv", _mapping(tmp_path, text), tmp_path)
    found = [
        [
            [] if each is None else each.as_table()["transaction_id"].to_pylist()
            for each in (part.transactions, part.labels)
        ]
        for part in slices
    ]
    assert found == [
        [["x-5", "x-10"], ["x-5", "x-10"]],
        [["x-3605", "x-3610"], []],
        [[], ["x-3605", "x-3610"]],
    ]
    assert slices[0].end_ms == 1000 * (start + 3600)
    assert slices[1].end_ms == 1000 * (start + 3610) + 1


def test_labels_of_more_days_than_files_may_be_open_come_in_order(tmp_path: Path) -> None:
    waiting = WaitingLabels(tmp_path / "labels")
    rng = np.random.default_rng(1)
    known = rng.permutation(np.repeat(np.arange(3 * MAX_OPEN), 3)) * DAY_MS
    for part in np.split(known, 4):
        waiting.add(pa.table({"known_at": part, "label_id": [f"l-{at}" for at in part.tolist()]}))
        assert len(waiting._writers) <= MAX_OPEN
    days = [*waiting.known_until(5 * DAY_MS), *waiting.known_until(None)]
    found = [rows.column("known_at").tolist() for rows in days]
    assert [each for part in found for each in part] == sorted(known.tolist())
    assert max(map(len, found)) == 3, "a day at most a table"
    waiting.close()


def test_a_mapping_of_other_bytes_than_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(Fatal, match="cannot be read"):
        read_mapping(tmp_path / "mapping.yaml")


def test_a_missing_file_column_or_broken_file_is_one_sentence(tmp_path: Path) -> None:
    mapping = _mapping(tmp_path)
    with pytest.raises(Fatal, match="no such file"):
        Files(tmp_path / "none.csv")
    (tmp_path / "in.csv").write_text("id,client\n1,2\n")
    with pytest.raises(Fatal, match="column kind is not in the file"):
        _slices(tmp_path / "in.csv", mapping, tmp_path)
    (tmp_path / "in.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(Fatal, match="the file cannot be read"):
        Files(tmp_path / "in.parquet")


def test_the_resume_file_belongs_to_one_file_and_mapping(tmp_path: Path) -> None:
    data = tmp_path / "in.csv"
    data.write_text("x")
    os.utime(data, (1, 1))
    ResumeFile(tmp_path / "state", [data], "m").write(
        Progress(events=7, transactions=4, labels=3), force=True
    )
    assert ResumeFile(tmp_path / "state", [data], "m").read().events == 7
    with pytest.raises(Fatal, match="another file or mapping"):
        ResumeFile(tmp_path / "state", [data], "other").read()


def test_rows_that_would_be_summed_in_another_currency_are_left_out(tmp_path: Path) -> None:
    text = MAPPING.replace("currency: {value: EUR}", "currency: kind").replace(
        "kind: kind", "kind: {value: CASH}"
    )
    rows = [[*GOOD[:2], currency, *GOOD[3:]] for currency in ("EUR", "JPY", "USD")]
    _write_csv(tmp_path / "in.csv", rows)
    _, bad = _slices(tmp_path / "in.csv", _mapping(tmp_path, text), tmp_path)
    why = "currency: not EUR, in which amounts are summed, and no base_amount_minor is given"
    assert bad == [(3, why), (4, why)]
    table = simulate(Simulation(seed=1, customers=10, days=2))
    dollars = pa.array(["USD"] * table.num_rows)
    at = table.column_names.index("base_currency")
    pq.write_table(table.set_column(at, "base_currency", dollars), tmp_path / "in.parquet")
    _, bad = _slices(tmp_path / "in.parquet", None, tmp_path)
    assert {reason for _, reason in bad} == {"base_currency: not EUR, in which amounts are summed"}
    assert len(bad) == table.num_rows


def test_an_empty_file_and_a_broken_mapping_are_one_sentence_each(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("")
    with pytest.raises(Fatal, match="the file is empty"):
        Files(tmp_path / "in.csv")
    with pytest.raises(Fatal) as found:
        read_mapping(_mapping(tmp_path, "transaction: [1,2"))
    assert "\n" not in str(found.value)
    assert "line 1, column 18" in str(found.value)


def test_a_file_in_the_contract_s_names_needs_only_those_without_a_default(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    head = "transaction_id,customer_id,account_token,channel,kind,amount_minor,currency,occurred_at"
    path.write_text(f"{head},is_fraud\nt-1,c-1,a-1,POS,PURCHASE,1999,EUR,1700000000000,1\n")
    slices, bad = _slices(path, None, tmp_path)
    assert bad == []
    (row,) = [
        row
        for each in slices
        if each.transactions is not None
        for row in each.transactions.as_table().to_pylist()
    ]
    assert (row["base_amount_minor"], "terminal_id" in row) == (1999, False)
    (label,) = [
        row
        for each in slices
        if each.labels is not None
        for row in each.labels.as_table().to_pylist()
    ]
    assert label["outcome"] == "FRAUD"
    mapping = default_mapping(Files(path).names)
    assert mapping.delay_ms == 7 * DAY_MS
    assert {"terminal_id", "mcc", "corrects"} <= set(mapping.left_empty)
    assert "base_amount_minor" not in mapping.left_empty
    path.write_text(head.replace("customer_id,", "") + "\n")
    with pytest.raises(Fatal, match="column customer_id is not in the file"):
        _slices(path, None, tmp_path)
