"""The compiled way to Kafka's clients is only taken where everything is as expected, else Python
serves.
"""

import _ctypes
import ctypes
from typing import Any

import confluent_kafka
import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from prometheus_client import CollectorRegistry

from riskstream.domain.contracts.joined import Joined
from riskstream.platform.kafka.clients.client import client_log
from riskstream.platform.kafka.clients.native import choice, library
from riskstream.platform.kafka.clients.native.kernels import CALLS, put_kernel, take_kernel
from riskstream.platform.kafka.clients.native.library import Library, Unfit
from riskstream.platform.kafka.clients.native.put import NativePut
from riskstream.platform.kafka.clients.native.take import NativeTake
from riskstream.platform.kafka.clients.polled import PythonTake
from riskstream.platform.kafka.clients.put import PythonPut, Records
from riskstream.platform.kafka.memory import MemoryKafka
from riskstream.platform.telemetry.metrics import LaneMetrics

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}


@pytest.fixture
def consumer() -> Consumer:
    return Consumer({**NOWHERE, "group.id": "g"}, logger=client_log())


@pytest.fixture
def producer() -> Producer:
    return Producer({**NOWHERE, "queue.buffering.max.messages": 10}, logger=client_log())


@pytest.fixture(autouse=True)
def _forget_the_library() -> None:
    choice.library.cache_clear()


def _sides(consumer: Consumer, producer: Producer, way: choice.Way = "auto") -> tuple[Any, Any]:
    """How records are taken and put; the metric must say the same."""
    metrics = LaneMetrics(CollectorRegistry())
    take = choice.take_of(consumer, way, metrics.native)
    put = choice.put_of(producer, "topic", way, metrics.native)
    for side, found, kind in (("take", take, NativeTake), ("put", put, NativePut)):
        assert metrics.native.labels(side=side)._value.get() == isinstance(found, kind)
    return take, put


def test_compiled_code_serves_where_every_check_passes(
    consumer: Consumer, producer: Producer
) -> None:
    take, put = _sides(consumer, producer)
    assert (type(take), type(put)) == (NativeTake, NativePut)
    take.close()
    put.close()


def test_python_serves_where_it_is_set(consumer: Consumer, producer: Producer) -> None:
    take, put = _sides(consumer, producer, "python")
    assert (type(take), type(put)) == (PythonTake, PythonPut)


def test_python_serves_kafka_in_memory() -> None:
    kafka, shown = MemoryKafka(), LaneMetrics(CollectorRegistry()).native
    consumer = kafka.consumer({"group.id": "g"})
    assert type(choice.take_of(consumer, "auto", shown)) is PythonTake
    producer = kafka.producer({})
    assert type(choice.put_of(producer, "topic", "auto", shown)) is PythonPut


@pytest.mark.parametrize(
    "said", [("2.99.0", 0x026300FF), ("3.0.0", 0x030000FF)], ids=["another", "next major"]
)
def test_python_serves_with_another_version_than_the_client_says(
    said: tuple[str, int], consumer: Consumer, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confluent_kafka, "libversion", lambda: said)
    take, put = _sides(consumer, producer)
    assert (type(take), type(put)) == (PythonTake, PythonPut)


def test_python_serves_a_major_version_that_nobody_has_looked_at(
    consumer: Consumer, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "MAJOR", library.MAJOR + 1)
    take, put = _sides(consumer, producer)
    assert (type(take), type(put)) == (PythonTake, PythonPut)


@pytest.mark.parametrize("where", [_ctypes.__file__, "/nowhere/librdkafka.so"])
def test_python_serves_where_functions_are_missing(
    where: str, consumer: Consumer, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "library", lambda: Library(where))
    take, put = _sides(consumer, producer)
    assert (type(take), type(put)) == (PythonTake, PythonPut)


