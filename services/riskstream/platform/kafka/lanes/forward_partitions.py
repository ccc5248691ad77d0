"""The partitions that a forward lane owns: they are taken up at the group's offsets, once Kafka
tells these.
"""

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from riskstream.platform.kafka.clients.client import translated
from riskstream.platform.kafka.clients.starts import (
    ExpiredHeads,
    assign_paused,
    go_on_at,
    legal_start,
)
from riskstream.platform.kafka.lanes.member import Member, names_of
from riskstream.platform.kafka.lanes.waits import Waits
from riskstream.platform.kafka.record import Place
from riskstream.platform.telemetry.metrics import DerivedMetrics
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("forward")
_AGAIN_S, _ANSWER_S = 1.0, 10.0


class ForwardPartitions:
    """Used by the polling thread alone.

    `positions`: behind the last record that was forwarded, of each partition that was taken up.
    `waits`: those that wait for a schema. `is_assigned`: partitions were given to us, ever.
    """

    def __init__(self, group: str, member: Member, metrics: DerivedMetrics) -> None:
        self._group, self._member, self._metrics = group, member, metrics
        self.positions: dict[Place, int] = {}
        self.waits = Waits(member.client)
        self.is_assigned = False
        self._committed: dict[Place, int] = {}
        self._unopened: set[Place] = set()
        """Partitions given to us whose offsets Kafka has not told yet: nothing of theirs is
        taken.
        """
        self._open_at = 0.0
        self._expired = ExpiredHeads(member.client, metrics.expired)

    @property
    def is_ready(self) -> bool:
        """True once partitions were given to us, as long as none waits for a schema or for
        Kafka.
        """
        return self.is_assigned and not self.waits and not self._unopened

    def on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """Assign paused, at the head; the loop asks for offsets, and may have to wait for Kafka."""
        assign_paused(client, partitions)
        self._unopened |= {(each.topic, each.partition) for each in partitions}
        self._open_at = 0.0
        self.is_assigned = True

    def on_expired(self, place: Place) -> None:
        """The head of a source passed a partition: `go_on_at_heads` goes on behind it."""
        self._expired.add(place)

    def open(self) -> None:
        """Take up the partitions given to us: at the group's offset, or where that is lost at what
        the topic still holds.
        """
        if not self._unopened or monotonic() < self._open_at:
            return
        places = [TopicPartition(*place) for place in sorted(self._unopened)]
        try:
            self._ask(places)
            go_on_at(self._member.client, places)
        except (KafkaException, Retryable) as error:
            problem = translated(error, self._group) if isinstance(error, KafkaException) else error
            for each in places:
                self.positions.pop((each.topic, each.partition), None)
            if isinstance(problem, Fatal):
                raise problem from error
            log.warning("not opened yet", partitions=names_of(places), why=str(problem))
            self._open_at = monotonic() + _AGAIN_S
            return
        self._unopened.clear()
        log.info(
            "opened", offsets={f"{each.topic}[{each.partition}]": each.offset for each in places}
        )

    def _ask(self, places: list[TopicPartition]) -> None:
        """Set the offsets of the places, and where we stand, to those of the group."""
        client = self._member.client
        for each in client.committed(places, timeout=_ANSWER_S):
            place, wanted = (each.topic, each.partition), max(each.offset, 0)
            start = legal_start(client, *place, wanted, _ANSWER_S)
            self.positions[place] = self._committed[place] = start
            self._metrics.expired.inc(start - wanted)
        for each in places:
            each.offset = self.positions[each.topic, each.partition]

    def go_on_at_heads(self) -> None:
        """Go on at what is there of partitions whose head passed us."""
        for place, start in self._expired.begun_anew(self.positions.get):
            self.positions[place] = start

    def uncommitted(self) -> dict[Place, int]:
        """Where we stand in partitions that moved since the last commit."""
        return {
            place: at for place, at in self.positions.items() if at > self._committed.get(place, -1)
        }

    def commit(self, moved: dict[Place, int]) -> None:
        """Tell the group; where it does not take it, what follows is written again, and readers
        drop it.
        """
        offsets = [TopicPartition(topic, number, at) for (topic, number), at in moved.items()]
        try:
            self._member.client.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("commit failed; trying again", error=str(error))
            return
        self._committed.update(moved)

    def forget(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """They are another member's now, or nobody's."""
        for each in partitions:
            place = (each.topic, each.partition)
            self.positions.pop(place, None)
            self._unopened.discard(place)
            self._expired.forget(place)
            self.waits.forget(*place)
