"""A2-A4 of the protocol: find where a partition stands from the store and the output's tail.

It writes to the store only where state is lost and the lane is to go on: then it begins a state of
what is left.
"""

from dataclasses import replace
from typing import Any

import structlog
from confluent_kafka import KafkaException

from riskstream.platform.kafka.clients.client import consumer, translated
from riskstream.platform.kafka.lanes.exact.owned import Recovered
from riskstream.platform.kafka.lanes.exact.settings import Route
from riskstream.platform.kafka.lanes.exact.standing import Hold, Standing, StateLost
from riskstream.platform.kafka.lanes.exact.standing_reader import StandingReader
from riskstream.platform.kafka.lanes.ports import (
    AnswerReader,
    Mark,
    OnStateLost,
    Snapshots,
    StateStore,
)
from riskstream.runtime.errors import Retryable
from riskstream.runtime.machine import monotonic

__all__ = ["Hold", "Recovered", "Recovery", "StateLost"]
log = structlog.get_logger("lane")
SNAPSHOTS_PATIENCE_S = 60.0
"""A partition whose state is lost waits so long for the place of its snapshots; then `degrade` goes
on without them.
"""


class Recovery:
    """Recovers partitions of one lane. Safe to use from one background thread beside the polling
    thread.

    `on_state_lost` says what is done where the state is not to be had whole: `degrade` goes on with
    the newest of `snapshots` or with what is left, `restore` only with a snapshot that joins up
    with the topics, `hold` waits for a person.
    """

    def __init__(
        self,
        route: Route,
        answers: AnswerReader,
        store: StateStore,
        on_state_lost: OnStateLost = "degrade",
        snapshots: Snapshots | None = None,
    ) -> None:
        self._bootstrap, self._group = route.kafka, route.group
        self._source, self._output = route.source, route.output
        self._store, self._on_state_lost, self._snapshots = store, on_state_lost, snapshots
        self._standings = StandingReader(route, answers)
        self._own_steps = 0
        self._away_since: dict[int, float] = {}

    @property
    def steps(self) -> int:
        """Grows with each answer and each piece of the tail; for the watchdog, which ends a lane
        that hangs here.
        """
        return self._own_steps + self._standings.steps

    def recover(
        self, partition: int, *, from_start: bool = False, row_ahead: int = -1
    ) -> Recovered:
        """Numbered as in docs/protocol.md; Hold where it must not go on, Retryable where the world
        is away.

        `from_start`: as if the store were empty, whatever the topics still hold; nothing is written
        to it. `row_ahead`: offset of a row for which the partition is taken up anew, -1: none.
        """
        client = consumer(
            self._bootstrap,
            self._group,
            **{"isolation.level": "read_uncommitted", "fetch.wait.max.ms": 10},
        )
        try:
            identity, partition_count = self._standings.identity()
            if from_start:
                found = self._standings.read(client, partition, identity, None)
                why = None
            else:
                mark = self._store.mark(partition)
                found = self._standings.read(client, partition, identity, mark, row_ahead)
                why = found.lost(self._source, self._output)
            if why is not None:
                found, why = self._regained(client, partition, found, why)
            since = self._whole_since(client, partition, found)
            if found.is_fresh and found.source_low > 0:
                log.warning(
                    "a fresh group begins where the source does",
                    partition=partition,
                    first=found.source_low,
                )
            if why is not None:
                self._say(partition, found, why, since)
            if not from_start:
                found = self._begin(partition, found, since, is_lost=why is not None)
            return Recovered(
                start=found.start,
                stored_src=found.stored_src,
                position=found.position,
                highest_stored_src=found.mark.stored_src if found.mark else -1,
                output_offset=max(found.mark.output_offset if found.mark else 0, found.output_low),
                known_src=found.known_src,
                identity=identity,
                partition_count=partition_count,
                recorded=found.verdicts,
                whole_since=since,
                judged_to=-1 if found.missing is None else found.missing,
            )
        except (KafkaException, TimeoutError) as error:
            raise translated(error, f"{self._source}[{partition}]") from error
        finally:
            client.close()

    def _regained(
        self, client: Any, partition: int, found: Standing, why: str
    ) -> tuple[Standing, str | None]:
        """State is lost: what stands after the newest snapshot was loaded, and why it still is not
        whole.

        StateLost where it is not and the setting says to wait.
        """
        if self._on_state_lost == "hold":
            raise StateLost(
                why=f"{why}: put Redis's files back, or see docs/runbooks/redis-lost.md"
            )
        if self._snapshots is not None:
            mark = self._restored(self._snapshots, partition, found)
            if mark is not None and (mark != found.mark or mark.rows_to != found.mark.rows_to):
                log.warning(
                    "a snapshot was loaded",
                    partition=partition,
                    stored_src=mark.stored_src,
                    whole_since=mark.whole_since,
                    why=why,
                )
                found = self._standings.read(
                    client, partition, found.identity, mark, found.row_ahead
                )
                still = found.lost(self._source, self._output)
                if still is None:
                    return found, None
                why = still
        if self._on_state_lost == "restore":
            raise StateLost(
                why=f"{why}, and no snapshot joins up with the topics: see "
                "docs/runbooks/redis-lost.md"
            )
        return found, why

    def _restored(self, snapshots: Snapshots, partition: int, found: Standing) -> Mark | None:
        """The store's mark after the newest snapshot was loaded; None where there is none, or its
        place is away for too long.
        """
        self._own_steps += 1
        try:
            mark = snapshots.restore(partition, found.identity, found.source_low)
        except Retryable as error:
            away_since = self._away_since.setdefault(partition, monotonic())
            if self._on_state_lost != "degrade" or monotonic() - away_since < SNAPSHOTS_PATIENCE_S:
                raise
            log.error(
                "snapshots cannot be reached; scores go on without them",
                partition=partition,
                why=str(error),
            )
            return None
        self._away_since.pop(partition, None)
        return mark

    def _say(self, partition: int, found: Standing, why: str, since: int) -> None:
        log.error(
            "state is lost; scores go on without all of it",
            partition=partition,
            why=why,
            first=found.start,
            whole_since=since,
            answered_to=found.known_src,
        )
        if found.unanswered():
            log.error(
                "records expired before they were answered",
                partition=partition,
                first=found.answered + 1,
                last=found.start - 1,
            )

    def _whole_since(self, client: Any, partition: int, found: Standing) -> int:
        """Append time of the first record from which on nothing is missing; the mark's where
        nothing more is missing.
        """
        before = found.mark.whole_since if found.mark else 0
        first = found.certain_from()
        if first is None:
            return before
        return max(before, self._standings.appended_at(client, partition, first, found.source_high))

    def _begin(self, partition: int, found: Standing, since: int, *, is_lost: bool) -> Standing:
        """Tell the store that its rows are those of a state with less in it, before anything is
        scored from them.

        An owner that knows the state of before then neither reads nor overwrites them.
        """
        mark = found.mark
        if mark and mark.whole_since == since and mark.stored_src == found.base:
            return found
        if not is_lost and since == (mark.whole_since if mark else 0):
            return found
        begun = Mark(
            stored_src=found.base,
            output_offset=max(mark.output_offset if mark else 0, found.output_low - 1),
            identity=found.identity,
            whole_since=since,
        )
        replaces = mark.whole_since if mark else -1
        stored_src = self._store.checkpoint(
            partition, mark.stored_src if mark else -1, begun, [], replaces
        )
        after = self._store.mark(partition)
        if stored_src != found.base or after is None or after.rows_to > found.known_src:
            raise Retryable(
                what="the store holds another state meanwhile", where=f"partition {partition}"
            )
        return replace(found, mark=after)
