"""What peers do in Python is what the scorer does: frames, features, decisions. What is downloaded
for them is pinned.
"""

import re
from pathlib import Path

import numpy as np
from loadtests.peers.bench import Bench
from loadtests.peers.codec import reader, score_record, writer
from loadtests.peers.contender import Contender
from loadtests.peers.data import matrix, transactions
from loadtests.peers.kafka_streams.build import COMPILER, HERE, pinned
from loadtests.peers.others import AT_LEAST_ONCE, EXACTLY_ONCE, PATHWAY, Task, installed
from loadtests.peers.windows import Customer, decision, inputs

from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.decision import APPROVE, BLOCK, REVIEW, decide

PEERS = HERE.parent
TASK = Task(kafka="k:1", model="m.onnx", score_schema_id=7, review_from=0.25, block_from=0.5)


def test_a_peer_computes_the_vectors_of_the_lane_from_its_frames() -> None:
    table = transactions(3000, seed=3, end_ms=1_790_000_000_000, customers=5)
    read, customers = reader(), [Customer() for _ in range(5)]
    rows = []
    for frame in ArrowEncoder("transaction.v1", 4096).encode(table):
        record = read(frame)
        customer = customers[int(record["customer_id"][1:])]
        at, amount = record["occurred_at"], record["base_amount_minor"]
        rows.append(inputs(record) + customer.add(at, amount))
    np.testing.assert_array_equal(np.array(rows, np.float32), matrix(table))


def test_a_peers_score_is_read_by_the_products_codec() -> None:
    table = transactions(1, seed=3, end_ms=1_790_000_000_000)
    transaction = reader()(ArrowEncoder("transaction.v1", 4096).encode(table)[0])
    record = score_record(transaction, 8, 7, 1_790_000_000_001, [1.0, 2.5], 0.75, "BLOCK")
    found = codec("score.v1").decode(writer(contract("score.v1").id)(record))
    assert {name: found[name] for name in record} == record


def test_a_peer_decides_as_the_scorer_does() -> None:
    scores = np.array([0.0, 0.2499, 0.25, 0.4999, 0.5, 1.0], np.float32)
    names = {APPROVE: "APPROVE", REVIEW: "REVIEW", BLOCK: "BLOCK"}
    ours = [names[at] for at in decide(scores, 0.25, 0.5).tolist()]
    assert [decision(float(score), 0.25, 0.5) for score in scores] == ours


def test_peers_that_are_not_installed_are_named(tmp_path: Path) -> None:
    (tmp_path / "kafka-streams").mkdir()
    (tmp_path / "kafka-streams/.ready").touch()
    found, missing = installed(TASK, tmp_path, tmp_path / "state")
    assert len(found) == 2
    assert "kafka-streams" not in missing
    assert set(missing) == {"quix", "bytewax", "pathway"}
    line = _one(found, EXACTLY_ONCE).command("in", "out", "group")
    given = line[line.index("Main") + 1 :]
    told = dict(zip(given[::2], given[1::2], strict=True))
    assert told["--guarantee"] == "exactly_once_v2"
    assert (told["--source"], told["--output"], told["--group"]) == ("in", "out", "group")
    assert told["--block-from"] == "0.5"


def test_the_page_holds_each_peer_that_ran_to_its_goal(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 2, print)
    ours = ("lane", "lane off", "lane null", "raw forward", "raw forward, the null lane's payload")
    rates = ("1 unpinned", "2 unpinned")
    bench.cpu = {name: [5.0, 5.0] for name in ours}
    bench.cpu |= {AT_LEAST_ONCE: [14.0, 14.0], EXACTLY_ONCE: [21.0], PATHWAY: [60.0, 50.0]}
    bench.rate = {name: [1e5, 1e5] for name in (*ours, *rates)}
    bench.windows = [1.0], [1.0]
    bench.latency = {name: [[1.0, 4.0]] * 2 for name in ("lane", "lane off", "raw forward")}
    bench.latency[EXACTLY_ONCE] = [[100.0, 100.0]]
    found = {row.name: (row.ratio, row.goal, row.ok) for row in bench.rows()}
    assert found[f"CPU a scored event, {AT_LEAST_ONCE} over lane"] == (2.8, 3.0, False)
    assert found[f"CPU a scored event, {EXACTLY_ONCE} over lane"] == (4.2, 4.0, True)
    assert found[f"CPU a scored event, {PATHWAY} over lane"] == (11.0, None, None)
    assert found[f"p99 at 500 events/s, {EXACTLY_ONCE} over lane"] == (25.189, 5.0, True)
    assert not any("quix" in name for name in found)


def test_every_jar_and_package_of_a_peer_is_held_to_its_hash() -> None:
    jars = pinned((HERE / "jars.txt").read_text())
    assert all(re.fullmatch(r"[\w.-]+(:[\w.-]+){2}", name) for name in jars)
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in jars.values())
    assert any(name.split(":")[1] == COMPILER.split("-")[0] for name in jars)
    for path in PEERS.glob("*.txt"):
        text = path.read_text()
        for package in re.findall(r"(?ms)^\S.*?(?=^\S|\Z)", text):
            assert " --hash=sha256:" in package, f"{path.name}: {package[:60]}"


def _one(contenders: list[Contender], name: str) -> Contender:
    return next(each for each in contenders if each.name == name)
