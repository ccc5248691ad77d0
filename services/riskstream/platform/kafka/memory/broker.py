"""The broker of a log in memory: topics, groups, the coordinator of transactions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError

from riskstream.platform.kafka.memory.errors import error, fenced
from riskstream.platform.kafka.memory.group import Group, Offset, Place
from riskstream.platform.kafka.memory.log import Entry, PartitionLog, Refused, Topic, Writer
from riskstream.platform.kafka.memory.network import Network
from riskstream.runtime.machine import monotonic, now_ms


@dataclass(slots=True)
class Transaction:
    """Of one transactional id. `ending`: None while it is open, else whether it is committed; its
    markers may follow later.
    """

    epoch: int = -1
    timeout_s: float = 60.0
    begun_at: float = 0.0
    is_open: bool = False
    ending: bool | None = None
    places: set[Place] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)


class MemoryBroker:
    """What clients in memory (`memory/clients.py`) talk to."""

    def __init__(self, network: Network | None = None, cluster_id: str = "memory") -> None:
        self.network, self.cluster_id = network or Network(), cluster_id
        self.topics: dict[str, Topic] = {}
        self.counts: dict[str, int] = {}
        """Partition count of each topic."""
        self.groups: dict[str, Group] = {}
        self.transactions: dict[str, Transaction] = {}
        self.unfinished: list[str] = []
        """Transactional ids whose markers are not written yet."""
        self._made = 0

    # Topics
    # ----------------------------------------------------------------------------------------------

    def create(self, name: str, partitions: int, config: Mapping[str, Any] | None = None) -> None:
        """A topic, as new. `config`: as Kafka's; of it `max.message.bytes` is kept to."""
        held = dict(config or {})
        self._made += 1
        most = int(held.get("max.message.bytes", 1_048_588))
        logs = [PartitionLog(max_bytes=most) for _ in range(partitions)]
        self.topics[name] = Topic(f"{name}-{self._made}", held, logs)
        self.counts[name] = partitions

    def log(self, topic: str, partition: int) -> PartitionLog:
        """Refused where there is none."""
        held = self.topics.get(topic)
        if held is None or not 0 <= partition < len(held.partitions):
            raise Refused(error(KafkaError.UNKNOWN_TOPIC_OR_PART, f"no {topic} [{partition}]"))
        return held.partitions[partition]

    def limit(self, topic: str, max_bytes: int) -> None:
        """Set max.message.bytes."""
        self.topics[topic].config["max.message.bytes"] = str(max_bytes)
        for log in self.topics[topic].partitions:
            log.max_bytes = max_bytes

    def records(self, topic: str, partition: int, *, committed_only: bool = True) -> list[Entry]:
        """What stands in a partition, as a reader sees it."""
        log = self.log(topic, partition)
        if committed_only:
            return log.seen()
        return [each for each in log.entries if not each.is_marker]

    def append(
        self,
        place: Place,
        key: bytes | None,
        value: bytes | None,
        headers: Any = None,
        writer: Writer | None = None,
    ) -> int:
        """The record's offset. Refused where the record is too large, or its writer was fenced."""
        log = self.log(*place)
        if writer is not None:
            self._in_transaction(writer).places.add(place)
        kept = (
            [(name, held.encode() if isinstance(held, str) else held) for name, held in headers]
            if headers
            else None
        )
        return log.append(key, value, kept, now_ms(), writer)

    # Groups
    # ----------------------------------------------------------------------------------------------

    def group(self, name: str) -> Group:
        found = self.groups.get(name)
        if found is None:
            found = self.groups[name] = Group(name)
        return found

    # Transactions
    # ----------------------------------------------------------------------------------------------

    def begin_writer(self, name: str, timeout_s: float) -> Writer:
        """A new epoch of a transactional id: whoever had it before is fenced, and what that one
        left open is aborted.
        """
        held = self.transactions.setdefault(name, Transaction())
        self._finish(name, held)
        self._abort(name, held)
        held.epoch += 1
        held.timeout_s = timeout_s
        return name, held.epoch

    def add_offsets(self, writer: Writer, group: str, offsets: dict[Place, Offset]) -> None:
        held = self._in_transaction(writer)
        held.groups.add(group)
        self.group(group).pending.setdefault(writer, {}).update(offsets)

    def end(self, writer: Writer, *, is_commit: bool) -> None:
        """Decide a transaction; its markers follow, at once or later. Refused where the writer was
        fenced.
        """
        held = self._checked(writer)
        if held.ending is not None:  # a request that was answered late, sent again
            return
        if not held.is_open:
            return
        held.ending, held.is_open = is_commit, False
        self.unfinished.append(writer[0])
        if not self.network.chance("late markers"):
            self._finish(writer[0], held)

    def finish(self, name: str) -> None:
        """Write the markers of a transaction that was decided."""
        self._finish(name, self.transactions[name])

    def expire_transactions(self) -> None:
        """Abort what is open for too long; its producer is fenced."""
        for name, held in self.transactions.items():
            if held.is_open and monotonic() - held.begun_at > held.timeout_s:
                self._abort(name, held)
                held.epoch += 1

    def _checked(self, writer: Writer) -> Transaction:
        held = self.transactions[writer[0]]
        if held.epoch != writer[1]:
            raise Refused(fenced())
        return held

    def _in_transaction(self, writer: Writer) -> Transaction:
        held = self._checked(writer)
        self._finish(writer[0], held)
        if not held.is_open:
            held.is_open, held.begun_at = True, monotonic()
        return held

    def _abort(self, name: str, held: Transaction) -> None:
        if held.is_open:
            held.is_open, held.ending = False, False
            self.unfinished.append(name)
            self._finish(name, held)

    def _finish(self, name: str, held: Transaction) -> None:
        if held.ending is None:
            return
        self.unfinished.remove(name)
        writer = (name, held.epoch)
        for place in sorted(held.places):
            self.log(*place).mark(writer, now_ms(), is_commit=held.ending)
        for group in held.groups:
            offsets = self.group(group).pending.pop(writer, {})
            if held.ending:
                self.group(group).committed.update(offsets)
        held.places, held.groups, held.ending = set(), set(), None
