"""A consumer of a log in memory, as librdkafka's: events by poll, group callbacks within it, seek,
pause, ends, expired offsets.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from riskstream.platform.kafka.memory.admin import MemoryAdmin
from riskstream.platform.kafka.memory.broker import MemoryBroker
from riskstream.platform.kafka.memory.errors import raised
from riskstream.platform.kafka.memory.fetches import NO_OFFSET, Fetches
from riskstream.platform.kafka.memory.group import GroupMetadata, Offset
from riskstream.platform.kafka.memory.log import Refused
from riskstream.platform.kafka.memory.membership import Callbacks, Membership
from riskstream.runtime.machine import monotonic, sleep

_SLICE_S = 0.05
OnPartitions = Callable[[Any, list[TopicPartition]], None]


class MemoryConsumer:
    """Only what our lanes and readers call."""

    def __init__(self, broker: MemoryBroker, settings: dict[str, Any]) -> None:
        self._broker, self._network = broker, broker.network
        self._host = broker.network.host()
        self._group = broker.group(settings["group.id"])
        self._committed_only = settings.get("isolation.level", "read_committed") == "read_committed"
        self._fetches = Fetches(broker, self._group, committed_only=self._committed_only)
        session_s = settings.get("session.timeout.ms", 6000) / 1000
        self._membership = Membership(broker, self._group, self._host, session_s)
        self._is_closed = False

    # Group
    # ----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        topics: list[str],
        on_assign: OnPartitions | None = None,
        on_revoke: OnPartitions | None = None,
        on_lost: OnPartitions | None = None,
    ) -> None:
        self._membership.subscribe(
            topics,
            Callbacks(
                on_assign=partial(on_assign or MemoryConsumer.incremental_assign, self),
                on_revoke=partial(on_revoke, self) if on_revoke else None,
                on_lost=partial(on_lost, self) if on_lost else None,
            ),
        )

    def consumer_group_metadata(self) -> GroupMetadata:
        return GroupMetadata(self._group.name, self._membership.member)

    def close(self) -> None:
        """Give everything up, and leave the group."""
        if self._is_closed:
            return
        try:
            self._network.call("leave")
            self._membership.give_up_all(self._fetches)
        finally:
            self._is_closed = True
            self._membership.leave()

    # Records
    # ----------------------------------------------------------------------------------------------

    def poll(self, timeout: float = -1) -> Message | None:
        """One message or event; None after `timeout` seconds."""
        self._check()
        self._network.call("poll")
        self._membership.beat(self._fetches)
        message = self._fetches.next()
        if message is None and timeout > 0:
            sleep(timeout)
            self._membership.beat(self._fetches)
            message = self._fetches.next()
        return message

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """What is there, `num_messages` at most; waits for the first for `timeout` seconds."""
        self._check()
        first = self.poll(timeout)
        if first is None:
            return []
        out = [first]
        for _ in range(self._network.many(num_messages) - 1):
            message = self._fetches.next()
            if message is None:
                break
            out.append(message)
        return out

    # Positions
    # ----------------------------------------------------------------------------------------------

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._fetches.clear()
        self.incremental_assign(partitions)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self._check()
        for each in partitions:
            self._fetches.begin(each)

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self._fetches.forget([(each.topic, each.partition) for each in partitions])

    def assignment(self) -> list[TopicPartition]:
        return self._fetches.assigned()

    def pause(self, partitions: list[TopicPartition]) -> None:
        self._fetches.pause(partitions, is_paused=True)

    def resume(self, partitions: list[TopicPartition]) -> None:
        self._fetches.pause(partitions, is_paused=False)

    def seek(self, partition: TopicPartition) -> None:
        """KafkaException where the partition has not started, or an error ended its fetch."""
        self._check()
        self._fetches.seek(partition)

    def get_watermark_offsets(
        self,
        partition: TopicPartition,
        timeout: float = 10,  # noqa: ARG002  the interface
        cached: bool = False,
    ) -> tuple[int, int]:
        """(first offset, end) as a reader of this isolation sees them."""
        self._check()
        if not cached:
            self._network.call("watermarks")
        try:
            log = self._broker.log(partition.topic, partition.partition)
        except Refused as refused:
            raise KafkaException(refused.error) from None
        return log.low, log.limit(committed_only=self._committed_only)

    # Offsets
    # ----------------------------------------------------------------------------------------------

    def commit(
        self,
        message: Message | None = None,
        offsets: list[TopicPartition] | None = None,
        asynchronous: bool = True,
    ) -> list[TopicPartition] | None:
        """An asynchronous one may be lost, and no one is told here."""
        assert message is None
        assert offsets is not None
        self._check()
        self._network.call("commit")
        if asynchronous and self._network.chance("commit lost"):
            return None
        self._group.expire(monotonic(), self._broker.counts)
        given = {(each.topic, each.partition): _offset(each) for each in offsets}
        try:
            self._group.commit(self._membership.member, given)
        except Refused as refused:
            if not asynchronous:
                raise KafkaException(refused.error) from None
        return offsets

    def committed(
        self, partitions: list[TopicPartition], timeout: float = -1
    ) -> list[TopicPartition]:
        """KafkaException where a transaction with offsets of these is not over by the deadline, and
        only committed ones count.
        """
        self._check()
        self._network.call("committed")
        until = monotonic() + timeout
        places = [(each.topic, each.partition) for each in partitions]
        while self._committed_only and any(
            place in offsets for offsets in self._group.pending.values() for place in places
        ):
            if monotonic() >= until:
                raise raised(
                    KafkaError._TIMED_OUT,
                    "offsets of a transaction are not decided",
                    retriable=True,
                )
            sleep(_SLICE_S)
            self._broker.expire_transactions()
        out = []
        for place in places:
            offset, metadata = self._group.committed.get(place, (NO_OFFSET, ""))
            out.append(TopicPartition(*place, offset, metadata))
        return out

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:  # noqa: ARG002
        self._network.call("metadata")
        return MemoryAdmin(self._broker, {}).list_topics()

    def _check(self) -> None:
        if self._is_closed:
            raise RuntimeError("Consumer closed")


def _offset(each: TopicPartition) -> Offset:
    return int(each.offset), each.metadata or ""
