"""Makes the state of a partition again from what there is: a snapshot, recorded verdicts and source
records, through the fold of the lane's own work. Nothing is scored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from riskstream.domain.contracts.writers import when_known
from riskstream.platform.kafka.clients.client import consumer, raise_if_error
from riskstream.platform.kafka.clients.giants import end_of, is_giant
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

_ROWS_A_CHECKPOINT = 20_000
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
            if by_topics.whole_since and self._snapshots is not None:
                self._snapshots.restore(partition, by_topics.identity, by_topics.start)
            found = self._recovery("degrade").recover(partition)
        except Hold as hold:
            raise Fatal(
                what=hold.why,
                where=f"{self._source}[{partition}]",
                do="see docs/runbooks/redis-lost.md",
            ) from hold
        return self._replay(found, partition, work, progress)

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
        self, found: Recovered, partition: int, work: FoldWork[Any], progress: Callable[[int], None]
    ) -> Rebuilt:
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
        reader = consumer(self._route.kafka, f"{self._route.group}-rebuild")
        applied = written = since = 0
        quiet_s = 0.0
        try:
            reader.assign([TopicPartition(self._source, partition, found.start)])
            while owned.position < found.known_src:
                polled = self._read(reader, partition, found.known_src)
                quiet_s = 0.0 if len(polled) else quiet_s + 0.2
                if quiet_s > _QUIET_S:
                    raise Retryable(
                        what=f"no answer from {self._source} at {owned.position + 1}",
                        where=f"partition {partition}",
                    )
                batch = batch_of(polled, {partition: owned}, self._answers.replay_modes, _refuse)
                if batch is None:
                    continue
                prepared = when_known(partial(work.prepare, batch))
                work.apply(prepared, self._stored(prepared.rows))
                owned.position = int(batch.offsets[-1])
                applied += len(polled)
                since += len(polled)
                progress(len(polled))
                if since >= _ROWS_A_CHECKPOINT or owned.position >= found.known_src:
                    written += self._write(found, partition, owned.position, work)
                    since = 0
        finally:
            reader.close()
            work.drop(partition)
        return Rebuilt(
            applied=applied,
            rows=written,
            stored_src=max(owned.position, found.stored_src),
            whole_since=found.whole_since,
        )

    def _read(self, reader: Consumer, partition: int, known_src: int) -> Polled:
        """The records up to `known_src` that have arrived; a batch that is too large to read is
        passed over.
        """
        messages = reader.consume(2048, 0.2)
        for message in messages:
            error = message.error()
            if error is not None and is_giant(error):
                behind = end_of(self._route.kafka, self._source, partition, message.offset() or 0)
                reader.assign([TopicPartition(self._source, partition, behind)])
                continue
            raise_if_error(error, f"{self._source}[{partition}]")
        return Polled.of(
            [
                each
                for each in messages
                if each.error() is None and (each.offset() or 0) <= known_src
            ]
        )

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
