"""The partitions that a derived lane owns: their states and positions are taken up before anything
of theirs is taken.

Where Kafka does not answer, or a state's schema is not known, a partition waits and the others go
on.
"""

import structlog
from confluent_kafka import Consumer, TopicPartition

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.clients.starts import (
    ExpiredHeads,
    assign_paused,
    go_on_at,
    legal_start,
)
from riskstream.platform.kafka.lanes.derived_ahead import StatesAhead
from riskstream.platform.kafka.lanes.derived_part import Part
from riskstream.platform.kafka.lanes.derived_settings import DerivedSettings
from riskstream.platform.kafka.lanes.derived_start import Committed, read_states
from riskstream.platform.kafka.lanes.member import Member
from riskstream.platform.kafka.lanes.ports import DerivedWork, View
from riskstream.platform.kafka.lanes.waits import Waits
from riskstream.platform.kafka.record import Place
from riskstream.platform.telemetry.metrics import DerivedMetrics
from riskstream.runtime.errors import Retryable
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("derived")
_AFTER_ABORT_S = 0.5
_AGAIN_S, _AGAIN_BESIDE_S, _ANSWER_S = 1.0, 15.0, 10.0


class DerivedPartitions:
    """Used by the polling thread alone. `parts`: those that were taken up; `waits`: those among
    them that wait for a schema.
    """

    def __init__(
        self,
        settings: DerivedSettings,
        work: DerivedWork,
        view: View | None,
        member: Member,
        metrics: DerivedMetrics,
    ) -> None:
        self._settings, self._work, self._view = settings, work, view
        self._member, self._metrics = member, metrics
        self.parts: dict[int, Part] = {}
        self.waits = Waits(member.client)
        self._unopened: set[int] = set()
        """Partitions given to us whose state is not taken up yet: nothing of theirs is taken."""
        self._open_at = self._open_by = 0.0
        self._state_waits: list[SchemaWait] = []
        """What partitions whose state cannot be read wait for; looked at again when one is over, or
        at `_open_by`.
        """
        self._expired = ExpiredHeads(member.client, metrics.expired)
        self._ahead: StatesAhead | None = None

    def read_ahead(self) -> None:
        """Read the states while there is nothing else to do."""
        if self._settings.reads_ahead:
            self._ahead = StatesAhead(self._settings, self._work)

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()

    @property
    def waiting(self) -> int:
        """How many wait: for Kafka, for a schema, or for a person."""
        return len(self.waits) + len(self._unopened)

    def on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """Assign paused, at the head; state is taken up by the loop, which may have to wait for
        Kafka.
        """
        assign_paused(client, partitions)
        self._unopened |= {each.partition for each in partitions}
        self._open_at = self._open_by = 0.0

    def on_expired(self, place: Place) -> None:
        """The head of the source passed a partition: `go_on_at_heads` goes on behind it."""
        self._expired.add(place)

    def open(self) -> None:
        """Take up state and positions of the partitions given to us; later, where Kafka or a schema
        is not there yet.
        """
        now = monotonic()
        if not self._unopened or now < self._open_at:
            return
        if (
            self.parts
            and now < self._open_by
            and not any(each.is_over() for each in self._state_waits)
        ):
            self._open_at = now + _AGAIN_S  # reading all states again holds up those that go on
            return
        numbers = sorted(self._unopened)
        try:
            starts = self._take_up(numbers)
            places = [
                TopicPartition(self._settings.source, number, at) for number, at in starts.items()
            ]
            go_on_at(self._member.client, places)
        except Retryable as error:
            for number in numbers:
                self.parts.pop(number, None)
            self._open_at = monotonic() + _AGAIN_S
            log.warning("not opened yet", partitions=numbers, why=str(error))
            return
        self._unopened -= starts.keys()
        now = monotonic()
        self._open_at, self._open_by = now + _AGAIN_S, now + _AGAIN_BESIDE_S
        log.info("opened", offsets=starts)

    def _take_up(self, numbers: list[int]) -> dict[int, int]:
        """State, positions, and where to go on: the last flush by the group's metadata, or where
        the state itself stands.

        Without those whose state is of a schema that is not known. Retryable where Kafka does not
        answer.
        """
        client, source = self._member.client, self._settings.source
        committed = Committed.read(client, source, numbers)
        for number in numbers:
            self._work.drop(number)
            self._work.resume(number, committed[number].metadata)
        waiting = read_states(
            self._settings, self._work, self._view, committed, self._member.see, self._ahead
        )
        self._state_waits = list(waiting.values())
        for number, wait in waiting.items():
            self._work.drop(number)
            log.warning("not opened yet", partitions=[number], why=str(wait))
        fault_point("restored")
        starts = {}
        for number in [each for each in numbers if each not in waiting]:
            given = committed[number]
            wanted = self._work.start(number, given.flushed)
            if given.flushed is None:  # set by hand to leave records out, or none
                wanted = max(wanted, given.offset)
            starts[number] = legal_start(client, source, number, wanted, _ANSWER_S)
            self._metrics.expired.inc(starts[number] - wanted)
        for number, start in starts.items():
            self.parts[number] = Part(
                position=start,
                committed=committed[number].offset,
                flushed=start,
                flushed_metadata=self._work.metadata(number),
            )
        return starts

    def go_back(self) -> None:
        """After an abort: what is owned is taken up as on assignment, from the last commit. The
        world gets a moment.
        """
        log.info("goes back to the last commit", partitions=sorted(self.parts))
        self._unopened |= self.parts.keys()
        self.parts.clear()
        self.waits.clear()
        self._expired.clear()
        self._open_at, self._open_by = monotonic() + _AFTER_ABORT_S, 0.0

    def go_on_at_heads(self) -> None:
        """Go on at what is there of partitions whose head passed us. The series has a hole, and the
        work says so.
        """
        for place, start in self._expired.begun_anew(self._position):
            self.parts[place[1]].position = start

    def forget(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """They are another member's now, or nobody's."""
        for each in partitions:
            self.parts.pop(each.partition, None)
            self._unopened.discard(each.partition)
            self._expired.forget((each.topic, each.partition))
            self.waits.forget(each.topic, each.partition)
            self._work.drop(each.partition)

    def _position(self, place: Place) -> int | None:
        part = self.parts.get(place[1])
        return None if part is None else part.position
