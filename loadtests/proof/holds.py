"""Expired: where the way back is unknowable, scorers hold, refuse to start, or go on and say so;
nothing is guessed.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from loadtests.chaos.cluster import SCORERS, Cluster
from loadtests.chaos.history import History
from loadtests.chaos.load import Load, make_rows
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.platform.kafka.clients.admin import TopicAdmin

DEADLINE_S = 40.0


def _output_expired(cluster: Cluster, admin: AdminClient) -> None:
    """Redis is empty and the scores that would say what was answered are gone."""
    cluster.redis().flushall()
    ends = TopicAdmin(cluster.chain.stack.kafka).end_offsets("scores.v1", DEFAULT_PARTITIONS)
    for future in admin.delete_records(
        [TopicPartition("scores.v1", n, at) for n, at in enumerate(ends)]
    ).values():
        future.result(20)


def _topic_recreated(cluster: Cluster, admin: AdminClient) -> None:
    admin.delete_topics(["scores.v1"])["scores.v1"].result(20)
    time.sleep(3)
    TopicAdmin(cluster.chain.stack.kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)


def _partition_added(_: Cluster, admin: AdminClient) -> None:
    admin.create_partitions([NewPartitions("transactions.v1", DEFAULT_PARTITIONS + 1)])[
        "transactions.v1"
    ].result(20)


@dataclass(frozen=True, slots=True)
class Case:
    """What is done to a cluster at rest, and what the next scorer's log must say: `says` so many
    `times`.
    """

    name: str
    do: Callable[[Cluster, AdminClient], None]
    says: str
    times: int
    is_ready: bool = False
    env: dict[str, str] = field(default_factory=dict)


HELD = '"event": "partition held"'
CASES = (
    Case(
        "output expired, hold",
        _output_expired,
        HELD,
        DEFAULT_PARTITIONS,
        env={"RISKSTREAM_SCORER_ON_STATE_LOST": "hold"},
    ),
    Case(
        "output expired, goes on flagged",
        _output_expired,
        '"event": "state is lost',
        DEFAULT_PARTITIONS,
        is_ready=True,
    ),
    Case("topic recreated, held", _topic_recreated, HELD, DEFAULT_PARTITIONS),
    Case(
        "partition added, refused",
        _partition_added,
        "error: scores.v1 has 4 partitions, transactions.v1 has 5",
        1,
    ),
)


def expired(folder: Path, model: Path, seed: int) -> tuple[Counter[str], list[str]]:
    """Each case on a cluster of its own: the scorer does what the case says, and answers nothing a
    second time.
    """
    counts: Counter[str] = Counter()
    problems = []
    for case in CASES:
        place = folder / case.name.replace(",", "").replace(" ", "-")
        history = History(place)
        with Cluster(place / "cluster", model, brokers=1, env=case.env) as cluster:
            load = Load(cluster.chain.stack.kafka, make_rows(1500, seed), 300)
            load.start()
            time.sleep(8)
            load.finish()
            time.sleep(2)
            for scorer in SCORERS:
                cluster.stop(scorer)
            kafka = TopicAdmin(cluster.chain.stack.kafka)
            before = sum(kafka.end_offsets("scores.v1", DEFAULT_PARTITIONS))
            case.do(cluster, AdminClient({"bootstrap.servers": cluster.chain.stack.kafka}))
            log = place / "cluster" / "logs" / "scorer-1.log"
            words = len(log.read_text())
            started = cluster.start("scorer-1")
            end = time.monotonic() + DEADLINE_S
            while (
                said := log.read_text()[words:].count(case.says)
            ) < case.times and time.monotonic() < end:
                time.sleep(0.2)
            time.sleep(3)  # for what would come after it
            counts[case.name] = said
            if said < case.times or started.is_ready() != case.is_ready:
                problems.append(f"{case.name}: said {said} times, ready is {started.is_ready()}")
            after = sum(kafka.end_offsets("scores.v1", DEFAULT_PARTITIONS))
            if case.do is not _topic_recreated and after != before:
                problems.append(f"{case.name}: {after - before} scores were written all the same")
        history.close()
    return counts, problems
