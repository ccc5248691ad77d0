"""A consumer's place in its group: it joins, gives partitions up and takes them, within a poll."""

from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from riskstream.platform.kafka.memory.broker import MemoryBroker
from riskstream.platform.kafka.memory.fetches import Fetches
from riskstream.platform.kafka.memory.group import Group, Member, Place
from riskstream.platform.kafka.memory.network import Host
from riskstream.runtime.machine import monotonic

OnPartitions = Callable[[list[TopicPartition]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What is called with partitions that came, were asked back, or are lost already."""

    on_assign: OnPartitions
    on_revoke: OnPartitions | None
    on_lost: OnPartitions | None


class Membership:
    """`member`: None where the group does not know the consumer."""

    def __init__(self, broker: MemoryBroker, group: Group, host: Host, session_s: float) -> None:
        self._broker, self._group, self._host = broker, group, host
        self._session_s = session_s
        self.member: Member | None = None
        self._topics: list[str] = []
        self._callbacks: Callbacks | None = None

    def subscribe(self, topics: list[str], callbacks: Callbacks) -> None:
        self._topics, self._callbacks = list(topics), callbacks

    def beat(self, fetches: Fetches) -> None:
        """A heartbeat's answer: join, give up, take. Callbacks run here, within the poll."""
        if not self._topics or self._callbacks is None:
            return
        counts, calls = self._broker.counts, self._callbacks
        self._group.expire(monotonic(), counts)
        if self.member is not None and self.member not in self._group.members:
            lost, self.member = sorted(self.member.owned), None
            if lost:
                _give_up(fetches, lost, calls.on_lost or calls.on_revoke)
        if self.member is None:
            self.member = self._group.join(self._topics, self._host, self._session_s, counts)
        revoked = self._group.to_revoke(self.member)
        if revoked:
            _give_up(fetches, revoked, calls.on_revoke)
            self.member.owned -= set(revoked)
        given = self._group.to_assign(self.member)
        if given:
            self.member.owned |= set(given)
            calls.on_assign([TopicPartition(*place) for place in given])

    def give_up_all(self, fetches: Fetches) -> None:
        """Give up what is owned, as a consumer that closes does first."""
        member, calls = self.member, self._callbacks
        if member is not None and member in self._group.members and member.owned:
            _give_up(fetches, sorted(member.owned), calls.on_revoke if calls else None)

    def leave(self) -> None:
        """Leave the group, where the host still reaches it."""
        if self._host.silent_since is None and self.member is not None:
            self.member.owned.clear()
            self._group.leave(self.member, self._broker.counts)


def _give_up(fetches: Fetches, places: list[Place], callback: OnPartitions | None) -> None:
    try:
        if callback is not None:
            callback([TopicPartition(*place) for place in places])
    finally:
        fetches.forget(places)
