"""Topics whose head retention has taken: every reader begins at what is there."""

import os
import signal
import threading
import time
from collections.abc import Iterable

import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry
from tests.support.builders import rows
from tests.support.lanes import Echo, Running, Through, derived_lane, open_gate
from tests.support.own_topics import OwnTopics, log_with, wait_until
from tests.support.vectors import feature

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.kafka.record import Record
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.chain import Chain


@pytest.fixture
def own(bare: Chain) -> OwnTopics:
    return OwnTopics.made(bare)


def test_a_fresh_group_begins_where_the_topic_does(own: OwnTopics) -> None:
    own.send(1, rows("a", 0, 60))
    own.expire(own.source, 1, 20)
    service = own.start_ready_scorer()
    assert [score.src for score in own.scores(40)] == list(range(20, 60))
    log = log_with(service, '"a fresh group begins where the source does"')
    assert '"first": 20' in log
    own.wait_committed(1, 60)
    own.send(1, rows("a", 60, 5))
    assert [score.src for score in own.scores(45)][-1] == 64
    assert "opens again" not in service.server.log.read_text(), (
        "a store without a watermark has not gone back"
    )
    service.server.stop()


@pytest.mark.parametrize("by_transactions", [False, True], ids=["plain", "markers"])
def test_an_idle_partition_whose_records_all_expired_goes_on(
    own: OwnTopics, by_transactions: bool
) -> None:
    service = own.start_ready_scorer()
    # a marker stands behind the last record, and the head comes to stand behind the marker
    if by_transactions:
        client = Producer({"bootstrap.servers": own.kafka, "transactional.id": own.tag})
        client.init_transactions(20)
        client.begin_transaction()
        for key, value in rows("a", 0, 20, customers=1):
            client.produce(own.source, value, key, 1)
        client.commit_transaction(20)
    else:
        own.send(1, rows("a", 0, 20, customers=1))
    own.scores(20)
    own.wait_committed(1, 20)
    time.sleep(1.2)  # one more turn of commit and checkpoint: the end is told after the last record
    service.server.stop()
    for topic in (own.source, own.output):
        own.expire(topic, 1, own.ends(topic)[1])
    # half of the starts died where the fetch won over the pause
    for _ in range(1 if by_transactions else 2):
        service = own.start_ready_scorer()
        service.server.stop()
    service = own.start_ready_scorer()
    own.send(1, rows("a", 20, 5, customers=1))
    counts = [feature(score, "customer_count_30d") for score in own.scores(5)]
    assert counts == [21, 22, 23, 24, 25], "its state is whole"
    service.server.stop()


def test_a_partition_whose_head_passes_a_scorer_is_held_and_the_others_go_on(
    own: OwnTopics,
) -> None:
    service = own.start_ready_scorer(RISKSTREAM_SCORER_ON_STATE_LOST="hold")
    own.send(1, rows("a", 0, 5))
    own.scores(5)
    own.wait_committed(1, 5)
    os.kill(service.server.pid, signal.SIGSTOP)
    # more than one answer of the broker, which may be on its way
    own.send(1, [(b"k", b"x" * 900_000)] * 5)
    own.expire(own.source, 1, 9)
    os.kill(service.server.pid, signal.SIGCONT)
    log_with(service, "the source begins at 9, ")
    own.send(0, rows("b", 0, 5))
    wait_until(lambda: own.ends(own.output)[0] == 5, "the other partition's scores")
    assert service.server.is_running
    service.server.stop()


def test_a_derived_lane_begins_at_what_is_left_fresh_and_again(own: OwnTopics) -> None:
    own.send(1, rows("a", 0, 30))
    own.expire(own.source, 1, 10)
    running, work = derived_lane(own, open_gate())
    wait_until(lambda: len(work.taken) == 20, "the records that are left")
    own.wait_committed(1, 30)
    running.end()
    own.send(1, rows("a", 30, 10))
    own.expire(own.source, 1, 35)
    running, again = derived_lane(own, open_gate())
    wait_until(lambda: len(again.taken) == 5, "those after the committed offset that are left")
    running.end()
    assert (work.taken, again.taken) == (list(range(10, 30)), list(range(35, 40)))


class _Waiting(Echo):
    """Cannot read its state until it is told that it can."""

    is_known = False

    def restore(self, partition: int, records: Iterable[Record]) -> None:
        if not self.is_known:
            raise SchemaWait(
                what="a state's schema is not known", where=f"{self.state_topics[0]} {partition}:0"
            )
        super().restore(partition, records)


def test_a_derived_lane_whose_state_cannot_be_read_waits_and_takes_nothing(own: OwnTopics) -> None:
    own.send(1, rows("a", 0, 30))
    stop, work, metrics = (
        threading.Event(),
        _Waiting(own.output, open_gate()),
        ProfilerMetrics(CollectorRegistry()),
    )
    settings = DerivedSettings(
        kafka=own.kafka, group=own.group, source=own.source, instance="0", commit_ms=50
    )
    lane = DerivedLane(settings, work, metrics, stop)
    running = Running(lane, stop)
    wait_until(lambda: metrics.waiting._value.get() == 2, "both partitions wait")
    time.sleep(1.5)
    assert not running.failed
    assert not lane.is_ready
    assert work.taken == []
    work.is_known = True
    own.wait_committed(1, 30)
    assert work.taken == list(range(30))
    assert lane.is_ready
    running.end()


