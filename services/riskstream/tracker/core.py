"""The tracker's core: accepted scores in, alerts and customer states out. Pure."""

from collections.abc import Iterable

import numpy as np

from riskstream.domain.risk.counted import Counted
from riskstream.platform.kafka.accepted import AcceptedScores, ScoreBatch
from riskstream.platform.kafka.record import Output, Record
from riskstream.runtime.observer import Observer
from riskstream.tracker.outputs import ALERTS, STATE, Outputs
from riskstream.tracker.owned import Owned
from riskstream.tracker.restore import Restorer
from riskstream.tracker.unread import UnreadScores

_ALERTED = "alerted="


class TrackerCore:
    """The derived lane's work: states of the customers of owned partitions, in memory.

    `skipped`: (partition, offset) of scores that may be left out where they cannot be read; any
    other holds its partition.
    """

    def __init__(
        self,
        observer: Observer,
        skipped: frozenset[tuple[int, int]] = frozenset(),
        base_currency: str = "EUR",
    ) -> None:
        self._base_currency = base_currency
        self._outputs = Outputs()
        self._restorer = Restorer(observer, base_currency)
        self._observer = observer
        self._unread = UnreadScores(observer, skipped)
        self._owned: dict[int, Owned] = {}
        self._accepted = AcceptedScores()
        self._reader = self._accepted.rule

    @property
    def state_topics(self) -> tuple[str, ...]:
        return (STATE,)

    @property
    def tail_topics(self) -> tuple[str, ...]:
        """The newest alert says up to where alerts were written, whatever became of the group's
        offsets.
        """
        return (ALERTS,)

    def resume(self, partition: int, metadata: str | None) -> None:
        self._reader.resume(partition, metadata)
        found = [part for part in (metadata or "").split(";") if part.startswith(_ALERTED)]
        self._owned[partition] = Owned(
            alerted=int(found[0].removeprefix(_ALERTED)) if found else -1
        )

    def metadata(self, partition: int) -> str:
        """The last accepted score; and, until that is passed, up to where alerts had been written
        when offsets were lost.
        """
        alerted, text = self._owned[partition].alerted, self._reader.metadata(partition)
        return (
            f"{text};{_ALERTED}{alerted}"
            if alerted > self._reader.last.get(partition, -1)
            else text
        )

    def restore(self, partition: int, records: Iterable[Record]) -> None:
        """Load the partition's newest states and where they stand, and the newest alerts; call
        `resume` first. SchemaWait as `Restorer`.
        """
        self._restorer.restore(self._owned[partition], partition, list(records))
        self._count()

    def start(self, partition: int, flushed: int | None) -> int:
        """Where the states stand, or behind it where the last flush changed none; without states
        what is there.
        """
        owned = self._owned[partition]
        at, last = owned.standing.score_offset, self._reader.last.get(partition)
        # none was written yet, or the topic was emptied: made again from the scores that are left
        if owned.is_new:
            self._reader.last.pop(partition, None)
            return 0
        # the group's offset is lost, the states are not
        if flushed is None or last is None or at > flushed:
            self._reader.last[partition] = owned.standing.position
            return max(at, 0)
        self._reader.last[partition] = max(last, owned.standing.position)
        return flushed

    def take(self, partition: int, records: list[Record], committed: int) -> list[Output]:
        """Fold the accepted ones in; their alerts, and states that must be written before a tile
        leaves.

        SchemaWait where one cannot be read, now or ever, before any is folded in: the partition is
        held there.
        """
        owned, out = self._owned[partition], list[Output]()
        # what is over a bound: its alert would fit no topic
        batch = self._accepted.decode(records, wait_s=0)
        self._unread.leave_out(owned, batch)
        dropped, last = self._reader.dropped, self._reader.last.get(partition, -1)
        counted = dict(
            zip(
                np.flatnonzero(batch.is_score).tolist(),
                batch.counted(self._base_currency),
                strict=True,
            )
        )
        for row in self._accepted.rows(batch):
            record, score = records[row], counted[row]
            if score.prev != last:
                self._see_hole(owned, record, score, last)
            self._observer.count("scores")
            last = score.src
            if self._counts(score):
                out += self._apply(
                    owned,
                    batch,
                    row,
                    score,
                    is_alerted=record.offset < committed or last <= owned.alerted,
                )
            owned.stands_at(last, record.offset + 1)
        self._observer.count("dropped", self._reader.dropped - dropped)
        return out

    def _see_hole(self, owned: Owned, record: Record, score: Counted, last: int) -> None:
        """Scores are missing: they expired before they were read. The states go on, and say from
        when they are whole.
        """
        if score.prev > last:
            owned.may_lack(score.src_appended_at)
        self._observer.count("gaps")
        self._count()
        self._observer.report(
            "scores are missing before this one",
            partition=record.partition,
            src=score.src,
            prev=score.prev,
            last=last,
            whole_from=owned.standing.whole_from,
            **(record.trace.logged() if record.trace else {}),
        )

    def settle(self, partition: int, committed: int) -> list[Output]:  # noqa: ARG002  all is written by take and flush
        return []

    def _counts(self, score: Counted) -> bool:
        """Whether states hold it: a good one in the base currency. A scorer of before did not
        reject the others.
        """
        if score.is_good and score.base_currency != self._base_currency:
            self._observer.count("other_currency")
            return False
        return score.is_good

    def _apply(
        self, owned: Owned, batch: ScoreBatch, row: int, score: Counted, *, is_alerted: bool
    ) -> list[Output]:
        """Fold one accepted good score in; its alert, unless it was written before."""
        # the model gave no number, so it is reviewed: as sure as can be until then
        if score.score is None:
            score = score._replace(score=1.0)
        record = batch.records[row]
        state, out = owned.state(score.customer_id), list[Output]()
        if score.customer_id in owned.changed and state.evicts(score.occurred_at):
            out.append(
                self._outputs.state(record.partition, state, owned.standing, ends_flush=False)
            )  # before a tile leaves its history
        state.add(score)
        owned.changed.add(score.customer_id)
        if score.decision != "APPROVE" and not is_alerted:
            self._observer.count("alerts", decision=score.decision.lower())
            out.append(self._outputs.alert(record, score, batch.columns.record(row)))
        return out

    def flush(self, partition: int) -> list[Output]:
        """The states that changed since the last flush; the last one says that it is the last."""
        owned = self._owned[partition]
        changed = sorted(owned.changed)
        out = [
            self._outputs.state(
                partition,
                owned.customers[customer_id],
                owned.standing,
                ends_flush=customer_id == changed[-1],
            )
            for customer_id in changed
        ]
        owned.changed.clear()
        self._count()
        return out

    def drop(self, partition: int) -> None:
        self._owned.pop(partition, None)
        self._count()

    def _count(self) -> None:
        self._observer.show(
            "customers", sum(len(owned.customers) for owned in self._owned.values())
        )
        whole_from = max((owned.standing.whole_from for owned in self._owned.values()), default=0)
        self._observer.show("whole_from", whole_from / 1000)
