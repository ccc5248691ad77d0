"""Replay through the command line: order, resume, bad rows."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
from tests.support.world import World

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.workbench.simulator.simulate import Simulation, simulate

COMMAND = [sys.executable, "-c", "from riskstream.cli.main import main; main()", "replay"]


def test_a_replay_that_is_stopped_goes_on_where_it_was(world: World, tmp_path: Path) -> None:
    table = simulate(Simulation(seed=77, customers=60, days=25))
    path = tmp_path / "in.parquet"
    pq.write_table(table, path)
    start = {("labels.v1", number): at for number, at in enumerate(world.ends("labels.v1"))}
    before = world.ends("transactions.v1")
    arguments = [
        *COMMAND,
        str(path),
        "--kafka",
        world.kafka,
        "--state",
        str(tmp_path / "state.json"),
    ]
    first = subprocess.Popen([*arguments, "--rate", "800"], stdout=subprocess.PIPE, text=True)
    while world.ends("transactions.v1") == before:
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    out, _ = first.communicate(timeout=30)
    assert first.returncode == 130
    assert "to go on from" in out
    done = json.loads((tmp_path / "state.json").read_text())
    assert 0 < done["events"] < 2 * table.num_rows
    second = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert second.returncode == 0, second.stderr
    assert (
        f"{table.num_rows:,} transactions and {table.num_rows:,} labels sent, 0 rows left out"
        in second.stdout
    )
    sent = [
        codec("transaction.v1").decode(record.value)["transaction_id"]
        for record in world.all_new("transactions.v1")
    ]
    assert sorted(sent) == sorted(table["transaction_id"].to_pylist())
    with TopicReader(world.kafka, ["labels.v1"], offsets=start) as reader:
        labels = [codec("label.v1").decode(record.value) for record in reader.until_end()]
    assert len(labels) == table.num_rows
    assert sum(label["outcome"] == "FRAUD" for label in labels) == sum(
        table["is_fraud"].to_pylist()
    )
    world.scores(table.num_rows)


def test_bad_rows_are_written_with_line_and_reason(world: World, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(
        "id,client,amount,at,bad\n"
        f"{world.tag}1,c-{world.tag},10,1717236000,0\n"
        f"{world.tag}2,c-{world.tag},ten,1717236001,0\n"
        f"{world.tag}3,c-{world.tag},10,1717236002,1\n"
    )
    (tmp_path / "map.yaml").write_text(
        "transaction:\n  transaction_id: id\n  customer_id: client\n  account_token: client\n"
        "  channel: {value: POS}\n  kind: {value: PURCHASE}\n  amount_minor: {column: "
        "amount, scale: 100}\n"
        "  currency: {value: EUR}\n  occurred_at: {column: at, unit: s}\nlabel:\n  is_fraud: bad\n"
    )
    arguments = [
        *COMMAND,
        str(tmp_path / "in.csv"),
        "--kafka",
        world.kafka,
        "--mapping",
        str(tmp_path / "map.yaml"),
    ]
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert "2 transactions and 2 labels sent, 1 row left out" in done.stdout
    assert (tmp_path / "in.csv.bad.csv").read_text().splitlines() == [
        "file,line,reason,value",
        "in.csv,3,amount_minor: not a number,ten",
    ]
    assert {score.transaction_id for score in world.scores(2)} == {f"{world.tag}1", f"{world.tag}3"}
