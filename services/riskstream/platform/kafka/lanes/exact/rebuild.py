"""Makes the state of a partition again from what there is: a snapshot, recorded verdicts and source
records, through the fold of the lane's own work. Nothing is scored.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import TopicPartition

from riskstream.domain.contracts.writers import when_known
from riskstream.platform.kafka.clients.client import consumer, raise_if_error
from riskstream.platform.kafka.clients.giants import end_of, is_giant
from riskstream.platform.kafka.clients.native.choice import take_of
from riskstream.platform.kafka.clients.polled import Polled
from riskstream.platform.kafka.lanes.exact.intake import batch_of
from riskstream.platform.kafka.lanes.exact.owned import Owned, Phase, Recovered
from riskstream.platform.kafka.lanes.exact.recovery import Hold, Recovery
from riskstream.platform.kafka.lanes.exact.settings import Route
from riskstream.platform.kafka.lanes.ports import (
    AnswerReader,
    FoldWork,
    Mark,
    OnStateLost,
    ReadResult,
    RebuiltStore,
    Snapshots,
)
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.machine import monotonic

_ROWS_A_CHECKPOINT = 20_000
_AT_ONCE = 4096
"""Records that are applied together, at most."""
_QUIET_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What became of a partition: records applied, rows written, up to which source offset its rows
    are, and `whole_since` as in its mark. `kept`: its state in the store knows more than could be
    made, and was left.
    """

    applied: int
    rows: int
    stored_src: int
    whole_since: int
    kept: bool = False


