"""A producer of a log in memory, as librdkafka's: idempotent, in order, with delivery reports,
transactions and fencing.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, Message, TopicPartition

from riskstream.domain.risk.partition import partition_kernel
from riskstream.platform.kafka.memory.broker import MemoryBroker
from riskstream.platform.kafka.memory.errors import error, fenced, raised
from riskstream.platform.kafka.memory.group import GroupMetadata, Place
from riskstream.platform.kafka.memory.health import Health
from riskstream.platform.kafka.memory.log import Refused, Writer
from riskstream.runtime.machine import monotonic, now_ms, sleep

OnDelivery = Callable[[KafkaError | None, Message], None]
_SLICE_S = 0.005


@dataclass(slots=True)
class Sent:
    """A record on its way."""

    place: Place
    key: bytes | None
    value: bytes | None
    headers: Any
    told: OnDelivery | None


class MemoryProducer:
    """Only what our lanes call. Records of a partition stay in order; each partition goes its own
    way.
    """

    def __init__(self, broker: MemoryBroker, settings: dict[str, Any]) -> None:
        self._broker, self._network = broker, broker.network
        self.host = broker.network.host()
        self._id: str | None = settings.get("transactional.id")
        self._timeout_s = settings.get("transaction.timeout.ms", 60_000) / 1000
        self._most = settings.get("queue.buffering.max.messages", 100_000)
        self._max_bytes = settings.get("message.max.bytes", 1_000_000)
        self._is_gapless = settings.get("enable.gapless.guarantee", False)
        self.queues: dict[Place, deque[Sent]] = {}
        self.in_queue = 0
        """Records that are not in the log yet."""
        self._reports: deque[tuple[Sent, KafkaError | None, int]] = deque()
        self._writer: Writer | None = None
        self._is_open = False
        self._health = Health()

    def __len__(self) -> int:
        return self.in_queue + len(self._reports)

    def produce(
        self,
        topic: str,
        value: bytes | str | None = None,
        key: bytes | str | None = None,
        partition: int = -1,
        callback: OnDelivery | None = None,
        **named: Any,
    ) -> None:
        """BufferError where the queue is full; KafkaException where the record is too large, or the
        client broken.

        `named`: `headers`, `on_delivery`.
        """
        self._health.check_client()
        if self._id is not None and not self._is_open:
            raise raised(KafkaError._STATE, "no transaction was begun")
        if len(self) >= self._most:
            raise BufferError("Local: Queue full")
        key, value = _bytes(key), _bytes(value)
        if len(key or b"") + len(value or b"") > self._max_bytes:
            raise raised(
                KafkaError.MSG_SIZE_TOO_LARGE, "the record is larger than message.max.bytes"
            )
        if partition < 0:
            partition = _partition_of(key, self._broker.counts.get(topic, 1))
        place = (topic, partition)
        sent = Sent(place, key, value, named.get("headers"), callback or named.get("on_delivery"))
        self.queues.setdefault(place, deque()).append(sent)
        self.in_queue += 1
        if self._network.sends_at_once:
            self.send(place)

    def waiting(self) -> list[Place]:
        """Partitions with records that are not in the log yet."""
        return [place for place, queue in self.queues.items() if queue]

    def send(self, place: Place) -> None:
        """Have the next record of a partition appended, or refused."""
        sent = self.queues[place].popleft()
        self.in_queue -= 1
        try:
            offset = self._broker.append(place, sent.key, sent.value, sent.headers, self._writer)
        except Refused as refused:
            self._refused(sent, refused.error)
            return
        self._reports.append((sent, None, offset))

    def drop(self, place: Place, kept: int) -> None:
        """The process is gone: only the first `kept` records of a partition are on the wire."""
        while len(self.queues[place]) > kept:
            self.queues[place].pop()
            self.in_queue -= 1

    def _refused(self, sent: Sent, why: KafkaError) -> None:
        self._reports.append((sent, why, -1))
        if self._id is not None:
            self._health.refused(why)
        elif self._is_gapless:
            self._health.has_gap(why)
            self._purge(error(KafkaError._PURGE_QUEUE, "a record before this one was refused"))

    def _purge(self, why: KafkaError) -> None:
        for queue in self.queues.values():
            while queue:
                self._reports.append((queue.popleft(), why, -1))
                self.in_queue -= 1

    def poll(self, timeout: float = -1) -> int:
        """Call back what was delivered; waits for the first for `timeout` seconds. KafkaException
        where the client broke.
        """
        self._network.call("report")
        until = monotonic() + timeout
        while not self._reports and self.in_queue and monotonic() < until:
            sleep(min(_SLICE_S, until - monotonic()))
        if not self._reports and timeout > 0 and not self.in_queue:
            sleep(timeout)
        self._health.tell()
        return self._call_back()

    def _call_back(self) -> int:
        count = len(self._reports)
        while self._reports:
            sent, why, offset = self._reports.popleft()
            if sent.told is not None:
                sent.told(why, _report(sent, why, offset))
        return count

    def flush(self, timeout: float = -1) -> int:
        """Wait for everything; how many are left."""
        until = monotonic() + (timeout if timeout >= 0 else 1e9)
        while len(self) and monotonic() < until:
            self.poll(min(1.0, max(until - monotonic(), 0)))
        return len(self)

    # Transactions
    # ----------------------------------------------------------------------------------------------

    def init_transactions(self, timeout: float = -1) -> None:
        del timeout
        assert self._id is not None
        self._network.call("init")
        self._writer = self._broker.begin_writer(self._id, self._timeout_s)

    def begin_transaction(self) -> None:
        self._check()
        self._is_open = True

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: GroupMetadata, timeout: float = -1
    ) -> None:
        """KafkaException where the group does not know the member: the transaction must be aborted
        then.
        """
        del timeout
        self._check()
        self._network.call("offsets")
        group = self._broker.group(group_metadata.group)
        group.expire(monotonic(), self._broker.counts)
        self._broker.expire_transactions()
        offsets = {
            (each.topic, each.partition): (int(each.offset), each.metadata or "")
            for each in positions
        }
        assert self._writer is not None
        try:
            group.check(group_metadata.member)
            self._broker.add_offsets(self._writer, group.name, offsets)
        except Refused as refused:
            raise self._health.abortable(refused.error) from None

    def commit_transaction(self, timeout: float = -1) -> None:
        del timeout
        self._check()
        self._send_all()
        self._check()
        self._network.call("end")
        self._end(is_commit=True)
        self._network.call("ended")

    def abort_transaction(self, timeout: float = -1) -> None:
        del timeout
        self._health.check(in_transaction=False)
        self._purge(error(KafkaError._PURGE_QUEUE, "the transaction is aborted"))
        self._network.call("end")
        self._end(is_commit=False)
        self._health.failed = None

    def _send_all(self) -> None:
        """Everything of the transaction reaches the log, or is refused."""
        while places := self.waiting():
            self._network.call("send")
            place = places[self._network.pick(len(places))]
            if self.queues[place]:
                self.send(place)
        self._call_back()

    def _end(self, *, is_commit: bool) -> None:
        assert self._writer is not None
        self._broker.expire_transactions()
        try:
            self._broker.end(self._writer, is_commit=is_commit)
        except Refused as refused:
            raise self._health.abortable(refused.error) from None
        self._is_open = False

    def _check(self) -> None:
        self._health.check()
        if (
            self._writer is not None
            and self._broker.transactions[self._writer[0]].epoch != self._writer[1]
        ):
            raise self._health.abortable(fenced())


def _report(sent: Sent, why: KafkaError | None, offset: int) -> Message:
    topic, partition = sent.place
    return Message(
        topic=topic,
        partition=partition,
        offset=offset,
        key=sent.key,
        value=sent.value,
        error=why,
        timestamp=(1, now_ms()),
    )


def _bytes(held: bytes | str | None) -> bytes | None:
    return held.encode() if isinstance(held, str) else held


def _partition_of(key: bytes | None, count: int) -> int:
    """murmur2 of the key, as every client of ours; partition 0 without a key."""
    if key is None or count == 1:
        return 0
    out = np.zeros(1, np.int32)
    partition_kernel(
        np.frombuffer(bytearray(key), np.uint8),
        np.zeros(1, np.int64),
        np.full(1, len(key), np.int32),
        count,
        out,
    )
    return int(out[0])
