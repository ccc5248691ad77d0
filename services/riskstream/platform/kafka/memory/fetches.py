"""What a consumer in memory fetches: where it stands in each assigned partition, and the next
message or event of them.
"""

from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, Message, TopicPartition

from riskstream.platform.kafka.memory.broker import MemoryBroker
from riskstream.platform.kafka.memory.errors import error, raised
from riskstream.platform.kafka.memory.group import Group, Place
from riskstream.platform.kafka.memory.log import Entry, Refused
from riskstream.runtime.machine import monotonic

NO_OFFSET = -1001
_BACKOFF_S = 0.05
_CREATE_TIME = 1


@dataclass(slots=True)
class Fetch:
    """An assigned partition. `told_end`: the end that was told. `is_stopped`: an error ended its
    fetch. `stale`: what a fetch before the first seek brought; another seek drops it.
    `again_at`: when it asks again after an error, monotonic.
    """

    topic: str
    partition: int
    position: int
    is_paused: bool = False
    is_stopped: bool = False
    told_end: int = -1
    again_at: float = 0.0
    is_sought: bool = False
    stale: list[Entry] = field(default_factory=list)


class Fetches:
    """Those of one consumer."""

    def __init__(self, broker: MemoryBroker, group: Group, *, committed_only: bool) -> None:
        self._broker, self._network, self._group = broker, broker.network, group
        self._committed_only = committed_only
        self._held: dict[Place, Fetch] = {}

    def begin(self, where: TopicPartition) -> None:
        """Fetch a partition from an offset on."""
        fetch = Fetch(where.topic, where.partition, self._resolved(where))
        if self._network.chance("stale fetch"):  # a fetch that is on its way before the pause
            fetch.stale = self._ahead(fetch)
        self._held[where.topic, where.partition] = fetch

    def forget(self, places: list[Place]) -> None:
        for place in places:
            self._held.pop(place, None)

    def clear(self) -> None:
        self._held.clear()

    def assigned(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in self._held]

    def pause(self, partitions: list[TopicPartition], *, is_paused: bool) -> None:
        for each in partitions:
            if (fetch := self._held.get((each.topic, each.partition))) is not None:
                fetch.is_paused = is_paused

    def seek(self, where: TopicPartition) -> None:
        """KafkaException where the partition has not started, or an error ended its fetch."""
        fetch = self._held.get((where.topic, where.partition))
        if fetch is None or fetch.is_stopped or self._network.chance("not started"):
            raise raised(KafkaError._STATE, "the partition is not fetched")
        fetch.position, fetch.told_end, fetch.again_at = self._resolved(where), -1, 0.0
        if fetch.is_sought:
            fetch.stale = []
        fetch.is_sought = True

    def next(self) -> Message | None:
        now = monotonic()
        fetches = [
            each
            for each in self._held.values()
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
        if fetch.stale and fetch.is_sought:
            return _message(fetch, fetch.stale.pop(0))
        log = self._broker.log(fetch.topic, fetch.partition)
        if fetch.told_end == fetch.position == log.limit(committed_only=self._committed_only):
            return None  # it stands at the end, and was told so
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
        log = self._broker.log(fetch.topic, fetch.partition)
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