class Rebuild:
    """Makes partitions of one lane again. Give the fold of the lane's own work, new for each
    partition.
    """

    def __init__(
        self,
        route: Route,
        answers: AnswerReader,
        store: RebuiltStore,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._route, self._source = route, route.source
        self._answers, self._store, self._snapshots = answers, store, snapshots

    def partition(
        self,
        partition: int,
        work: FoldWork[Any],
        progress: Callable[[int], None] = lambda _: None,
        *,
        discard: bool = False,
    ) -> Rebuilt:
        """The store's partition is emptied first, and written as the replay goes on.

        Ended half-way it leaves a state that is right up to its watermark; a scorer goes on from
        there. Where the topics do not reach back to the partition's beginning, a state in the store
        that knows as much is kept, but for `discard`; else the newest snapshot is loaded, and what
        the topics still hold is applied. Fatal where the topics end before what was answered.
        """
        try:
            by_topics = self._recovery("hold").recover(partition, from_start=True)
            live = self._live(partition) if by_topics.whole_since and not discard else None
            if live is not None and live.whole_since <= by_topics.whole_since:
                return Rebuilt(
                    applied=0,
                    rows=0,
                    stored_src=live.stored_src,
                    whole_since=live.whole_since,
                    kept=True,
                )
            self._store.clear(partition)
            loaded = None
            if by_topics.whole_since and self._snapshots is not None:
                loaded = self._snapshots.restore(partition, by_topics.identity, by_topics.start)
            # of whole topics and an empty store everything is known by now
            is_known = not (by_topics.whole_since or by_topics.start or by_topics.judged_to >= 0)
            found = by_topics if is_known else self._recovery("degrade").recover(partition)
        except Hold as hold:
            raise Fatal(
                what=hold.why,
                where=f"{self._source}[{partition}]",
                do="see docs/runbooks/redis-lost.md",
            ) from hold
        stored = ReadResult.empty if loaded is None else self._stored
        return self._replay(found, partition, work, stored, progress)

    def _recovery(self, on_state_lost: OnStateLost) -> Recovery:
        return Recovery(self._route, self._answers, self._store, on_state_lost)

    def _live(self, partition: int) -> Recovered | None:
        """The store's own state, where the topics join up with it."""
        try:
            found = self._recovery("hold").recover(partition)
        except Hold:
            return None
        return found if found.highest_stored_src >= 0 else None

    def _replay(
        self,
        found: Recovered,
        partition: int,
        work: FoldWork[Any],
        stored: Callable[[dict[int, list[bytes]]], ReadResult],
        progress: Callable[[int], None],
    ) -> Rebuilt:
        """Apply what was answered, and write it. `stored`: the store's rows of some keys."""
        owned = Owned(
            partition=partition,
            number=1,
            phase=Phase.RUNNING,
            position=found.position,
            known_src=found.known_src,
            recorded=found.recorded,
            judged_to=found.judged_to,
            partition_count=found.partition_count,
            identity=found.identity,
        )
        applied = written = since = 0
        try:
            with closing(self._read(found, partition)) as parts:
                for polled in parts:
                    batch = batch_of(
                        polled, {partition: owned}, self._answers.replay_modes, _refuse
                    )
                    if batch is None:
                        continue
                    prepared = when_known(partial(work.prepare, batch))
                    work.apply(prepared, stored(prepared.rows))
                    owned.position = int(batch.offsets[-1])
                    applied += len(polled)
                    since += len(polled)
                    progress(len(polled))
                    if since >= _ROWS_A_CHECKPOINT or owned.position >= found.known_src:
                        written += self._write(found, partition, owned.position, work)
                        since = 0
                    if owned.position >= found.known_src:
                        break
        finally:
            work.drop(partition)
        return Rebuilt(
            applied=applied,
            rows=written,
            stored_src=max(owned.position, found.stored_src),
            whole_since=found.whole_since,
        )

    def _read(self, found: Recovered, partition: int) -> Generator[Polled, None, None]:
        """The records up to `known_src`, as they come; a batch that is too large to read is passed
        over. It ends only where there is nothing to read.
        """
        if found.position >= found.known_src:
            return
        client = consumer(self._route.kafka, f"{self._route.group}-rebuild")
        take = take_of(client, self._route.client, is_told=False)

        def go_on_at(offset: int) -> None:
            place = [TopicPartition(self._source, partition, offset)]
            take.own(place)
            client.assign(place)

        try:
            go_on_at(found.start)
            heard_at, last = monotonic(), found.position
            while True:
                if monotonic() - heard_at > _QUIET_S:
                    raise Retryable(
                        what=f"no answer from {self._source} at {last + 1}",
                        where=f"partition {partition}",
                    )
                if not take.wait(0.2):
                    continue
                polled, told = take.polled(_AT_ONCE)
                is_asked = polled.offsets <= found.known_src
                polled = polled if is_asked.all() else polled.kept(is_asked)
                if len(polled):
                    yield polled
                    heard_at, last = monotonic(), int(polled.offsets[-1])
                for _, offset, error in told:
                    if is_giant(error):
                        go_on_at(end_of(self._route.kafka, self._source, partition, offset))
                    else:
                        raise_if_error(error, f"{self._source}[{partition}]")
        finally:
            take.close()
            client.close()

    def _write(self, found: Recovered, partition: int, src: int, work: FoldWork[Any]) -> int:
        """Write the rows as of source offset `src`; how many they were."""
        rows = work.take_changed(partition)
        recorded = found.recorded.get(src)
        output_offset = recorded.output_offset if recorded else found.output_offset
        mark = Mark(
            stored_src=src,
            output_offset=output_offset,
            identity=found.identity,
            whole_since=found.whole_since,
        )
        if self._store.checkpoint(partition, found.highest_stored_src, mark, rows) != src:
            raise Fatal(
                what="another process writes this partition's state",
                where=f"{self._source}[{partition}]",
                do="stop the scorers",
            )
        return len(rows)

    def _stored(self, keys: dict[int, list[bytes]]) -> ReadResult:
        """Rows of a snapshot that was loaded; none where the store was emptied."""
        read = self._store.read(keys) if keys else {}
        rows = {partition: found for partition, (_, found) in read.items()}
        return ReadResult(rows=rows, unreadable=frozenset(), abandoned=frozenset())


def _refuse(owned: Owned, why: str) -> None:
    raise Fatal(
        what=why, where=f"partition {owned.partition}", do="see docs/runbooks/redis-lost.md"
    )
