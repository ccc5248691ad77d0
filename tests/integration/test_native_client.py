"""Compiled code takes and puts on a real broker what confluent-kafka's own calls do, byte by
byte.
"""

import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from tests.support.own_topics import PARTITIONS, OwnTopics

from riskstream.domain.contracts.joined import Joined
from riskstream.platform.kafka.clients.client import GAPLESS, consumer, producer_of, producing
from riskstream.platform.kafka.clients.native.choice import Way
from riskstream.platform.kafka.clients.native.library import Library
from riskstream.platform.kafka.clients.native.put import NativePut
from riskstream.platform.kafka.clients.native.take import NativeTake
from riskstream.platform.kafka.clients.polled import Polled, PythonTake, Take, Told
from riskstream.platform.kafka.clients.put import Put, PythonPut, Records
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.clients.read_columns import ColumnReader
from riskstream.workbench.local.chain import Chain

DEADLINE_S = 30.0
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HEADERS: list[Any] = [
    [],
    [("traceparent", SAMPLED)],
    [("other", b"1"), ("traceparent", SAMPLED.encode())],
    [("traceparent", SAMPLED[:-1] + "0")],
    [("traceparent", b"no"), ("traceparent", SAMPLED)],
    [("traceparent", None)],
    [("traceparent", b"")],
    [("traceparent", "01-" + SAMPLED[3:] + "-" + "x" * 400)],
    [("traceparent", "01-" + SAMPLED[3:] + "-" + "x" * 600)],
    [("Traceparent", SAMPLED), ("tracestate", b"a=1")],
]
TAKES: dict[str, Callable[[Consumer], Take]] = {
    "native": lambda client: NativeTake(client, Library()),
    "python": PythonTake,
}


@pytest.fixture(scope="module")
def own(bare: Chain) -> OwnTopics:
    """A source with all kinds of records, some of them aborted."""
    topics = OwnTopics.made(bare)
    random = Random(5)
    settings = {"bootstrap.servers": topics.kafka, "message.max.bytes": 3_000_000}
    client = Producer({**settings, "transactional.id": f"random-{topics.tag}"})
    client.init_transactions(20)
    for at in range(6):
        client.begin_transaction()
        for _ in range(random.randrange(1, 400)):
            _send_one(client, topics.source, random)
        client.flush(10)
        (client.abort_transaction if at % 3 == 1 else client.commit_transaction)(20)
    client.begin_transaction()
    for partition in range(PARTITIONS):
        client.produce(topics.source, random.randbytes(1_000_000), b"large", partition)
        client.produce(topics.source, b"last", b"last", partition)
    client.commit_transaction(20)
    return topics


def _send_one(client: Producer, topic: str, random: Random) -> None:
    def some(most: int) -> bytes | None:
        return None if random.random() < 0.1 else random.randbytes(random.randrange(most))

    headers = random.choice(HEADERS) if random.random() < 0.5 else None
    client.produce(
        topic,
        some(300),
        some(40),
        random.randrange(PARTITIONS),
        headers=headers,
        timestamp=random.randrange(1, 1 << 41),
    )


class Reader:
    """What one way of taking gives of both partitions."""

    def __init__(self, own: OwnTopics, way: str) -> None:
        self.client = consumer(own.kafka, f"reader-{own.tag}-{way}")
        self._take, self._topic = TAKES[way](self.client), own.source
        self.rows: dict[int, list[tuple[Any, ...]]] = {at: [] for at in range(PARTITIONS)}
        self.told: list[Told] = []

    def places(self, offset: int = 0) -> list[TopicPartition]:
        return [TopicPartition(self._topic, at, offset) for at in range(PARTITIONS)]

    def begin(self) -> None:
        self._take.own(self.places())
        self.client.incremental_assign(self.places())

    def stop(self) -> None:
        self._take.disown(self.places())
        self.client.incremental_unassign(self.places())

    def once(self, most: int) -> None:
        if self._take.wait(0.05):
            polled, told = self._take.polled(most)
            self.told += told
            assert len(polled) <= most
            self._add(polled)

    def _add(self, polled: Polled) -> None:
        columns = zip(
            polled.partitions.tolist(),
            polled.offsets.tolist(),
            polled.appended_at.tolist(),
            polled.keys,
            polled.values,
            strict=True,
        )
        for at, (partition, *row) in enumerate(columns):
            self.rows[partition].append((*row, polled.traces.get(at)))

    def ends(self) -> set[tuple[int, int]]:
        """(partition, offset) of the ends that were told."""
        return {
            (place[1], offset)
            for place, offset, error in self.told
            if error.code() == KafkaError._PARTITION_EOF and place[0] == self._topic
        }

    def until_ends(self, most: int = 100) -> None:
        until = time.monotonic() + DEADLINE_S
        self.told.clear()
        while len(self.ends()) < PARTITIONS:
            assert time.monotonic() < until, f"the ends are not told: {self.told}"
            self.once(most)

    def close(self) -> None:
        self._take.close()
        self.client.close()