def test_python_serves_where_the_handle_stands_elsewhere(
    consumer: Consumer, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At no other place of the object is anything taken for a handle, and nothing crashes."""
    known = Library()
    places = range(0, Consumer.__basicsize__ - 8, 8)
    for place in (each for each in places if each != object.__basicsize__):
        monkeypatch.setattr(library, "_HEAD", place)
        for client in (consumer, producer):
            with pytest.raises(Unfit):
                known.handle(client)
    take, put = _sides(consumer, producer)
    assert (type(take), type(put)) == (PythonTake, PythonPut)


def test_a_handle_is_that_of_its_client_and_of_its_kind(
    consumer: Consumer, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Library()
    assert known.handle(consumer) != known.handle(producer)
    monkeypatch.setattr(library, "_TYPES", {Producer: 1, Consumer: 0})
    for client in (consumer, producer):
        with pytest.raises(Unfit, match="another kind"):
            known.handle(client)


def test_a_wrong_address_is_told_and_does_not_crash() -> None:
    assert not library._is_readable(0, 8)
    assert not library._is_readable(8, 8)
    assert library._is_readable(id(NOWHERE), 8)


def test_a_client_that_was_closed_first_is_left_alone(consumer: Consumer) -> None:
    take = NativeTake(consumer, Library())
    consumer.close()
    take.close()
    with pytest.raises(RuntimeError):
        take.wait(0)
    take = NativeTake(
        other := Consumer({**NOWHERE, "group.id": "g"}, logger=client_log()), Library()
    )
    take.own([TopicPartition("topic", 0)])
    other.close()
    del take, other


def _records(count: int, partition: int = 0) -> Records:
    frames = Joined.of([b"frame-%d" % at for at in range(count)])
    keys = Joined.of([b"key" if at % 2 else None for at in range(count)])
    return Records(frames, keys, np.full(count, partition, np.int32))


@pytest.mark.parametrize("way", ["auto", "python"])
def test_a_put_ends_where_the_queue_is_full(
    way: choice.Way, consumer: Consumer, producer: Producer
) -> None:
    """The producer has room for 10."""
    records, (_, put) = _records(14), _sides(consumer, producer, way)
    assert put.put(records, 0, 4) == 4
    assert put.put(records, 4, 14) == 10
    assert put.put(records, 10, 14) == 10
    put.close()


def test_a_record_that_is_too_large_is_left_for_the_client_to_refuse() -> None:
    client = Producer({**NOWHERE, "message.max.bytes": 2000}, logger=client_log())
    frames = Joined.of([b"a", b"b" * 5000, b"c"])
    records = Records(frames, Joined.of([None] * 3), np.zeros(3, np.int32))
    put = NativePut(client, "topic", Library())
    assert put.put(records, 0, 3) == 1
    with pytest.raises(confluent_kafka.KafkaException) as refused:
        PythonPut(client, "topic").put(records, 1, 2)
    assert refused.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    put.close()


@pytest.mark.parametrize("broken", ["value_ends", "key_ends", "backwards"])
def test_a_put_reads_nothing_past_its_buffers(broken: str, producer: Producer) -> None:
    records, known = _records(4), Library()
    put = NativePut(producer, "topic", known)
    value_ends, key_ends = records.frames.ends.copy(), records.keys.ends.copy()
    if broken == "backwards":
        value_ends[2] = 0
    else:
        (value_ends if broken == "value_ends" else key_ends)[2] = 1 << 40
    done = put_kernel(
        known.calls,
        put._topic,
        0,
        9,
        records.partitions,
        records.frames.data,
        value_ends,
        records.keys.data,
        key_ends,
        records.keys.nulls,
    )
    assert done == 2
    put.close()


def _message(value: bytes, key: bytes | None = None) -> tuple[ctypes.Array[Any], list[Any]]:
    """A rd_kafka_message_t without an error, and what must be kept of it."""
    kept = [ctypes.create_string_buffer(value), ctypes.create_string_buffer(key or b"")]
    words = [0, 0, 3, ctypes.addressof(kept[0]), len(value), 0, 0, 7, 0]
    if key is not None:
        words[5:7] = ctypes.addressof(kept[1]), len(key)
    return (ctypes.c_int64 * 9)(*words), kept


def _taking(rooms: dict[str, int]) -> tuple[int, list[Any], list[int]]:
    """Take two messages whose functions are ours; the count, the arrays, and who was destroyed."""
    destroyed: list[int] = []
    one, two = _message(b"value", b"key"), _message(b"other")
    of_time = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 99)
    of_end = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda at: destroyed.append(at or 0))
    calls = np.zeros(len(CALLS), np.int64)
    calls[1] = ctypes.cast(of_end, ctypes.c_void_p).value or 0
    calls[2] = ctypes.cast(of_time, ctypes.c_void_p).value or 0
    pointers = np.array([ctypes.addressof(one[0]), ctypes.addressof(two[0])], np.int64)
    room = {"values": 10, "keys": 3, "rows": 2, "traces": 0, **rooms}
    rows = room["rows"]
    arrays: list[Any] = [
        np.zeros(room["values"], np.uint8), np.zeros(rows, np.int64), np.zeros(rows, np.uint8),
        np.zeros(room["keys"], np.uint8), np.zeros(rows, np.int64), np.zeros(rows, np.uint8),
        np.zeros(rows, np.int32), np.zeros(rows, np.int64), np.zeros(rows, np.int64),
    ]  # fmt: skip
    traces, ends = np.zeros((2, 2), np.int64), np.zeros((3, 2), np.int64)
    traces[1] = 0, room["traces"]
    count = take_kernel(calls, 2, pointers, *arrays, traces, np.zeros(0, np.uint8), ends)
    return int(count), arrays, destroyed


def test_messages_are_copied_and_destroyed() -> None:
    count, arrays, destroyed = _taking({})
    assert (count, len(destroyed)) == (2, 2)
    values, keys = Joined(*arrays[:3]), Joined(*arrays[3:6])
    assert (list(values), list(keys)) == ([b"value", b"other"], [b"key", None])
    assert [each.tolist() for each in arrays[6:]] == [[3, 3], [7, 7], [99, 99]]


@pytest.mark.parametrize("short", [{"values": 9}, {"keys": 2}, {"rows": 1}, {"traces": 1}])
def test_nothing_is_written_where_there_is_no_room(short: dict[str, int]) -> None:
    count, arrays, destroyed = _taking(short)
    assert (count, destroyed) == (-1, [])
    assert not any(each.any() for each in arrays)
