"""The public book's columns: by a naive computation on a small table, and as published where its
data is there.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from riskstream.cli import made_vectors
from riskstream.cli.features import command
from riskstream.domain.risk.features import offline
from riskstream.domain.risk.features.handbook import HANDBOOK
from riskstream.domain.risk.features.sets import SETS
from riskstream.runtime.errors import Fatal
from riskstream.workbench.rows.transactions import read_transactions

DAY_S = 86_400
PUBLISHED = Path(__file__).parents[5] / "shared/data/handbook"


def _table(rows: int = 600, seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.integers(0, 60 * DAY_S, rows))
    return pa.table(
        {
            "TRANSACTION_ID": pa.array(np.arange(rows), pa.int32()),
            "TX_DATETIME": pa.array((1_522_540_800 + seconds) * 1000, pa.timestamp("ms")),
            "CUSTOMER_ID": pa.array(rng.integers(0, 7, rows), pa.int16()),
            "TERMINAL_ID": pa.array(rng.integers(0, 9, rows), pa.int16()),
            "TX_AMOUNT": np.round(rng.lognormal(3, 1, rows), 2),
            "TX_FRAUD": pa.array(rng.random(rows) < 0.1, pa.int8()),
        }
    )


def _naive(table: pa.Table) -> dict[str, list[float]]:
    at = [int(each.timestamp()) for each in table["TX_DATETIME"].to_pylist()]
    card, shop = table["CUSTOMER_ID"].to_pylist(), table["TERMINAL_ID"].to_pylist()
    amount, fraud = table["TX_AMOUNT"].to_pylist(), table["TX_FRAUD"].to_pylist()
    out: dict[str, list[float]] = {name: [] for name in HANDBOOK.names[3:]}
    for i in range(len(at)):
        for days in (1, 7, 30):
            mine = [
                amount[j]
                for j in range(i + 1)
                if card[j] == card[i] and at[i] - days * DAY_S < at[j]
            ]
            out[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"].append(len(mine))
            out[f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"].append(sum(mine) / len(mine))
            end = at[i] - 7 * DAY_S
            seen = [
                fraud[j]
                for j in range(i)
                if shop[j] == shop[i] and end - days * DAY_S < at[j] <= end
            ]
            out[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"].append(len(seen))
            out[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"].append(sum(seen) / len(seen) if seen else 0.0)
    return out


def _run(data: Path, out: Path, *more: str) -> pa.Table:
    result = CliRunner().invoke(
        command, ["--set", "handbook", "--data", str(data), "--out", str(out), *more]
    )
    if result.exception:
        raise result.exception
    return pq.read_table(out)


def test_the_books_columns_equal_a_naive_computation(tmp_path: Path) -> None:
    table = _table()
    pq.write_table(table, tmp_path / "in.parquet")
    found = _run(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert found.column_names == ["TRANSACTION_ID", *HANDBOOK.names]
    assert found["TRANSACTION_ID"].to_pylist() == table["TRANSACTION_ID"].to_pylist()
    for name, expected in _naive(table).items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(found["TX_AMOUNT"], table["TX_AMOUNT"], rtol=0, atol=1e-9)


def test_by_closed_tiles_a_profile_is_that_of_the_last_hours_end(tmp_path: Path) -> None:
    table = _table()
    pq.write_table(table, tmp_path / "in.parquet")
    exact = _run(tmp_path / "in.parquet", tmp_path / "exact.parquet")
    tiled = _run(tmp_path / "in.parquet", tmp_path / "tiled.parquet", "--at", "tile")
    at = np.array(table["TX_DATETIME"].cast(pa.int64())) // 1000
    shop, fraud = np.array(table["TERMINAL_ID"]), np.array(table["TX_FRAUD"])
    for days in (1, 7, 30):
        end = at // 3600 * 3600 - 7 * DAY_S
        counts = [
            ((shop == shop[i]) & (at <= end[i]) & (at > end[i] - days * DAY_S)).sum()
            for i in range(len(at))
        ]
        np.testing.assert_array_equal(tiled[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"], counts)
        assert tiled[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"].equals(
            exact[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"]
        )
    assert fraud.any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("twice", "appears twice"),
        ("missing", "column TERMINAL_ID is not in the file"),
        ("all nulls", "none of its 50 rows fits: 50: base_amount_minor: empty"),
    ],
)
def test_bad_input_is_one_sentence_and_no_file_is_left(
    tmp_path: Path, change: str, words: str
) -> None:
    table = _table(50)
    if change == "twice":
        table = pa.concat_tables([table.slice(0, 1), table])
    elif change == "all nulls":
        table = table.set_column(4, "TX_AMOUNT", pa.nulls(50, pa.float64()))
    else:
        table = table.drop_columns(["TERMINAL_ID"])
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(Fatal, match=words):
        _run(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.parquet"]


def test_rows_in_another_order_give_the_same_columns(tmp_path: Path) -> None:
    table = _table(50)
    found = []
    for name, rows in (("sorted", table), ("turned", table.take(pa.array(np.arange(50)[::-1])))):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        found.append(_run(tmp_path / f"{name}.parquet", tmp_path / f"{name}-out.parquet"))
    assert found[0].equals(found[1])


@pytest.mark.parametrize("label", ["standard", "handbook"])
def test_parts_hold_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    monkeypatch.setattr(offline, "_CHUNK", 64)  # rows are computed by 64, and written by 100
    monkeypatch.setattr(made_vectors, "_GROUP_ROWS", 100)
    pq.write_table(_table(), tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    found = _run(tmp_path / "in.parquet", out, "--set", label, "--at", "tile")
    groups = pq.ParquetFile(out).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [100] * 6
    features = SETS[label]
    read = read_transactions(tmp_path / "in.parquet")
    expected = read.vectors(features, out=np.empty((600, len(features.names))))
    for index, name in enumerate(features.names):
        is_money = "over" not in name and any(
            each in name.lower() for each in ("sum", "mean", "amount")
        )
        column = expected[:, index] / (100 if is_money else 1)
        np.testing.assert_array_equal(found[name].to_numpy(), column, err_msg=name)
    assert found["TRANSACTION_ID"].to_pylist() == list(range(600))


def test_rows_without_an_amount_are_left_out(tmp_path: Path) -> None:
    table = _table(50)
    amounts = pa.array([None, -1.0] + [1.0] * 48)
    pq.write_table(table.set_column(4, "TX_AMOUNT", amounts), tmp_path / "in.parquet")
    found = _run(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert found["TRANSACTION_ID"].to_pylist() == list(range(2, 50))


def test_a_set_whose_key_the_file_lacks_is_refused(tmp_path: Path) -> None:
    table = pa.table(
        {
            "transaction_id": ["a"],
            "customer_id": ["c"],
            "occurred_at": [1_700_000_000_000],
            "base_amount_minor": [5],
            "kind": ["PURCHASE"],
            "channel": ["POS"],
            "mcc": pa.array([None], pa.int32()),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(Fatal, match="terminal_id is missing"):
        read_transactions(tmp_path / "in.parquet").vectors(HANDBOOK)


@pytest.mark.skipif(
    not PUBLISHED.exists(), reason="SKIPPED LOUDLY: the handbook's data is not beside this checkout"
)
def test_the_published_columns_are_met_on_every_sampled_row(tmp_path: Path) -> None:
    found = _run(PUBLISHED / "transactions_dev.parquet", tmp_path / "out.parquet")
    book = pq.read_table(PUBLISHED / "book_features_dev.parquet")
    is_clear = np.array([kind != "tie" for kind in book["PICKED_AS"].to_pylist()])
    places = np.searchsorted(found["TRANSACTION_ID"].to_numpy(), book["TRANSACTION_ID"].to_numpy())
    assert is_clear.sum() > 20_000
    for name in HANDBOOK.names[1:]:
        ours, theirs = found[name].to_numpy()[places][is_clear], book[name].to_numpy()[is_clear]
        np.testing.assert_allclose(
            ours, theirs, rtol=0, atol=1e-9 if "AVG" in name or "RISK" in name else 0, err_msg=name
        )
