"""Expired: whatever makes the way back unknowable holds the partitions and says so; nothing is guessed."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from loadtests.chaos.cluster import SCORERS, Cluster
from loadtests.chaos.history import History
from loadtests.chaos.load import Load, make_rows
from riskstream.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.kafka.admin import TopicAdmin


def _output_expired(cluster: Cluster, admin: AdminClient) -> None:
    """Redis is empty and the scores that would say what was answered are gone."""
    cluster.redis().flushall()
    ends = TopicAdmin(cluster.chain.stack.kafka).end_offsets("scores.v1", DEFAULT_PARTITIONS)
    for future in admin.delete_records([TopicPartition("scores.v1", n, at) for n, at in enumerate(ends)]).values():
        future.result(20)


def _topic_recreated(cluster: Cluster, admin: AdminClient) -> None:
    admin.delete_topics(["scores.v1"])["scores.v1"].result(20)
    time.sleep(3)
    TopicAdmin(cluster.chain.stack.kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)


def _partition_added(_: Cluster, admin: AdminClient) -> None:
    admin.create_partitions([NewPartitions("transactions.v1", DEFAULT_PARTITIONS + 1)])["transactions.v1"].result(20)


CASES: dict[str, Callable[[Cluster, AdminClient], None]] = {
    "output expired": _output_expired, "topic recreated": _topic_recreated, "partition added": _partition_added,
}  # fmt: skip


def expired(folder: Path, model: Path, seed: int) -> tuple[Counter[str], list[str]]:
    """Each case on a cluster of its own: after it the scorers hold all four partitions and are not ready."""
    counts: Counter[str] = Counter()
    problems = []
    for name, do in CASES.items():
        place = folder / name.replace(" ", "-")
        history = History(place)
        with Cluster(place / "cluster", model, brokers=1) as cluster:
            load = Load(cluster.chain.stack.kafka, make_rows(1500, seed), 300)
            load.start()
            time.sleep(8)
            load.finish()
            time.sleep(2)
            for scorer in SCORERS:
                cluster.stop(scorer)
            before = sum(TopicAdmin(cluster.chain.stack.kafka).end_offsets("scores.v1", DEFAULT_PARTITIONS))
            do(cluster, AdminClient({"bootstrap.servers": cluster.chain.stack.kafka}))
            cluster.start("scorer-1")
            time.sleep(12)
            log = (place / "cluster" / "logs" / "scorer-1.log").read_text()
            held = log.count('"event": "partition held"')
            counts[f"held, {name}"] = held
            if held < DEFAULT_PARTITIONS or cluster.chain.services["scorer-1"].is_ready():
                problems.append(f"{name}: {held} partitions were held")
            after = sum(TopicAdmin(cluster.chain.stack.kafka).end_offsets("scores.v1", DEFAULT_PARTITIONS))
            if name != "topic recreated" and after != before:
                problems.append(f"{name}: {after - before} scores were written all the same")
        history.close()
    return counts, problems
