"""`riskstream rules check|dry-run` on files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from riskstream.cli.rules import command
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.rules.rule import names_of
from riskstream.runtime.errors import Fatal
from riskstream.workbench.simulator.simulate import Simulation, simulate


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "in.parquet"
    pq.write_table(simulate(Simulation(seed=3, customers=300, days=20)), path)
    return path


def _run(*given: str) -> Result:
    result = CliRunner().invoke(command, list(given))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _file(folder: Path, text: str) -> str:
    path = folder / "rules.yaml"
    path.write_text(text)
    return str(path)


def _rule(when: str, action: str = "REVIEW", share: float = 1.0) -> str:
    return (
        f"rules:\n  - {{id: r, when: '{when}', action: {action}, reason: RULE_R, max_share: "
        f"{share}}}\n"
    )


def test_the_rules_that_ship_are_right_and_stop_few(data: Path) -> None:
    assert "3 rules OK" in _run("check").output
    result = _run("dry-run", "--data", str(data))
    assert result.exit_code == 0, result.output
    words = "the default rule new-device is left out, as standard.v2 has no such features: give "
    assert words + "`--features standard-profiles` and data with " in result.stderr
    assert "device_id to use it" in result.stderr
    with_devices = _run("check", "--features", "standard-profiles")
    assert "4 rules OK" in with_devices.stdout
    assert with_devices.stderr == ""
    assert {line.split()[0] for line in result.stdout.splitlines()[1:] if line} >= {
        "velocity",
        "blocked-terminal",
        "all",
    }


def test_a_dry_run_counts_alerts_precision_and_money_as_by_hand(data: Path, tmp_path: Path) -> None:
    table = pq.read_table(data)
    amount, fraud = np.array(table["base_amount_minor"]), np.array(table["is_fraud"])
    is_shop = np.array([channel == "ECOM" for channel in table["channel"].to_pylist()])
    matched = (amount > 20_000) & is_shop
    result = _run(
        "dry-run",
        _file(tmp_path, _rule('base_amount_minor > 20000 and channel == "ECOM"')),
        "--data",
        str(data),
    )
    cells = result.stdout.splitlines()[1].split()
    assert cells[0] == "r"
    assert cells[2] == f"{matched.sum():,}"
    assert cells[7] == f"{(matched & fraud).sum() / matched.sum():.3f}"
    assert cells[8] == f"{(matched & fraud).sum() / fraud.sum():.3f}"
    assert cells[9:11] == [
        f"{amount[matched & fraud].sum() / 100:,.2f}",
        f"{amount[matched & ~fraud].sum() / 100:,.2f}",
    ]


def test_features_and_lists_are_known_to_a_dry_run(data: Path, tmp_path: Path) -> None:
    table = pq.read_table(data)
    shop = next(each for each in table["terminal_id"].to_pylist() if each)
    count = sum(each == shop for each in table["terminal_id"].to_pylist())
    text = _rule('terminal_id in lists["bad"] and customer_count_30d >= 1') + (
        f"lists:\n  bad: ['{shop}']\n"
    )
    result = _run("dry-run", _file(tmp_path, text), "--data", str(data))
    assert result.stdout.splitlines()[1].split()[2] == f"{count:,}"


def test_every_name_can_be_tried_on_a_file(data: Path, tmp_path: Path) -> None:
    names = [name for name in names_of(STANDARD) if name != "score"]
    lines = "".join(
        f"  - {{id: {name}, when: {name} is not None, action: REVIEW, reason: R, max_share: 1}}\n"
        for name in names
    )
    said = _run("dry-run", _file(tmp_path, f"rules:\n{lines}"), "--data", str(data)).stdout
    rows = pq.read_metadata(data).num_rows
    found = {line.split()[0]: line.split()[2] for line in said.splitlines()[1:]}
    assert found.keys() == {*names, "all"}
    assert found["hour"] == found["weekday"] == found["amount"] == f"{rows:,}"


def test_hours_of_a_file_are_those_of_its_times_in_utc(data: Path, tmp_path: Path) -> None:
    at = pq.read_table(data)["occurred_at"].to_pylist()
    night = sum(each // 3_600_000 % 24 < 4 for each in at)
    sunday = sum((each // 86_400_000 + 4) % 7 == 0 for each in at)
    for when, count in (("hour < 4", night), ("weekday == 6", sunday)):
        said = _run("dry-run", _file(tmp_path, _rule(when)), "--data", str(data)).stdout
        assert said.splitlines()[1].split()[2] == f"{count:,}"


def test_a_rule_that_would_stop_too_much_is_refused(data: Path, tmp_path: Path) -> None:
    result = _run(
        "dry-run",
        _file(tmp_path, _rule("base_amount_minor >= 0", "BLOCK", 0.02)),
        "--data",
        str(data),
    )
    assert result.exit_code == 1
    assert "refused: r stops 100.00 % of transactions, it may stop 2.00 %" in result.output


def test_a_rule_that_blocks_labelled_payments_and_no_fraud_is_warned_of(
    data: Path, tmp_path: Path
) -> None:
    table = pq.read_table(data)
    good = next(row for row in table.to_pylist() if not row["is_fraud"])
    fraud = next(row for row in table.to_pylist() if row["is_fraud"])
    warning = "warning: r blocks 1 labelled transaction, and none of them is a fraud"

    def said(row: dict[str, object], action: str, path: Path = data) -> str:
        rules = _file(tmp_path, _rule(f'transaction_id == "{row["transaction_id"]}"', action))
        result = _run("dry-run", rules, "--data", str(path))
        assert result.exit_code == 0
        return result.output

    assert warning in said(good, "BLOCK")
    assert "warning" not in said(good, "REVIEW") + said(fraud, "BLOCK")
    unlabelled = tmp_path / "unlabelled.parquet"
    pq.write_table(table.drop_columns(["is_fraud"]), unlabelled)
    assert "warning" not in said(good, "BLOCK", unlabelled)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules: [", "not YAML"),
        ("x: 1", "must hold `rules`"),
        (_rule("nothing > 1"), ("r: there is no field or feature nothing")),
        (_rule('terminal_id in lists["gone"]'), "r: there is no list gone"),
        (_rule("customer_id"), ("r: customer_id is a text")),
        (
            _rule("score > 1") + "lists:\n  bad: [5]\n",
            "list bad holds something that is not a text",
        ),
    ],
)
def test_wrong_files_are_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Fatal, match=words):
        _run("check", _file(tmp_path, text))


def test_a_dry_run_of_the_score_or_of_a_missing_column_is_refused(
    data: Path, tmp_path: Path
) -> None:
    with pytest.raises(Fatal, match="asks for the score"):
        _run("dry-run", _file(tmp_path, _rule("score > 0.5")), "--data", str(data))
    table = pq.read_table(data).drop_columns(["country"])
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(Fatal, match=r"column country is missing|No match for FieldRef"):
        _run(
            "dry-run",
            _file(tmp_path, _rule('country == "BE"')),
            "--data",
            str(tmp_path / "in.parquet"),
        )
    assert isinstance(table, pa.Table)
