"""Transactions that a broker refuses: the derived lane goes back to its last commit and goes on;
fenced, it ends.
"""

import threading

from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from prometheus_client import CollectorRegistry
from tests.support.builders import rows
from tests.support.lanes import Counting, Running
from tests.support.own_topics import OwnTopics, wait_until

from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.chain import Chain


def _limit(own: OwnTopics, topic: str, most_bytes: int) -> None:
    client = AdminClient({"bootstrap.servers": own.kafka})
    entry = ConfigEntry(
        "max.message.bytes", str(most_bytes), incremental_operation=AlterConfigOpType.SET
    )
    for future in client.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
    ).values():
        future.result(20)


def _lane(own: OwnTopics, instance: str = "0") -> tuple[Running, ProfilerMetrics]:
    stop, metrics = threading.Event(), ProfilerMetrics(CollectorRegistry())
    settings = DerivedSettings(
        kafka=own.kafka,
        group=own.group,
        source=own.source,
        instance=instance,
        commit_ms=50,
        flush_ms=100,
    )
    return Running(
        DerivedLane(settings, Counting(own.dead_letters, own.output), metrics, stop), stop
    ), metrics


def _written(own: OwnTopics) -> list[int]:
    with TopicReader(own.kafka, [own.output]) as reader:
        return [int(record.value or b"") for record in reader.until_end()]


def test_a_refused_transaction_is_aborted_and_memory_goes_back_to_the_last_commit(
    bare: Chain,
) -> None:
    own = OwnTopics.made(bare)
    running, metrics = _lane(own)
    own.send(1, rows("a", 0, 20))
    own.wait_committed(1, 20)
    _limit(own, own.output, 100)  # the broker takes markers of transactions, and no record any more
    own.send(1, rows("a", 20, 20))
    wait_until(lambda: metrics.aborts._value.get() >= 2, "two aborts")
    assert not running.failed
    _limit(own, own.output, 1_000_000)
    own.wait_committed(1, 40)
    own.send(1, rows("a", 40, 5))
    own.wait_committed(1, 45)
    running.end()
    assert not running.failed
    assert _written(own) == list(range(1, 46)), "each once, from a count that was not doubled"


def test_a_fenced_lane_ends_with_what_to_do(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    running, _ = _lane(own)
    own.send(1, rows("a", 0, 5))
    own.wait_committed(1, 5)
    other = Producer({"bootstrap.servers": own.kafka, "transactional.id": f"{own.group}-0"})
    other.init_transactions(20)
    own.send(1, rows("a", 5, 5))
    wait_until(lambda: bool(running.failed), "an end")
    assert isinstance(running.failed[0], Fatal)
    assert "another process runs as instance 0" in str(running.failed[0])
    running.end()