class _HalfWaiting(_Waiting):
    """Cannot read its state of partition 0."""

    def restore(self, partition: int, records: Iterable[Record]) -> None:
        if partition == 0:
            super().restore(partition, records)


def test_a_partition_whose_state_cannot_be_read_holds_up_no_other(own: OwnTopics) -> None:
    own.send(0, rows("a", 0, 10))
    own.send(1, rows("a", 10, 30))
    stop, work, metrics = (
        threading.Event(),
        _HalfWaiting(own.output, open_gate()),
        ProfilerMetrics(CollectorRegistry()),
    )
    settings = DerivedSettings(
        kafka=own.kafka, group=own.group, source=own.source, instance="0", commit_ms=50
    )
    lane = DerivedLane(settings, work, metrics, stop)
    running = Running(lane, stop)
    own.wait_committed(1, 30)
    assert work.taken == list(range(30))
    wait_until(lambda: metrics.waiting._value.get() == 1, "the other one waits")
    assert not lane.is_ready
    work.is_known = True
    own.wait_committed(0, 10)
    assert lane.is_ready
    running.end()
    assert not running.failed


def test_a_derived_lane_that_the_head_passes_goes_on_at_what_is_left(own: OwnTopics) -> None:
    gate = threading.Event()
    own.send(1, rows("a", 0, 1))
    running, work = derived_lane(own, gate)
    wait_until(lambda: work.taken == [0], "the first record")
    big = [(b"k", b"x" * 900_000)] * 90  # more than the client fetches ahead
    own.send(1, big)
    own.expire(own.source, 1, 90)
    gate.set()
    wait_until(lambda: 90 in work.taken, "the last record")
    assert not running.failed
    running.end()


def test_a_group_past_the_end_says_so(own: OwnTopics) -> None:
    own.send(1, rows("a", 0, 5))
    running, work = derived_lane(own, open_gate())
    wait_until(lambda: len(work.taken) == 5, "all")
    own.wait_committed(1, 5)
    running.end()
    # another topic with fewer records, under the group of the first
    renamed = OwnTopics.made(own.chain)
    stop = threading.Event()
    from confluent_kafka import Consumer, TopicPartition

    client = Consumer({"bootstrap.servers": own.kafka, "group.id": renamed.group})
    client.commit(offsets=[TopicPartition(renamed.source, 1, 500)], asynchronous=False)
    client.close()
    settings = DerivedSettings(
        kafka=own.kafka, group=renamed.group, source=renamed.source, instance="0"
    )
    running = Running(
        DerivedLane(
            settings, Echo(renamed.output, open_gate()), ProfilerMetrics(CollectorRegistry()), stop
        ),
        stop,
    )
    wait_until(lambda: bool(running.failed), "an end")
    assert isinstance(running.failed[0], Fatal)
    assert "position 500 is past the end 0" in str(running.failed[0])
    running.end()


def test_a_forward_lane_begins_at_what_is_left(own: OwnTopics) -> None:
    own.send(1, rows("a", 0, 30))
    own.expire(own.source, 1, 10)
    stop = threading.Event()
    settings = ForwardSettings(
        kafka=own.kafka, group=own.group, sources=(own.source,), output=own.output, commit_ms=50
    )
    running = Running(
        ForwardLane(settings, Through(), ProfilerMetrics(CollectorRegistry()), stop), stop
    )
    own.wait_committed(1, 30)
    running.end()
    assert sum(own.ends(own.output)) == 20


def test_a_reader_that_the_head_passes_goes_on_at_what_is_left(own: OwnTopics) -> None:
    own.send(1, [(b"k", b"x" * 900_000)] * 90)
    with TopicReader(own.kafka, [own.source]) as reader:
        while not reader.poll(0.2, 1):
            continue
        own.expire(own.source, 1, 89)
        found = [record.offset for record in reader.until_end(30)]
    assert found[-1] == 89
    assert len(found) < 89, "what expired was not read"


def test_what_comes_while_a_reader_reads_to_the_end_is_given_out_afterwards(own: OwnTopics) -> None:
    own.send(1, rows("a", 0, 30))
    with TopicReader(own.kafka, [own.source]) as reader:
        own.send(1, rows("a", 30, 30))  # the client fetches these in one answer with the others
        assert [each.offset for each in reader.until_end(30)] == list(range(30))
        assert reader.positions[own.source, 1] == 30, "who begins there misses nothing"
        reader.look_at_ends()
        own.send(1, rows("a", 60, 30))
        assert [each.offset for each in reader.until_end(30)] == list(range(30, 60))
        assert reader.positions[own.source, 1] == 60
        found: list[int] = []
        while len(found) < 30:
            found += [each.offset for each in reader.poll(0.5, 7)]
        assert found == list(range(60, 90))
        assert reader.positions[own.source, 1] == 90