@pytest.fixture
def readers(own: OwnTopics) -> Iterator[dict[str, Reader]]:
    made = {way: Reader(own, way) for way in TAKES}
    yield made
    for each in made.values():
        each.close()


def test_both_ways_take_the_same_records_and_tell_the_same_ends(
    readers: dict[str, Reader],
) -> None:
    for each in readers.values():
        each.begin()
        each.until_ends()
    native, python = readers["native"], readers["python"]
    assert native.rows == python.rows
    assert native.ends() == python.ends()
    rows = [row for mine in native.rows.values() for row in mine]
    assert len(rows) > 200
    assert {None, b""} <= {row[2] for row in rows} & {row[3] for row in rows}
    assert sum(row[4] is not None for row in rows) > 20
    assert max(len(row[3] or b"") for row in rows) == 1_000_000


@pytest.mark.parametrize("way", TAKES)
def test_a_paused_partition_gives_nothing_and_a_seek_gives_what_is_behind_it(
    way: str, readers: dict[str, Reader]
) -> None:
    reader = readers[way]
    reader.begin()
    reader.until_ends()
    whole = {at: list(rows) for at, rows in reader.rows.items()}
    [first, second] = reader.places(whole[0][9][0])
    second.offset = whole[1][5][0]
    reader.client.pause([first])
    reader.client.seek(second)
    for rows in reader.rows.values():
        rows.clear()
    until = time.monotonic() + DEADLINE_S
    while len(reader.rows[1]) < len(whole[1]) - 5:
        assert time.monotonic() < until
        reader.once(7)
    assert reader.rows == {0: [], 1: whole[1][5:]}
    reader.client.seek(first)
    reader.client.resume([first])
    while len(reader.rows[0]) < len(whole[0]) - 9:
        assert time.monotonic() < until
        reader.once(7)
    assert reader.rows[0] == whole[0][9:]


@pytest.mark.parametrize("way", TAKES)
def test_a_partition_that_is_given_again_at_once_goes_on(
    way: str, readers: dict[str, Reader]
) -> None:
    """librdkafka takes its queues back while a fetch stops, perhaps after it was given again."""
    reader = readers[way]
    for _ in range(20):
        reader.begin()
        reader.once(5)
        reader.stop()
    for rows in reader.rows.values():
        rows.clear()
    reader.begin()
    reader.until_ends()
    for rows in reader.rows.values():
        assert [row[0] for row in rows] == sorted({row[0] for row in rows})
        assert rows[0][0] == 0
        assert rows[-1][2:4] == (b"last", b"last")


def test_a_queue_that_librdkafka_took_back_is_forwarded_again(own: OwnTopics) -> None:
    """Whoever stops a fetch does so after the partition was given again: its records go nowhere."""
    reader = Reader(own, "native")
    reader.once(5)
    reader.begin()
    take = reader._take
    assert isinstance(take, NativeTake)
    take._forward_to(None)
    reader.until_ends()
    reader.close()


def test_a_head_that_expired_is_told(bare: Chain) -> None:
    told = {}
    for way in TAKES:
        own = OwnTopics.made(bare)
        client = producer_of(producing(own.kafka, "test"))
        for at in range(6):
            client.produce(own.source, b"%d" % at, None, 0)
        assert client.flush(10) == 0
        own.expire(own.source, 0, 4)
        reader = Reader(own, way)
        reader.begin()
        until = time.monotonic() + DEADLINE_S
        while not (mine := [each for each in reader.told if each[2].code() != _EOF]):
            assert time.monotonic() < until
            reader.once(10)
        [(place, offset, error)] = mine
        told[way] = place[1], offset, error.code(), error.fatal(), error.retriable()
        reader.close()
    assert told["native"] == told["python"]


_EOF = KafkaError._PARTITION_EOF


