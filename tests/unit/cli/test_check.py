"""`riskstream check`: what a file holds, and what of it would be left out."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from riskstream.cli.main import root
from riskstream.runtime.errors import Fatal
from riskstream.workbench.simulator.simulate import Simulation, simulate

MAPPING = """
transaction:
  transaction_id: id
  customer_id: who
  account_token: who
  channel: {value: POS}
  kind: {value: PURCHASE}
  amount_minor: {column: amount, scale: 100}
  currency: {value: EUR}
  occurred_at: when
label: {is_fraud: bad}
"""
ROWS = (
    "id,who,amount,when,bad\n"
    "1,a,10.00,2024-03-01 10:00:00,1\n"
    "2,b,20.00,2024-03-02 10:00:00,0\n"
    "3,c,99.50,2024-03-02 09:00:00,\n"
    "2,b,20.00,2024-03-02 10:00:00,0\n"
    "5,d,ten,2024-03-03 10:00:00,0\n"
)


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    (tmp_path / "in.csv").write_text(ROWS)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return ["check", str(tmp_path / "in.csv"), "--mapping", str(tmp_path / "mapping.yaml")]


def _run(arguments: list[str]) -> Result:
    done = CliRunner().invoke(root, arguments)
    if done.exception:
        raise done.exception
    return done


def _facts(done: Result) -> dict[str, str]:
    lines = [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in done.stdout.splitlines()]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def test_everything_is_counted(given: list[str]) -> None:
    done = _run(given)
    facts = _facts(done)
    assert facts == {
        "rows": "5",
        "fit": "4",
        "left out": "1",
        "amount left out": "0.00 EUR (0.0 %); not known of 1 row",
        "time": "2024-03-01 10:00:00 to 2024-03-02 10:00:00 UTC",
        "days": "2 with rows",
        "earlier than a row above": "1",
        "repeated customer and transaction": "1",
        "least amount": "10.00 EUR",
        "mean amount": "37.37 EUR",
        "most amount": "99.50 EUR",
        "different customer_id": "3",
        "labels": "3, 1 rows without",
        "frauds": "1 (33.33 % of labels)",
        "amount of frauds": "10.00 EUR",
        "kind": "PURCHASE 4",
        "channel": "POS 4",
        "currency": "EUR 4",
    }
    assert "1 row left out:\n  1: amount_minor: not a number, like 'ten' in line 6" in done.stderr


def test_the_page_says_what_is_shown_and_what_is_left_out(given: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    _run([*given, "--page", str(page)])
    text = page.read_text()
    for words in ("4 rows of 5 fit", "Rows by day", "Rows by amount", "in.csv, line 6: ten"):
        assert words in text
    assert "<script" not in text
    assert "http" not in text
    _run([*given, "--page", str(page)])
    page.write_text("mine")
    with pytest.raises(Fatal, match="did not write"):
        _run([*given, "--page", str(page)])


def test_the_page_shows_values_as_read_and_written_and_columns_that_are_not_used(
    given: list[str], tmp_path: Path
) -> None:
    lines = ROWS.splitlines()
    told = [f"{line},{'note' if at == 0 else f'n{at}'}" for at, line in enumerate(lines)]
    (tmp_path / "in.csv").write_text("\n".join([*told, ",e,30.00,2024-03-03 10:00:00,0,n6"]))
    page = tmp_path / "page.html"
    facts = _facts(_run([*given, "--page", str(page)]))
    assert facts["columns not used"] == "note"
    assert facts["amount left out"] == "30.00 EUR (16.7 %); not known of 1 row"
    text = page.read_text()
    for words in (
        "<th>field</th><th>line 2</th><th>line 3</th><th>line 4</th><th>line 5</th></tr>",
        "<td>10.00 EUR<small>10.00</small></td>",
        "<td>2024-03-02 09:00:00 UTC<small>2024-03-02 09:00:00</small></td>",
        "<td>fraud<small>1</small></td><td>genuine<small>0</small></td><td>no label</td>",
        "<td>1</td><td>30.00</td><td>transaction_id: empty</td>",
        "<td>1</td><td>not known</td><td>amount_minor: not a number</td>",
        "<th>columns not used</th><td>note</td>",
    ):
        assert words in text, words


def test_a_file_of_which_no_row_fits_is_exit_code_1(given: list[str], tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(ROWS.replace("2024-03-0", "soon "))
    with pytest.raises(Fatal, match="none of its 5 rows fits") as caught:
        _run(given)
    assert caught.value.exit_code == 1


def _each(group: click.Group, path: str = "riskstream") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _each(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_command_that_takes_such_rows_takes_a_base_currency() -> None:
    assert isinstance(root, click.Group)
    options = {path: {each.name for each in command.params} for path, command in _each(root)}
    readers = {path for path, names in options.items() if "accepted" in names}
    assert {"riskstream train", "riskstream rules dry-run", "riskstream compare"} <= readers
    without = {path for path in readers if "base_currency" not in options[path]}
    assert without == {"riskstream evaluate"}  # its amounts are the scores'


@pytest.mark.parametrize("command", [["features", "--out", "out.parquet"], ["rules", "dry-run"]])
def test_every_command_leaves_out_rows_in_another_currency(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text(
        "id,who,amount,when,code\n"
        "1,a,10.00,2024-03-01 10:00:00,USD\n"
        "2,b,20.00,2024-03-02 10:00:00,USD\n"
        "3,c,30.00,2024-03-02 10:00:00,EUR\n"
    )
    (tmp_path / "mapping.yaml").write_text(
        MAPPING.replace("currency: {value: EUR}", "currency: code").replace("label:", "# ")
    )
    said = "1 row left out:\n  1: currency: not USD, in which amounts are summed, and no "
    for each in (given, [*command, "--data", *given[1:]]):
        assert said in _run([*each, "--base-currency", "USD"]).stderr
        assert "2 rows left out:\n  2: currency: not EUR" in _run(each).stderr


def test_what_simulate_writes_fits(tmp_path: Path) -> None:
    table = simulate(Simulation(seed=3, customers=50, days=5))
    pq.write_table(table, tmp_path / "in.parquet")
    facts = _facts(_run(["check", str(tmp_path / "in.parquet")]))
    assert facts["fit"] == facts["rows"] == f"{table.num_rows:,}"
    assert facts["repeated customer and transaction"] == "0"
    assert facts["frauds"].startswith(f"{sum(table['is_fraud'].to_pylist()):,} ")
