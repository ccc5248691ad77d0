"""A broker that refuses a record for good, as one whose disk fills: the process ends in one
sentence; the next goes on.
"""

import subprocess
import threading
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from prometheus_client import CollectorRegistry
from tests.support.builders import rows
from tests.support.lanes import Running, Through, derived_lane, open_gate
from tests.support.own_topics import OwnTopics, wait_until
from tests.support.vectors import feature

from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.kafka.lanes.transactions import Transactions
from riskstream.platform.kafka.lanes.watchdog import Watchdog
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.local.chain import Chain


def _take_at_most(own: OwnTopics, size: int) -> None:
    """Set max.message.bytes of the output: below a record's size the broker refuses it, which no
    client tries again.
    """
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, own.output, incremental_configs=[entry])
    client = AdminClient({"bootstrap.servers": own.kafka})
    for future in client.incremental_alter_configs([resource]).values():
        future.result(10)


def test_a_bulk_producer_whose_record_is_refused_says_so_in_one_sentence(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    _take_at_most(own, 200)
    producer = BulkProducer(own.kafka, "test")

    def send(size: int) -> None:
        producer.send(own.output, [b"k"] * 3, [b"x" * size] * 3)
        producer.flush()

    send(5)
    assert sum(own.ends(own.output)) == 3
    with pytest.raises(Fatal, match="Kafka refused a record"):
        send(500)


def test_a_scorer_whose_score_is_refused_ends_in_one_sentence_and_the_next_one_goes_on(
    bare: Chain,
) -> None:
    own = OwnTopics.made(bare)
    service = own.start_ready_scorer()
    own.send(1, rows("a", 0, 20, customers=1))
    own.scores(20)
    own.wait_committed(1, 20)
    _take_at_most(own, 50)
    own.send(1, rows("a", 20, 20, customers=1))
    try:
        service.server._guard.wait(30)
    except subprocess.TimeoutExpired:
        pytest.fail(f"it goes on: {service.server.log.read_text()[-2000:]}")
    log = service.server.log.read_text()
    assert service.server._guard.returncode == 1
    assert "Traceback" not in log
    last = log.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert last.endswith(
        "look at the brokers' disks and logs; restart the process, it goes on where it was"
    )
    assert own.ends(own.output)[1] == 20
    _take_at_most(own, 1_048_588)
    service = own.start_ready_scorer()
    scores = own.scores(40)
    assert [each.src for each in scores] == list(range(40))
    counts = [feature(each, "customer_count_30d") for each in scores]
    assert counts == list(range(1, 41)), "its state is that of the answered ones"
    service.server.stop()


def test_a_forward_lane_whose_record_is_refused_ends_with_a_fatal_error_and_commits_nothing_of_it(
    bare: Chain,
) -> None:
    own = OwnTopics.made(bare)
    own.send(1, rows("a", 0, 20))
    settings = ForwardSettings(
        kafka=own.kafka, group=own.group, sources=(own.source,), output=own.output, commit_ms=50
    )

    def started() -> Running:
        stop = threading.Event()
        return Running(
            ForwardLane(settings, Through(), ProfilerMetrics(CollectorRegistry()), stop), stop
        )

    running = started()
    own.wait_committed(1, 20)
    _take_at_most(own, 50)
    own.send(1, rows("a", 20, 20))
    running._thread.join(30)
    assert not running._thread.is_alive()
    [failure] = running.failed
    assert isinstance(failure, Fatal)
    assert "look at the brokers' disks and logs" in failure.do
    assert own._committed(1, own.group) == 20
    _take_at_most(own, 1_048_588)
    running = started()
    own.wait_committed(1, 40)
    running.end()
    assert not running.failed
    with TopicReader(own.kafka, [own.output]) as reader:
        found = {record.value for record in reader.until_end()}
    assert found == {value for _, value in rows("a", 0, 40)}


def test_a_derived_lane_whose_client_never_comes_back_from_a_transaction_is_ended(
    bare: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As librdkafka did where the only broker was stopped between two steps: its timeout of 10 s
    had no effect.
    """
    own = OwnTopics.made(bare)
    gate, entered, ended = threading.Event(), threading.Event(), threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    real = Transactions._patiently

    def stuck(mine: Transactions, call: Any, *arguments: Any) -> None:
        if call.__name__ == "send_offsets_to_transaction":
            entered.set()
            gate.wait()
        real(mine, call, *arguments)

    monkeypatch.setattr(Transactions, "_patiently", stuck)
    running, _ = derived_lane(own, open_gate())
    lane = running._lane
    watchdog = Watchdog(lambda: lane.seen_at, lane.is_behind, limit_s=1.0, end=end)
    watchdog.start()
    own.send(1, rows("a", 0, 5))
    try:
        assert entered.wait(30)
        assert ended.wait(30), "it hangs, and nobody ends it"
        assert codes[0] == Exit.FAULT
    finally:
        watchdog.stop()
        gate.set()
    own.wait_committed(1, 5)
    wait_until(lambda: not lane.is_behind(), "the end of the transaction")
    running.end()
    assert not running.failed
