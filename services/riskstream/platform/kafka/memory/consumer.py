"""A consumer of a log in memory, as librdkafka's: events by poll, group callbacks within it, seek,
pause, ends, expired offsets.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from riskstream.platform.kafka.memory.errors import error, raised
from riskstream.platform.kafka.memory.group import GroupMetadata, Member, Offset, Place
from riskstream.platform.kafka.memory.log import Entry, PartitionLog, Refused
from riskstream.runtime.machine import monotonic, sleep

if TYPE_CHECKING:
    from riskstream.platform.kafka.memory.broker import MemoryKafka

NO_OFFSET = -1001
_SLICE_S = 0.05
_BACKOFF_S = 0.05
_CREATE_TIME = 1
OnPartitions = Callable[[Any, list[TopicPartition]], None]


@dataclass(slots=True)
class Fetch:
    """An assigned partition. `told_end`: the end that was told. `is_stopped`: an error ended its
    fetch. `stale`: what a fetch before a seek brought. `again_at`: when it asks again after an
    error, monotonic.
    """

    topic: str
    partition: int
    position: int
    is_paused: bool = False
    is_stopped: bool = False
    told_end: int = -1
    again_at: float = 0.0
    stale: list[Entry] = field(default_factory=list)


class MemoryConsumer:
    """Only what our lanes and readers call."""

    def __init__(self, broker: "MemoryKafka", settings: dict[str, Any]) -> None:
        self._broker, self._network = broker, broker.network
        self._host = broker.network.host()
        self._group = broker.group(settings["group.id"])
        self._committed_only = settings.get("isolation.level", "read_committed") == "read_committed"
        self._session_s = settings.get("session.timeout.ms", 6000) / 1000
        self._fetches: dict[Place, Fetch] = {}
        self._member: Member | None = None
        self._topics: list[str] = []
        self._callbacks: tuple[OnPartitions | None, OnPartitions | None, OnPartitions | None] = (
            None,
            None,
            None,
        )
        self._turn = 0
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
        self._topics, self._callbacks = list(topics), (on_assign, on_revoke, on_lost)

    def consumer_group_metadata(self) -> GroupMetadata:
        return GroupMetadata(self._group.name, self._member)

    def _beat(self) -> None:
        """A heartbeat's answer: join, give up, take. Callbacks run here, within the poll."""
        if not self._topics:
            return
        counts = self._broker.counts
        self._group.expire(monotonic(), counts)
        if self._member is not None and self._member not in self._group.members:
            lost, self._member = sorted(self._member.owned), None
            if lost:
                self._give_up(lost, self._callbacks[2] or self._callbacks[1])
        if self._member is None:
            self._member = self._group.join(self._topics, self._host, self._session_s, counts)
        revoked = self._group.to_revoke(self._member)
        if revoked:
            self._give_up(revoked, self._callbacks[1])
            self._member.owned -= set(revoked)
        given = self._group.to_assign(self._member)
        if given:
            self._member.owned |= set(given)
            partitions = [TopicPartition(*place) for place in given]
            if self._callbacks[0] is None:
                self.incremental_assign(partitions)
            else:
                self._callbacks[0](self, partitions)

    def _give_up(self, places: list[Place], callback: OnPartitions | None) -> None:
        try:
            if callback is not None:
                callback(self, [TopicPartition(*place) for place in places])
        finally:
            for place in places:
                self._fetches.pop(place, None)

    def close(self) -> None:
        """Give everything up, and leave the group."""
        if self._is_closed:
            return
        try:
            self._network.call("leave")
            if (
                self._member is not None
                and self._member in self._group.members
                and self._member.owned
            ):
                self._give_up(sorted(self._member.owned), self._callbacks[1])
        finally:
            self._is_closed = True
            if self._host.silent_since is None and self._member is not None:
                self._member.owned.clear()
                self._group.leave(self._member, self._broker.counts)

    # Records
    # ----------------------------------------------------------------------------------------------

    def poll(self, timeout: float = -1) -> Message | None:
        """One message or event; None after `timeout` seconds."""
        self._check()
        self._network.call("poll")
        self._beat()
        message = self._next()
        if message is None and timeout > 0:
            sleep(timeout)
            self._beat()
            message = self._next()
        return message

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """What is there, `num_messages` at most; waits for the first for `timeout` seconds."""
        self._check()
        first = self.poll(timeout)
        if first is None:
            return []
        out = [first]
        for _ in range(self._network.many(num_messages) - 1):
            message = self._next()
            if message is None:
                break
            out.append(message)
        return out

    def _next(self) -> Message | None:
        now = monotonic()
        fetches = [
            each
            for each in self._fetches.values()
            if not each.is_paused and not each.is_stopped and each.again_at <= now
        ]
        if not fetches:
            return None
        first = self._network.pick(len(fetches))
        for fetch in fetches[first:] + fetches[:first]:
            message = self._message_of(fetch)
            if message is not None:
                return message
        return None

    def _message_of(self, fetch: Fetch) -> Message | None:
        if fetch.stale:
            return _message(fetch, fetch.stale.pop(0))
        log = self._broker.log(fetch.topic, fetch.partition)
        try:
            entry, position = log.next(fetch.position, committed_only=self._committed_only)
        except Refused as refused:
            fetch.is_stopped = True
            return _event(fetch, fetch.position, refused.error)
        if entry is None:
            limit = log.limit(committed_only=self._committed_only)
            fetch.position = position
            if position != limit or fetch.told_end == limit:
                return None
            fetch.told_end = limit
            return _event(fetch, limit, error(KafkaError._PARTITION_EOF, "no more records"))
        if entry.is_giant:  # asked for again and again
            fetch.again_at = monotonic() + _BACKOFF_S
            return _event(
                fetch, entry.offset, error(KafkaError._BAD_COMPRESSION, "decompresses to too much")
            )
        fetch.position, fetch.told_end = position, -1
        return _message(fetch, entry)

    # Positions
    # ----------------------------------------------------------------------------------------------

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._fetches.clear()
        self.incremental_assign(partitions)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self._check()
        for each in partitions:
            fetch = Fetch(each.topic, each.partition, self._resolved(each))
            if self._network.chance("stale fetch"):  # a fetch that is on its way before the pause
                fetch.stale = self._ahead(fetch)
            self._fetches[each.topic, each.partition] = fetch

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._fetches.pop((each.topic, each.partition), None)

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in self._fetches]

    def pause(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            if (fetch := self._fetches.get((each.topic, each.partition))) is not None:
                fetch.is_paused = True

    def resume(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            if (fetch := self._fetches.get((each.topic, each.partition))) is not None:
                fetch.is_paused = False

    def seek(self, partition: TopicPartition) -> None:
        """KafkaException where the partition has not started, or an error ended its fetch."""
        self._check()
        fetch = self._fetches.get((partition.topic, partition.partition))
        if fetch is None or fetch.is_stopped or self._network.chance("not started"):
            raise raised(KafkaError._STATE, "the partition is not fetched")
        fetch.position, fetch.told_end, fetch.again_at = self._resolved(partition), -1, 0.0

    def _resolved(self, where: TopicPartition) -> int:
        log = self._broker.log(where.topic, where.partition)
        if where.offset == OFFSET_BEGINNING:
            return log.low
        if where.offset == OFFSET_END:
            return log.limit(committed_only=self._committed_only)
        if where.offset == NO_OFFSET:
            return self._group.committed.get((where.topic, where.partition), (log.low, ""))[0]
        return int(where.offset)

    def _ahead(self, fetch: Fetch) -> list[Entry]:
        out: list[Entry] = []
        log: PartitionLog = self._broker.log(fetch.topic, fetch.partition)
        at = fetch.position
        while len(out) < 3:
            try:
                entry, at = log.next(at, committed_only=self._committed_only)
            except Refused:
                break
            if entry is None or entry.is_giant:
                break
            out.append(entry)
        return out

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
            self._group.commit(self._member, given)
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
        return self._broker.admin({}).list_topics()

    def _check(self) -> None:
        if self._is_closed:
            raise RuntimeError("Consumer closed")


def _offset(each: TopicPartition) -> Offset:
    return int(each.offset), each.metadata or ""


def _message(fetch: Fetch, entry: Entry) -> Message:
    return Message(
        topic=fetch.topic,
        partition=fetch.partition,
        offset=entry.offset,
        key=entry.key,
        value=entry.value,
        headers=entry.headers,
        error=None,
        timestamp=(_CREATE_TIME, entry.appended_at),
    )


def _event(fetch: Fetch, offset: int, why: KafkaError) -> Message:
    return Message(topic=fetch.topic, partition=fetch.partition, offset=offset, error=why)
