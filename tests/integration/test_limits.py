"""Records of exactly a topic's limit, topic by topic, on a real broker: taken, read whole,
answered; and no byte more.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, Producer
from prometheus_client import CollectorRegistry
from tests.support.builders import frame
from tests.support.lanes import Running
from tests.support.own_topics import OwnTopics

from riskstream.domain.contracts.catalog import Topic, topics
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import producing
from riskstream.platform.kafka.clients.limits import OVERHEAD, fitted, producer_bytes, record_bytes
from riskstream.platform.kafka.clients.produce import put
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.kafka.rejects import dead_letter_headers
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.profiler.shuffle import ShuffleCore
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.kafka import KafkaCluster

KEY = b"c-1"
BATCH_HEADER, FIXED = 61, 3
"""Bytes of a batch before its records; of a record its attributes and the two deltas, of time and
offset, that are 0.
"""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker with every topic of the catalog, which nobody reads: what is written here is no
    record of ours.
    """
    cluster = KafkaCluster(tmp_path_factory.mktemp("limits"))
    cluster.start()
    try:
        TopicAdmin(cluster.bootstrap).apply(list(topics().values()), 1)
        yield cluster.bootstrap
    finally:
        cluster.stop()


def _varint(value: int) -> int:
    """Bytes of a length as Kafka writes it: zigzag, seven bits a byte."""
    return max((2 * value).bit_length() + 6, 7) // 7


def _batch_bytes(key: bytes, value: int) -> int:
    """Bytes of an uncompressed batch of one record without headers."""
    record = FIXED + _varint(len(key)) + len(key) + _varint(value) + value + 1
    return BATCH_HEADER + _varint(record) + record


def _value_of(limit: int, key: bytes = KEY) -> bytes:
    """The value whose batch has exactly `limit` bytes, framed as a transaction."""
    size = limit - _batch_bytes(key, 0)
    while _batch_bytes(key, size) > limit:
        size -= 1
    assert _batch_bytes(key, size) == limit
    return frame()[:5] + b"v" * (size - 5)


@pytest.fixture(scope="module")
def client(kafka: str) -> Producer:
    """Set up as all of our producers are, without the idempotence that ends one at its first
    refusal.
    """
    return Producer({**producing(kafka, "test"), "linger.ms": 0})


def _refusal(
    client: Producer, topic: str, value: bytes, key: bytes = KEY, headers: Any = None
) -> KafkaError | None:
    """What the broker says to one record; None where it takes it."""
    said: list[KafkaError | None] = []

    def on_delivery(error: KafkaError | None, _: Message) -> None:
        said.append(error)

    client.produce(topic, value, key, 0, on_delivery=on_delivery, headers=headers or [])
    assert client.flush(20) == 0
    return said[0]


def _read(kafka: str, topic: str) -> list[bytes | None]:
    with TopicReader(kafka, [topic]) as reader:
        return [record.value for record in reader.until_end(60)]


IN_REACH = [each for each in topics().values() if each.max_bytes + OVERHEAD <= producer_bytes()]
"""Topics whose limit is the broker's to refuse: the others' is the producer's as well, and `put` or
`fitted` keeps below.
"""


@pytest.mark.parametrize("topic", IN_REACH, ids=lambda topic: topic.name)
def test_a_batch_of_exactly_the_limit_is_taken_and_read_whole_and_a_byte_more_is_not(
    kafka: str, client: Producer, topic: Topic
) -> None:
    value = _value_of(topic.max_bytes)
    assert _refusal(client, topic.name, value) is None
    refusal = _refusal(client, topic.name, value + b"v")
    assert refusal is not None
    assert refusal.code() == KafkaError.MSG_SIZE_TOO_LARGE
    # A reader bounds key and value by the topic's limit, which a batch has beside its headers: what
    # fits is never cut.
    assert _read(kafka, topic.name) == [value]


@pytest.mark.parametrize("name", [each.name for each in topics().values() if each.is_compacted])
def test_what_put_lets_through_is_taken(kafka: str, name: str) -> None:
    """By our own measure, which leaves room for headers: the largest record that a command or a
    service puts.
    """
    value = b"p" * (topics()[name].max_bytes - record_bytes(b"largest", b"", []))
    put(kafka, name, b"largest", value)
    assert _read(kafka, name)[-1] == value


@pytest.mark.parametrize("name", [each.name for each in topics().values() if each.source])
def test_the_largest_dead_letter_is_taken(kafka: str, client: Producer, name: str) -> None:
    source, limit = topics()[name].source or "", min(topics()[name].max_bytes, producer_bytes())
    whole = b"v" * 4 * limit
    key, value, headers = fitted(
        KEY, whole, list(dead_letter_headers(source, 0, 7, "too_large", whole)), limit
    )
    assert record_bytes(key, value, headers) == limit
    assert key == KEY
    assert value is not None
    assert _refusal(client, name, value, key, headers) is None
    assert _read(kafka, name)[-1] == value


def test_every_topic_is_in_one_of_these() -> None:
    assert {each.name for each in topics().values()} == {each.name for each in IN_REACH} | {
        each.name for each in topics().values() if each.is_compacted or each.source
    }


def test_a_transaction_of_exactly_the_limit_is_answered_and_its_letter_is_whole(
    bare: Chain,
) -> None:
    own = OwnTopics.made(bare)
    value = _value_of(topics()["transactions.v1"].max_bytes)
    service = own.start_ready_scorer(RISKSTREAM_SCORER_REJECT_LIMIT="1")
    own.send(1, [(KEY, value), (KEY, frame(customer_id="c-1"))])
    answers = [(each.src, each.verdict, each.reason) for each in own.scores(2)]
    assert answers == [(0, "REJECTED", "too_large"), (1, "GOOD", None)]
    [letter] = own.letters(1)
    assert letter.record.value == value, "a letter's topic takes all that its source takes"
    assert not letter.is_cut
    service.server.stop()


def test_a_label_of_exactly_the_limit_is_a_letter_and_is_whole(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    value = _value_of(topics()["transactions.v1"].max_bytes)
    own.send(1, [(KEY, value)])
    settings = ForwardSettings(
        kafka=own.kafka,
        group=own.group,
        sources=(own.source,),
        output=own.output,
        commit_ms=50,
        dead_letters={own.source: own.dead_letters},
        dead_letter_bytes=topics()["transactions.v1.dlq"].max_bytes,
    )
    stop = threading.Event()
    core = ShuffleCore(tuple(STANDARD_PROFILES.profiles), settings.max_batch)
    running = Running(ForwardLane(settings, core, ProfilerMetrics(CollectorRegistry()), stop), stop)
    own.wait_committed(1, 1)
    running.end()
    assert not running.failed
    [letter] = own.letters(1)
    assert letter.record.value == value
    assert not letter.is_cut
