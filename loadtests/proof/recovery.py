"""A million customers, and a scorer and a tracker killed again and again: how long until every
partition goes on.
"""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from loadtests.chaos.cluster import NAMESPACE, Cluster
from loadtests.chaos.history import History
from loadtests.peers.data import send, transactions
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import BulkProducer

KEYS = 1_000_000
KILLS, TRACKER_KILLS = 20, 5
LIMIT_S = 8.0
"""The session timeout is 6 s: nobody takes over before it ends."""


def kill_recovery(folder: Path, model: Path, seed: int) -> tuple[Counter[str], list[str]]:
    """counts: keys, kills, slowest and median recovery in ms, of both services; a problem for each
    kill above 8 s.
    """
    history = History(folder)
    counts: Counter[str] = Counter()
    problems: list[str] = []
    with Cluster(folder / "cluster", model, brokers=1) as cluster:
        kafka = cluster.chain.stack.kafka
        cluster.stop("tracker-1")
        table = transactions(KEYS, seed, int(time.time() * 1000) - 60_000, customers=KEYS)
        send(kafka, "transactions.v1", table)
        _wait_done(kafka, "scorer", "transactions.v1", 300)
        time.sleep(8)  # the last checkpoint
        with cluster.redis() as client:
            counts["keys_in_redis"] = sum(
                client.hlen(NAMESPACE % n) - 4 for n in range(DEFAULT_PARTITIONS)
            )
        killed, admin = _Killed(cluster, history, problems), TopicAdmin(kafka)
        for number in range(KILLS):
            name = cluster.busiest_of(lambda: killed.trickle.send(200))
            killed.again(number, name, lambda: _ends(admin))
            _wait_done(kafka, "scorer", "transactions.v1", 60)
            time.sleep(2)
        counts |= killed.counts("")
        cluster.start("tracker-1")
        _wait_done(kafka, "tracker", "scores.v1", 300)
        client = Consumer({"bootstrap.servers": kafka, "group.id": "tracker"})
        killed.seconds = []
        for number in range(TRACKER_KILLS):
            killed.again(number, "tracker-1", lambda: _tracked(client))
            _wait_done(kafka, "tracker", "scores.v1", 60)
            time.sleep(2)
        counts |= killed.counts("tracker_")
        client.close()
    history.close()
    return counts, problems


class _Killed:
    """Kills a service and notes how long its partitions stood."""

    def __init__(self, cluster: Cluster, history: History, problems: list[str]) -> None:
        self._cluster, self._history, self._problems = cluster, history, problems
        self.trickle = _Trickle(cluster.chain.stack.kafka)
        self.seconds: list[float] = []

    def again(self, number: int, name: str, places: Callable[[], list[int]]) -> None:
        """`places`: how far each partition is."""
        before = places()
        self._cluster.kill(name)
        started = time.monotonic()
        self._cluster.start(name)
        moved: dict[int, float] = {}
        while len(moved) < len(before) and time.monotonic() - started < 60:
            self.trickle.send(12)
            time.sleep(0.04)
            found = places()
            at = round(time.monotonic() - started, 2)
            for partition, (now, then) in enumerate(zip(found, before, strict=True)):
                if now > then:
                    moved.setdefault(partition, at)
        spent = time.monotonic() - started
        self.seconds.append(spent)
        self._history.note("killed", number=number + 1, name=name, partitions=str(moved))
        if spent > LIMIT_S:
            self._problems.append(
                f"kill {number + 1} of {name}: {spent:.1f} s until every partition went on"
            )
        self._cluster.wait_ready()

    def counts(self, prefix: str) -> Counter[str]:
        ordered = sorted(self.seconds)
        return Counter(
            {
                f"{prefix}kills": len(ordered),
                f"{prefix}slowest_ms": round(ordered[-1] * 1000),
                f"{prefix}median_ms": round(ordered[len(ordered) // 2] * 1000),
            }
        )


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


def _ends(admin: TopicAdmin) -> list[int]:
    return admin.end_offsets("scores.v1", DEFAULT_PARTITIONS)


def _tracked(client: Consumer) -> list[int]:
    wanted = [TopicPartition("scores.v1", number) for number in range(DEFAULT_PARTITIONS)]
    return [each.offset for each in client.committed(wanted, timeout=10)]


def _wait_done(kafka: str, group: str, topic: str, deadline_s: float) -> None:
    """Until the group has committed everything in the topic."""
    admin = TopicAdmin(kafka)
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        source = admin.end_offsets(topic, DEFAULT_PARTITIONS)
        done = admin.group_offsets(group)
        if all(done.get((topic, number), 0) >= at for number, at in enumerate(source)):
            return
        time.sleep(0.2)
