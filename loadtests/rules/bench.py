"""`make bench-rules`: how fast a dry run reads the log, and how soon a rule that is put on or off
is in force.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from loadtests.model import small_model
from loadtests.rows import Row, write_result
from riskstream.cli.saved_rules import Saved
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.rules.rule import names_of, read_rules
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.simulator.simulate import Simulation, simulate

ROOT = Path(__file__).parents[2]
RATE = 500
TIMES = 40
RULE = {
    "id": "bench",
    "when": "customer_count_1d > 3 and base_amount_minor > 10_000",
    "action": "REVIEW",
    "reason": "RULE_BENCH",
    "max_share": 1.0,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.rules.bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = [_dry_run(folder, given.rounds), *_in_force(folder)]
    load = (
        f"dry run: the rules that ship over simulated transactions; in force: {TIMES} "
        f"changes at {RATE} transactions/s"
    )
    write_result(given.out / "rules.json", load, rows, [])
    return 0


def _dry_run(folder: Path, rounds: int) -> Row:
    """Wall time of the command from start to end: Python's start, the file and the features are in
    it.
    """
    data = folder / "in.parquet"
    pq.write_table(simulate(Simulation(seed=3, customers=6000, days=60)), data)
    count = pq.read_metadata(data).num_rows
    riskstream = str(Path(sys.executable).with_name("riskstream"))
    rates = []
    for _ in range(rounds):
        started = time.monotonic()
        subprocess.run(
            [riskstream, "rules", "dry-run", "--data", str(data)],
            check=True,
            capture_output=True,
            cwd=ROOT,
        )
        rates.append(count / (time.monotonic() - started))
    return Row.least(
        "dry run of the rules that ship, whole command", rates, "transactions/s", 25_000
    )


def _in_force(folder: Path) -> list[Row]:
    """From just before a change is written to the append of the first score by the new book; what
    was lost meanwhile.
    """
    with Chain(
        folder / "chain", small_model(ROOT / "build/loadtests/model"), names=("scorer",)
    ) as chain:
        load = _Load(chain.stack.kafka)
        load.start()
        rule = read_rules([RULE], names_of(STANDARD))[0]
        held = Saved.read(chain.stack.kafka)
        changed = []
        for number in range(TIMES):
            time.sleep(1.5 + number * 0.013)  # at no fixed place in the follower's round
            changed.append(time.time() * 1000)
            if number % 2 == 0:
                held.save_rule(rule, STANDARD.label, "bench", is_on=True)
            else:
                held.switch_off(rule.rule_id, "bench")
        time.sleep(3)
        load.stop()
        series, accepted, gaps = _scores(chain.stack.kafka, load.sent)
    turns = [
        [
            at
            for (at, version), (_, before) in zip(seen[1:], seen, strict=False)
            if version != before
        ]
        for seen in series
    ]
    waited = [min(mine) - at for at, *mine in zip(changed, *turns, strict=False)]
    return [
        Row.most(
            "changes that a partition's scores do not show, or show otherwise",
            [float(sum(abs(len(each) - TIMES) for each in turns))],
            "",
            0,
        ),
        Row.figure(
            "from the change to the first score by it, p50", [float(np.quantile(waited, 0.5))], "ms"
        ),
        Row.most("from the change to the first score by it, slowest", [max(waited)], "ms", 1000),
        Row.most(
            "transactions lost or doubled meanwhile",
            [float(abs(load.sent - accepted) + gaps)],
            "",
            0,
        ),
    ]


class _Load(threading.Thread):
    """Sends RATE transactions a second until it is stopped; `sent` says how many."""

    def __init__(self, kafka: str) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._kafka, self._ends = kafka, threading.Event()

    def run(self) -> None:
        producer = BulkProducer(self._kafka, "load")
        path = ROOT / "schemas/examples/transaction.v1/card-purchase.json"
        row = json.loads(path.read_text())
        started = time.monotonic()
        while not self._ends.is_set():
            due = int((time.monotonic() - started) * RATE)
            now = int(time.time() * 1000)
            mine = range(self.sent, due)
            frames = [
                codec("transaction.v1").encode(
                    {
                        **row,
                        "transaction_id": f"r{n}",
                        "customer_id": f"c{n % 499}",
                        "occurred_at": now,
                    }
                )
                for n in mine
            ]
            if frames:
                producer.send("transactions.v1", [f"c{n % 499}".encode() for n in mine], frames)
                self.sent = due
            time.sleep(0.002)
        producer.flush()

    def stop(self) -> None:
        self._ends.set()
        self.join(30)


def _scores(kafka: str, sent: int) -> tuple[list[list[tuple[int, str | None]]], int, int]:
    """((append time ms, rules_version) of every accepted score by partition, how many, holes in
    their series).
    """
    scores, accepted = AcceptedScores(), 0
    end = time.monotonic() + 60
    with TopicReader(kafka, ["scores.v1"], committed_only=False) as reader:
        out: list[list[tuple[int, str | None]]] = [[] for _ in range(reader.counts["scores.v1"])]
        while accepted < sent and time.monotonic() < end:
            for record, score in scores.each(reader.poll(0.2, 4000)):
                accepted += 1
                out[record.partition].append((record.appended_at, score.rules_version))
    return out, accepted, scores.rule.gaps


if __name__ == "__main__":
    sys.exit(main())
