"""A consumer group as its coordinator holds it (KIP-848): members, who has which partition,
committed offsets.
"""

from dataclasses import dataclass, field

from confluent_kafka import KafkaError

from riskstream.platform.kafka.memory.errors import error
from riskstream.platform.kafka.memory.log import Refused, Writer
from riskstream.platform.kafka.memory.network import Host

Place = tuple[str, int]
Offset = tuple[int, str]
"""Committed offset and metadata."""


@dataclass(eq=False, slots=True)
class Member:
    """`owned`: what it has, until it gave it up; `target`: what it is to have. Out of the group
    when the coordinator says so.
    """

    number: int
    topics: tuple[str, ...]
    host: Host
    session_s: float
    owned: set[Place] = field(default_factory=set)
    target: set[Place] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class GroupMetadata:
    """What a transaction says of who commits."""

    group: str
    member: Member | None


@dataclass(slots=True)
class Group:
    name: str
    members: list[Member] = field(default_factory=list)
    committed: dict[Place, Offset] = field(default_factory=dict)
    pending: dict[Writer, dict[Place, Offset]] = field(default_factory=dict)
    """Offsets of transactions that are not over."""
    joined: int = 0

    def join(
        self, topics: list[str], host: Host, session_s: float, counts: dict[str, int]
    ) -> Member:
        self.joined += 1
        member = Member(self.joined, tuple(topics), host, session_s)
        self.members.append(member)
        self.balance(counts)
        return member

    def leave(self, member: Member, counts: dict[str, int]) -> None:
        if member in self.members:
            self.members.remove(member)
            self.balance(counts)

    def expire(self, now: float, counts: dict[str, int]) -> None:
        """Members whose heartbeats stopped for a session are out."""
        for member in list(self.members):
            since = member.host.silent_since
            if since is not None and now - since > member.session_s:
                self.leave(member, counts)

    def balance(self, counts: dict[str, int]) -> None:
        """Give partitions out evenly; whoever has one keeps it where that is even."""
        places = sorted(
            {
                (topic, number)
                for each in self.members
                for topic in each.topics
                for number in range(counts[topic])
            }
        )
        if not self.members:
            return
        most = -(-len(places) // len(self.members))
        targets: list[set[Place]] = [
            set(sorted(each.owned & set(places))[:most]) for each in self.members
        ]
        for place in places:
            if not any(place in each for each in targets):
                min(targets, key=len).add(place)
        for target in sorted(targets, key=len):  # one that has two more than another gives one up
            while (largest := max(targets, key=len)) and len(largest) - len(target) > 1:
                target.add(max(largest))
                largest.remove(max(largest))
        for member, target in zip(self.members, targets, strict=True):
            member.target = target

    def to_revoke(self, member: Member) -> list[Place]:
        return [] if member.owned == member.target else sorted(member.owned - member.target)

    def to_assign(self, member: Member) -> list[Place]:
        """What it is to have and nobody else has any more."""
        if member.owned == member.target:
            return []
        held = {place for each in self.members if each is not member for place in each.owned}
        return sorted(member.target - member.owned - held)

    def commit(self, member: Member | None, offsets: dict[Place, Offset]) -> None:
        """Refused where whoever commits is a member no more."""
        self.check(member)
        self.committed.update(offsets)

    def check(self, member: Member | None) -> None:
        if member is not None and member not in self.members:
            raise Refused(error(KafkaError.UNKNOWN_MEMBER_ID, "the group does not know the member"))