def test_both_ways_put_the_same_records(own: OwnTopics) -> None:
    random = Random(6)
    n = 500
    frames = [
        random.randbytes(random.choice((0, 1, 200, 400_000 if at == 7 else 50))) for at in range(n)
    ]
    keys = [
        None if random.random() < 0.2 else random.randbytes(random.randrange(30)) for _ in range(n)
    ]
    partitions = np.array([random.randrange(PARTITIONS) for _ in range(n)], np.int32)
    records = Records(Joined.of(frames), Joined.of(keys), partitions)
    client = producer_of({**producing(own.kafka, "test"), **GAPLESS})
    puts: list[tuple[str, Put]] = [
        (own.output, NativePut(client, own.output, Library())),
        (own.dead_letters, PythonPut(client, own.dead_letters)),
    ]
    for topic, put in puts:
        assert put.put(records, 0, n // 2) == n // 2
        assert put.put(records, n // 2, n) == n
        assert client.flush(10) == 0
        put.close()
        with TopicReader(own.kafka, [topic]) as reader:
            found = list(reader.until_end())
        for partition in range(PARTITIONS):
            mine = [(each.key, each.value) for each in found if each.partition == partition]
            rows = np.flatnonzero(partitions == partition).tolist()
            assert mine == [(keys[at], frames[at]) for at in rows]
        assert not any(each.headers for each in found)


@pytest.mark.parametrize("committed_only", [True, False])
@pytest.mark.parametrize("way", ["auto", "python"])
def test_a_reader_of_columns_gives_what_one_of_records_gives(
    own: OwnTopics, way: Way, committed_only: bool
) -> None:
    asked: dict[str, Any] = {
        "offsets": {(own.source, 0): 7},
        "committed_only": committed_only,
    }
    found: dict[int, list[tuple[Any, ...]]] = {at: [] for at in range(PARTITIONS)}
    with ColumnReader(own.kafka, own.source, way=way, **asked) as columns:
        own_ends = {place: at - 3 for place, at in columns.ends.items()}
        columns.ends = dict(own_ends)  # as where more is appended while it reads
        for some in columns.columns_until_end(60):
            found[some.partition] += [
                (each.offset, each.appended_at, each.key, each.value) for each in some
            ]
        assert columns.positions == own_ends
    wanted: dict[int, list[tuple[Any, ...]]] = {at: [] for at in range(PARTITIONS)}
    with TopicReader(own.kafka, [own.source], **asked) as records:
        records.ends = dict(own_ends)
        for each in records.until_end(60):
            wanted[each.partition].append((each.offset, each.appended_at, each.key, each.value))
    assert found == wanted
    assert found[0][0][0] >= 7


@pytest.mark.parametrize("way", ["auto", "python"])
def test_a_reader_of_columns_gives_nothing_more_of_a_partition_that_it_left(
    own: OwnTopics, way: Way
) -> None:
    with ColumnReader(own.kafka, own.source, way=way) as columns:
        end = columns.ends[own.source, 1]
        columns.leave(own.source, 0)
        found = [each for some in columns.columns_until_end(60) for each in some]
        assert columns.positions[own.source, 0] == 0
        assert columns.positions[own.source, 1] == end > 0
    assert {each.partition for each in found} == set(range(1, PARTITIONS))


@pytest.mark.parametrize("way", ["auto", "python"])
def test_a_reader_of_two_topics_gives_each_partition_of_each(own: OwnTopics, way: Way) -> None:
    client = producer_of(producing(own.kafka, "test"))
    for at in range(300):
        client.produce(own.output, b"%d" % at, None, at % PARTITIONS)
    assert client.flush(10) == 0
    found: dict[tuple[str, int], list[tuple[int, bytes | None]]] = {}
    with ColumnReader(own.kafka, own.output, own.source, way=way, is_told=False) as columns:
        for some in columns.columns_until_end(60):
            mine = found.setdefault((some.topic, some.partition), [])
            mine += zip(some.offsets.tolist(), some.values, strict=True)
        assert columns.positions == columns.ends
    wanted: dict[tuple[str, int], list[tuple[int, bytes | None]]] = {}
    with TopicReader(own.kafka, [own.output, own.source]) as records:
        for each in records.until_end(60):
            wanted.setdefault((each.topic, each.partition), []).append((each.offset, each.value))
    assert found == wanted
    assert len(found) == 2 * PARTITIONS
