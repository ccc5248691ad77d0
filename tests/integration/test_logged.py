"""`riskstream logged` against a real chain: what scorers logged and `riskstream labels` said, in
one file.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner
from tests.support.builders import rows
from tests.support.world import World

from riskstream.cli.labels import command as labels_command
from riskstream.cli.logged import command
from riskstream.cli.rules import command as rules_command
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.runtime.durations import DAY_MS
from riskstream.workbench.rows.transactions import read_transactions


def test_logged_vectors_and_labels_of_a_chain_are_one_file_to_train_on(
    world: World, tmp_path: Path
) -> None:
    events = rows(world.tag, 0, 400)
    world.send([*events, *events[:20]])
    world.scores(420)
    sent = [codec("transaction.v1").decode(frame) for _, frame in events]
    known = [
        {
            "label_id": f"{row['transaction_id']}-l",
            "transaction_id": row["transaction_id"],
            "customer_id": row["customer_id"],
            "outcome": "FRAUD",
            "source": "CHARGEBACK",
            "occurred_at": row["occurred_at"],
            "known_at": row["occurred_at"] + 100 * DAY_MS,
            "loss_minor": 1000,
            "base_currency": "EUR",
        }
        for row in sent[::10]
    ]
    pq.write_table(pa.Table.from_pylist(known), tmp_path / "labels.parquet")
    runner = CliRunner()
    said = runner.invoke(
        labels_command,
        [str(tmp_path / "labels.parquet"), "--kafka", world.kafka],
        catch_exceptions=False,
    )
    assert "40 labels sent" in said.output
    out = tmp_path / "logged.parquet"
    result = runner.invoke(
        command, ["--kafka", world.kafka, "--out", str(out)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    table = pq.read_table(out)
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules: [{id: r, when: score >= 0 and hour < 24, action: REVIEW, reason: R, max_share: 1}]"
    )
    tried = runner.invoke(
        rules_command, ["dry-run", str(rules), "--data", str(out)], catch_exceptions=False
    )
    assert tried.output.splitlines()[1].split()[:3] == ["r", "REVIEW", f"{len(table):,}"]
    mine = table.filter(pa.compute.starts_with(table["transaction_id"], f"{world.tag}-"))
    assert sorted(mine["transaction_id"].to_pylist()) == sorted(
        row["transaction_id"] for row in sent
    )
    is_fraud = dict(
        zip(mine["transaction_id"].to_pylist(), mine["is_fraud"].to_pylist(), strict=True)
    )
    assert {name for name, fraud in is_fraud.items() if fraud} == {
        row["transaction_id"] for row in sent[::10]
    }
    pq.write_table(pa.Table.from_pylist(sent), tmp_path / "sent.parquet")
    expected = read_transactions(tmp_path / "sent.parquet").vectors(STANDARD)
    order = {row["transaction_id"]: at for at, row in enumerate(sent)}
    ours = np.stack([mine[f"feature:{name}"].to_numpy() for name in STANDARD.names], axis=1)
    for name, vector in zip(mine["transaction_id"].to_pylist(), ours, strict=True):
        np.testing.assert_array_equal(vector, expected[order[name]])


def test_where_there_is_nothing_to_write_one_sentence_and_no_file(
    world: World, tmp_path: Path
) -> None:
    given = ["--kafka", world.kafka, "--features", "handbook", "--out", str(tmp_path / "x.parquet")]
    result = CliRunner().invoke(command, given)
    assert "no score of handbook.v1" in str(result.exception)
    assert not list(tmp_path.iterdir())
