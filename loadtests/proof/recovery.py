"""A million customers in Redis, and a scorer killed twenty times: how long until every partition
scores again.
"""

import time
from collections import Counter
from pathlib import Path

from loadtests.chaos.cluster import NAMESPACE, Cluster
from loadtests.chaos.history import History
from loadtests.peers.data import send, transactions
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import BulkProducer

KEYS = 1_000_000
KILLS = 20
LIMIT_S = 10.0


def kill_recovery(folder: Path, model: Path, seed: int) -> tuple[Counter[str], list[str]]:
    """counts: keys, kills, slowest and median recovery in ms; a problem for each kill above 10
    s.
    """
    history = History(folder)
    counts: Counter[str] = Counter()
    problems: list[str] = []
    with Cluster(folder / "cluster", model, brokers=1) as cluster:
        kafka = cluster.chain.stack.kafka
        cluster.stop("tracker-1")
        table = transactions(KEYS, seed, int(time.time() * 1000) - 60_000, customers=KEYS)
        send(kafka, "transactions.v1", table)
        _wait_scored(kafka, 300)
        time.sleep(8)  # the last checkpoint
        with cluster.redis() as client:
            counts["keys_in_redis"] = sum(
                client.hlen(NAMESPACE % n) - 4 for n in range(DEFAULT_PARTITIONS)
            )
        trickle = _Trickle(kafka)
        slowest = []
        for number in range(KILLS):
            name = cluster.busiest_of(lambda: trickle.send(200))
            before = _ends(kafka)
            cluster.kill(name)
            started = time.monotonic()
            cluster.start(name)
            while any(now <= then for now, then in zip(_ends(kafka), before, strict=True)):
                trickle.send(12)
                time.sleep(0.04)
                if time.monotonic() - started > 60:
                    break
            slowest.append(time.monotonic() - started)
            history.note("killed", number=number + 1, name=name, seconds=round(slowest[-1], 2))
            if slowest[-1] > LIMIT_S:
                problems.append(
                    f"kill {number + 1}: {slowest[-1]:.1f} s until every partition scored again"
                )
            cluster.wait_ready()
            _wait_scored(kafka, 60)
            time.sleep(2)
        counts["kills"] = KILLS
        counts["slowest_ms"] = round(max(slowest) * 1000)
        counts["median_ms"] = round(sorted(slowest)[KILLS // 2] * 1000)
    history.close()
    return counts, problems


class _Trickle:
    """A few transactions to every partition."""

    def __init__(self, kafka: str) -> None:
        self._producer = BulkProducer(kafka, "trickle")
        self._frame = codec("transaction.v1")
        row = transactions(1, 1, int(time.time() * 1000) - 30_000).to_pylist()[0]
        self._row = row
        self._sent = 0

    def send(self, count: int) -> None:
        keys, frames = [], []
        for _ in range(count):
            self._sent += 1
            name = f"c{self._sent * 7919 % KEYS:06d}"
            keys.append(name.encode())
            frames.append(
                self._frame.encode(
                    {
                        **self._row,
                        "customer_id": name,
                        "transaction_id": f"k{self._sent}",
                        "rates_version": "",
                    }
                )
            )
        self._producer.send("transactions.v1", keys, frames)
        self._producer.flush()


def _ends(kafka: str) -> list[int]:
    return TopicAdmin(kafka).end_offsets("scores.v1", DEFAULT_PARTITIONS)


def _wait_scored(kafka: str, deadline_s: float) -> None:
    admin = TopicAdmin(kafka)
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        source = admin.end_offsets("transactions.v1", DEFAULT_PARTITIONS)
        done = admin.group_offsets("scorer")
        if all(done.get(("transactions.v1", number), 0) >= at for number, at in enumerate(source)):
            return
        time.sleep(0.2)
