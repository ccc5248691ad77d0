"""The tracker's core: accepted scores in, alerts and customer states out. Pure."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Alert
from riskstream.domain.contracts.writers import SchemaWait, is_known
from riskstream.domain.risk.counted import Counted
from riskstream.domain.risk.customer_risk import CustomerState, check_place, check_sums
from riskstream.platform.kafka.accepted import AcceptedScores, ScoreBatch
from riskstream.platform.kafka.record import Output, Record
from riskstream.runtime.errors import Rejected
from riskstream.runtime.observer import Observer
from riskstream.tracker.owned import Owned

ALERTS, STATE = "alerts.v1", "customer-risk.v1"
_ALERTED = "alerted="
_SCHEMA_NOT_KNOWN = ("unknown_schema", "incompatible_schema")


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
        self._alerts, self._states = codec("alert.v1"), codec("customer-risk.v1")
        self._observer, self._skipped = observer, skipped
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
        `resume` first.

        A flush writes all changed states in one transaction, so the newest of them holds every
        score before its own. SchemaWait where the newest record of a key is of a schema that is not
        known: a version that knows it reads it.
        """
        owned, records = self._owned[partition], list(records)
        newest = {(record.topic, record.key): record.offset for record in records}
        for record in records:
            try:
                if record.topic == ALERTS:
                    owned.alerted = max(owned.alerted, decoded(self._alerts, record.value)["src"])
                    continue
                owned.is_new = False
                # erased: an older state that is not compacted away yet does not count
                if record.value is None:
                    owned.customers.pop((record.key or b"").decode(errors="replace"), None)
                else:
                    state = decoded(self._states, record.value)
                    check_place(state, record.key, partition)
                    owned.standing = owned.standing.later(state)
                    check_sums(state, self._base_currency)
                    owned.load(state)
            except Rejected as error:
                if error.reason not in _SCHEMA_NOT_KNOWN:
                    self._see_unreadable(owned, record, error)
                elif record.offset == newest[record.topic, record.key]:  # nothing took its place
                    raise _state_waits(record, error) from error
        self._count()

    def _see_unreadable(self, owned: Owned, record: Record, error: Rejected) -> None:
        """Its customer begins anew, and the windows that it may have held are said to lack scores.

        An older state of the customer would lack scores as well, and not say so.
        """
        self._observer.count("unreadable_states", topic=record.topic)
        self._observer.report(
            "a record that this service wrote cannot be read and is left out",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=str(error),
        )
        if record.topic == STATE:
            owned.customers.pop((record.key or b"").decode(errors="replace"), None)
            owned.may_lack(record.appended_at)

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
        self._leave_out(owned, batch)
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

    def _leave_out(self, owned: Owned, batch: ScoreBatch) -> None:
        """What cannot be read: where a person said that it may be left out, the states say what
        they lack.
        """
        for row in np.flatnonzero(~batch.is_score).tolist():
            record, fault = batch.records[row], batch.fault(row)
            if isinstance(fault, SchemaWait):
                fault.rows = [row]
                raise fault
            if (record.partition, record.offset) not in self._skipped:
                raise _held_at(record, fault, row) from fault
            self._observer.count("skipped")
            self._observer.report(
                "a score is left out, as --skip-scores says",
                partition=record.partition,
                offset=record.offset,
                why=str(fault),
            )
            owned.may_lack(record.appended_at)

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
                self._state_output(record.partition, state, ends_flush=False)
            )  # before a tile leaves its history
        state.add(score)
        owned.changed.add(score.customer_id)
        if score.decision != "APPROVE" and not is_alerted:
            self._observer.count("alerts", decision=score.decision.lower())
            value = self._alerts.encode(_alert_of(record, score, batch.columns.record(row)))
            key = score.customer_id.encode()
            out.append(
                Output(
                    topic=ALERTS,
                    partition=record.partition,
                    key=key,
                    value=value,
                    trace=record.trace,
                )
            )
        return out

    def flush(self, partition: int) -> list[Output]:
        """The states that changed since the last flush; the last one says that it is the last."""
        owned = self._owned[partition]
        changed = sorted(owned.changed)
        out = [
            self._state_output(
                partition, owned.customers[customer_id], ends_flush=customer_id == changed[-1]
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

    def _state_output(self, partition: int, state: CustomerState, *, ends_flush: bool) -> Output:
        record = state.record(partition, self._owned[partition].standing, ends_flush=ends_flush)
        return Output(
            topic=STATE,
            partition=partition,
            key=state.customer_id.encode(),
            value=self._states.encode(record),
        )


def _alert_of(record: Record, score: Counted, said: dict[str, Any]) -> Alert:
    """The alert of an accepted score that is not approved; `said` are all fields of the score."""
    assert score.score is not None
    return Alert(
        alert_id=f"transactions.v1-{record.partition}-{score.src}",
        kind="score",
        transaction_id=said["transaction_id"],
        customer_id=score.customer_id,
        score=score.score,
        decision=said["decision"],
        reasons=tuple(said["reasons"]),
        base_amount_minor=score.base_amount_minor,
        base_currency=score.base_currency,
        occurred_at=score.occurred_at,
        src_partition=record.partition,
        src=score.src,
        model_version=said["model_version"],
        raised_at=record.appended_at,
    )


def _state_waits(record: Record, error: Rejected) -> SchemaWait:
    """Hold the partition before a record of our own; over when its schema becomes known."""
    return SchemaWait(
        what=f"a record that this service wrote cannot be read ({error})",
        where=f"{record.topic} {record.partition}:{record.offset}",
        is_over=lambda: error.reason == "unknown_schema" and is_known(record.value),
    )


def _held_at(record: Record, error: Rejected, index: int) -> SchemaWait:
    """Hold at a score that cannot be read; over when its schema becomes known, never where its
    bytes are broken.
    """
    return SchemaWait(
        what=f"a score cannot be read ({error})",
        where=f"scores.v1 {record.partition}:{record.offset}",
        rows=[index],
        is_over=lambda: error.reason == "unknown_schema" and is_known(record.value),
    )
