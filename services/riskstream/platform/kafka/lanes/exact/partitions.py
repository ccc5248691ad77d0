"""The partitions that a lane owns: assigned, opened in the background, running, held, and gone
again (A1, A5, W3).

A2 to A4 are `recovery.py`'s. Steps are numbered as in docs/protocol.md.
"""

from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from riskstream.platform.kafka.clients.starts import heads
from riskstream.platform.kafka.lanes.exact.openings import MOST_REOPENINGS, WITHIN_S, Openings
from riskstream.platform.kafka.lanes.exact.owned import Owned, Phase, Recovered
from riskstream.platform.kafka.lanes.exact.recovery import Hold
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.exact.waits import LaneWaits
from riskstream.platform.kafka.lanes.member import Member
from riskstream.platform.kafka.lanes.ports import LaneWork, Outcome
from riskstream.platform.kafka.record import Place
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.runtime.errors import Retryable
from riskstream.runtime.faults import fault_point

log = structlog.get_logger("lane")


class LanePartitions:
    """`owned`: by number each partition that is ours. Used by the polling thread alone, but for
    `owned`.
    """

    def __init__(
        self,
        settings: LaneSettings,
        work: LaneWork[Any],
        member: Member,
        openings: Openings,
        waits: LaneWaits,
        metrics: LaneMetrics,
    ) -> None:
        self._settings, self._work, self._metrics = settings, work, metrics
        self._member, self._openings, self._waits = member, openings, waits
        self._next_number = 0
        self.owned: dict[int, Owned] = {}

    def running(self) -> dict[int, int]:
        """Of each running partition its ownership number."""
        return {n: each.number for n, each in self.owned.items() if each.phase is Phase.RUNNING}

    def still(self, numbers: dict[int, int]) -> dict[int, Owned]:
        """Those that run with the same ownership number: not revoked, given anew or held inside the
        poll.
        """
        return {
            partition: owned
            for partition, number in numbers.items()
            if (owned := self.owned.get(partition)) is not None
            and owned.number == number
            and owned.phase is Phase.RUNNING
        }

    def on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """A1: assign paused, with a new ownership number; A2-A4 begin in the background."""
        # A fetch may win over the pause, and what it brought may come after A5's seek: from the
        # head on nothing is missing in it, and `batch_of` leaves out what was taken before. A fetch
        # at the end would step over unanswered records.
        first = heads(client, self._settings.source, [each.partition for each in partitions])
        for each in partitions:
            each.offset = first[each.partition]
        client.incremental_assign(partitions)
        client.pause(partitions)
        for each in partitions:
            self._open(each.partition)
        fault_point("assigned")

    def _open(self, partition: int, row_ahead: int = -1) -> None:
        self._next_number += 1
        self._waits.forget(partition)
        self._work.drop(partition)
        self.owned[partition] = Owned(
            partition=partition, number=self._next_number, row_ahead=row_ahead
        )
        self._member.lag.own(self._settings.source, partition)
        self._openings.begin(partition, self._next_number, row_ahead)

    def take_up_recovered(self) -> None:
        """A5 for partitions whose A2-A4 are done: seek and resume."""
        for partition in self._openings.due():
            if partition in self.owned:
                owned = self.owned[partition]
                self._openings.begin(partition, owned.number, owned.row_ahead)
        for partition, number, future in self._openings.finished():
            if partition not in self.owned or self.owned[partition].number != number:
                continue
            owned = self.owned[partition]
            try:
                found = future.result()
            except Hold as hold:
                self.hold(owned, hold.why)
                self._openings.try_again(partition, 1.0)
            except Retryable as error:
                log.warning("recovery waits", partition=partition, why=str(error))
                self._openings.try_again(partition, 0.5)
            else:
                self._resume(owned, found)

    def _resume(self, owned: Owned, found: Recovered) -> None:
        fault_point("recovered")
        if owned.row_ahead > found.known_src:
            self.hold(
                owned,
                f"a row is of source offset {owned.row_ahead}, but {self._settings.output} "
                "answers up to "
                f"{found.known_src}: state was written of what was never answered. "
                "`riskstream rebuild`, then restart",
            )
            return
        where = TopicPartition(self._settings.source, owned.partition, found.start)
        try:
            self._member.client.seek(where)
        except KafkaException:  # _STATE until the partition has started: try again
            self._openings.try_again(owned.partition, 0.05)
            return
        owned.resume(found)
        label = str(owned.partition)
        self._metrics.whole_since.labels(partition=label).set(found.whole_since / 1000)
        self._member.client.resume([where])
        self._metrics.held.labels(partition=label).set(0)
        log.info(
            "running",
            partition=owned.partition,
            stored_src=found.stored_src,
            known_src=found.known_src,
            replay=found.known_src - found.stored_src,
        )
        fault_point("resumed")

    def hold(self, owned: Owned, why: str) -> None:
        """Take nothing more of a partition until a person has looked; readiness says so, the
        process goes on.
        """
        if owned.held_because != why:
            log.error("partition held", partition=owned.partition, why=why)
        owned.phase, owned.held_because = Phase.HELD, why
        self._metrics.held.labels(partition=str(owned.partition)).set(1)
        self._member.client.pause([TopicPartition(self._settings.source, owned.partition)])

    def reopen(
        self, partition: int, why: str, *, row_ahead: int = -1, by_the_world: bool = False
    ) -> None:
        """W3, and B3 when another owner is ahead: drop the partition's memory and run A2-A5 again;
        a held one stays.

        `row_ahead`: the offset of a row that was ahead; the answers that were found then must reach
        it. One that is taken up anew again and again is held, but where the world's store only
        comes and goes.
        """
        if self.owned[partition].phase is Phase.HELD:
            return
        log.warning("opens again", partition=partition, why=why)
        self._metrics.reopened.inc()
        if not by_the_world and self._openings.is_too_often(partition):
            self.hold(
                self.owned[partition],
                f"opened again more than {MOST_REOPENINGS} times within {WITHIN_S:.0f} s "
                f"({why}): look at the store, and restart",
            )
            return
        self._member.client.pause([TopicPartition(self._settings.source, partition)])
        self._open(partition, row_ahead)

    def take_up_abandoned(self, outcome: Outcome) -> None:
        """Rows that were not read in time are the world's (W3); a store that went back, or another
        owner, must not come often.
        """
        for partition in outcome.abandoned:
            ahead = outcome.ahead.get(partition, -1)
            is_back = ahead < 0 and self.owned[partition].touched_unreadable
            why = (
                "the store went back"
                if ahead < 0
                else (f"another owner is ahead: a row is of source offset {ahead}")
            )
            self.reopen(
                partition,
                "the state store is back" if is_back else why,
                row_ahead=ahead,
                by_the_world=is_back,
            )

    def forget(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """They are another member's now, or nobody's."""
        for each in partitions:
            partition = each.partition
            self.owned.pop(partition, None)
            self._metrics.held.labels(partition=str(partition)).set(0)
            self._openings.forget(partition)
            self._waits.forget(partition)
            self._work.drop(partition)

    def on_end(self, place: Place, end: int) -> bool:
        """The source was read to its end, for now; False where a fetch before the seek says so."""
        owned = self.owned.get(place[1])
        if owned is None or owned.phase is not Phase.RUNNING:
            return False
        owned.at_end, owned.end = True, end
        return True

    def on_expired(self, place: Place) -> None:
        """The head of the source passed us: A3 says whether anything is lost. A seek cannot start
        such a fetch again.
        """
        if place[1] not in self.owned:
            return
        client = self._member.client
        where = TopicPartition(*place, heads(client, place[0], [place[1]])[place[1]])
        client.incremental_unassign([where])
        client.incremental_assign([where])
        client.pause([where])
        self.reopen(place[1], "the source does not hold the next record any more")
