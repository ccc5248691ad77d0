"""A Take that copies messages from librdkafka's queue into joined buffers, in compiled code.

Partitions' queues are forwarded to one of our own, so that only records, ends and errors of a fetch
come there. Everything that has a callback stays in the client's queue, and `poll` serves it.
"""

import ctypes
from collections.abc import Sequence

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from riskstream.domain.contracts.joined import Joined
from riskstream.platform.kafka.clients.native.kernels import (
    fetch_kernel,
    take_kernel,
    wait_kernel,
)
from riskstream.platform.kafka.clients.native.library import Library
from riskstream.platform.kafka.clients.polled import Polled, Told, sorted_out
from riskstream.platform.kafka.record import Place
from riskstream.platform.kafka.traced import HEADER
from riskstream.platform.telemetry.context import TraceContext, sampled_context
from riskstream.runtime.errors import Fatal
from riskstream.runtime.machine import monotonic

_FORWARD_EVERY_S = 0.1
_NAME = np.frombuffer(HEADER.encode() + b"\0", np.uint8)


class _Message(ctypes.Structure):
    """rd_kafka_message_t."""

    _fields_ = (
        ("error", ctypes.c_int),
        ("topic", ctypes.c_void_p),
        ("partition", ctypes.c_int32),
        ("value", ctypes.c_void_p),
        ("value_size", ctypes.c_size_t),
        ("key", ctypes.c_void_p),
        ("key_size", ctypes.c_size_t),
        ("offset", ctypes.c_int64),
        ("private", ctypes.c_void_p),
    )


class NativeTake:
    """Of a consumer. A sampled trace is found even where another header's name is not UTF-8."""

    def __init__(self, client: Consumer, library: Library) -> None:
        # kept: the queue must be gone before the client is
        self._client, self._library = client, library
        self._call, self._calls = library.call, library.calls
        self._queue: int | None = None
        self._pointers = np.zeros(1, np.int64)
        self._have = 0
        self._told: Message | None = None
        self._owned: set[Place] = set()
        self._forward_at = 0.0
        self._handle = library.handle(client)
        self._queue = self._call["rd_kafka_queue_new"](self._handle)

    def own(self, partitions: Sequence[TopicPartition]) -> None:
        self._owned |= {(each.topic, each.partition) for each in partitions}
        self._forward()

    def disown(self, partitions: Sequence[TopicPartition]) -> None:
        self._owned -= {(each.topic, each.partition) for each in partitions}

    def wait(self, timeout_s: float) -> bool:
        now = monotonic()
        if now >= self._forward_at:
            self._forward_at = now + _FORWARD_EVERY_S
            self._forward()
        self._told = self._client.poll(0)
        if self._told is not None:
            return True
        timeout_ms = int(timeout_s * 1000)
        self._have = int(wait_kernel(self._calls, self._queue, timeout_ms, self._pointers))
        return self._have > 0

    def _forward(self) -> None:
        """Give the queue of each partition to ours. librdkafka takes that back where a fetch stops,
        some time after it was told to, so perhaps after the partition was given again.
        """
        self._forward_to(self._queue)

    def _forward_to(self, target: int | None) -> None:
        for topic, partition in self._owned:
            queue = self._call["rd_kafka_queue_get_partition"](
                self._handle, topic.encode(), partition
            )
            if queue:
                self._call["rd_kafka_queue_forward"](queue, target)
                self._call["rd_kafka_queue_destroy"](queue)

    def polled(self, most: int) -> tuple[Polled, list[Told]]:
        if self._told is not None:  # what the client says itself, and a record that came that way
            messages, told = sorted_out([self._told])
            self._told = None
            return Polled.of(messages), told
        if len(self._pointers) < most:
            self._pointers = np.append(self._pointers[:1], np.zeros(most - 1, np.int64))
        traces, totals = np.empty((most, 2), np.int64), np.zeros(3, np.int64)
        topics = np.empty(most, np.int64)
        n = fetch_kernel(
            self._calls, self._queue, self._have, most, self._pointers,
            _NAME, traces, topics, totals,
        )  # fmt: skip
        self._have = 0
        return self._copied(n, traces, self._by_topic(topics[:n]), totals.tolist())

    def _by_topic(self, topics: np.ndarray) -> dict[str, np.ndarray]:
        """By name the indices of each topic's records, of their handles; the messages are there
        still.
        """
        of_records = topics[topics != 0]
        name = self._call["rd_kafka_topic_name"]
        return {
            name(handle).decode(): np.flatnonzero(of_records == handle)
            for handle in np.unique(of_records).tolist()
        }

    def _copied(
        self, n: int, traces: np.ndarray, topics: dict[str, np.ndarray], totals: list[int]
    ) -> tuple[Polled, list[Told]]:
        """The n messages as records, and what the others tell; none of them is kept."""
        value_bytes, key_bytes, trace_bytes = totals
        values, keys = np.empty(value_bytes, np.uint8), np.empty(key_bytes, np.uint8)
        value_ends, key_ends = np.empty(n, np.int64), np.empty(n, np.int64)
        value_nulls, key_nulls = np.empty(n, np.uint8), np.empty(n, np.uint8)
        partitions, offsets, times = (
            np.empty(n, np.int32),
            np.empty(n, np.int64),
            np.empty(n, np.int64),
        )
        trace_data, trace_ends = np.empty(trace_bytes, np.uint8), np.empty((n + 1, 2), np.int64)
        records = take_kernel(
            self._calls, n, self._pointers,
            values, value_ends, value_nulls, keys, key_ends, key_nulls,
            partitions, offsets, times, traces, trace_data, trace_ends,
        )  # fmt: skip
        if records < 0:
            raise Fatal(
                what="a poll brought more bytes than it said",
                where="NativeTake",
                do="report this, and set --client python: nothing was written past the end",
            )
        told = [self._told_by(int(at)) for at in self._pointers[: n - records]]
        return Polled(
            values=Joined(values, value_ends[:records], value_nulls[:records]),
            keys=Joined(keys, key_ends[:records], key_nulls[:records]),
            partitions=partitions[:records],
            offsets=offsets[:records],
            appended_at=times[:records],
            traces=_contexts(trace_data, trace_ends) if trace_bytes else {},
            topics=topics,
        ), told

    def _told_by(self, pointer: int) -> Told:
        """What a message says that is no record; it is destroyed."""
        message = _Message.from_address(pointer)
        text = self._call["rd_kafka_message_errstr"](pointer) or b""
        topic = self._call["rd_kafka_topic_name"](message.topic) if message.topic else b""
        place = topic.decode(), int(message.partition)
        told = place, int(message.offset), KafkaError(message.error, text.decode(errors="replace"))
        self._call["rd_kafka_message_destroy"](pointer)
        return told

    def close(self) -> None:
        queue, self._queue = self._queue, None
        if not queue or not self._library.is_open(self._client):
            return
        if self._have:
            self._call["rd_kafka_message_destroy"](int(self._pointers[0]))
            self._have = 0
        self._forward_to(None)
        self._owned.clear()
        self._call["rd_kafka_queue_destroy"](queue)

    def __del__(self) -> None:
        self.close()


def _contexts(data: np.ndarray, ends: np.ndarray) -> dict[int, TraceContext]:
    """By row the context of each record that has one."""
    found, start, raw = {}, 0, data.tobytes()
    for row, end in ends.tolist():
        if row < 0:
            break
        if (context := sampled_context(raw[start:end])) is not None:
            found[row] = context
        start = end
    return found
