"""The tracker's core: accepted scores in, alerts and customer states out. Pure."""

from collections.abc import Iterable
from typing import Any

import structlog

from riskstream.contracts.codec import codec
from riskstream.contracts.writers import SchemaWait, find
from riskstream.kafka.ports import Output, Record
from riskstream.kafka.positions import AcceptedReader
from riskstream.risk.windows import CustomerState
from riskstream.runtime.errors import Rejected
from riskstream.telemetry.metrics import TrackerMetrics

log = structlog.get_logger("tracker")
ALERTS, STATE = "alerts.v1", "customer-risk.v1"


class TrackerCore:
    """The derived lane's work: states of the customers of owned partitions, in memory."""

    def __init__(self, metrics: TrackerMetrics) -> None:
        self._scores, self._alerts, self._states = codec("score.v1"), codec("alert.v1"), codec("customer-risk.v1")
        self._metrics = metrics
        self._customers: dict[int, dict[str, CustomerState]] = {}
        self._changed: dict[int, set[str]] = {}
        self._stands_at: dict[int, int] = {}
        """By partition the source offset up to which its states, as they were restored, hold every score."""
        self._reader = AcceptedReader()

    @property
    def state_topics(self) -> tuple[str, ...]:
        return (STATE,)

    def resume(self, partition: int, metadata: str | None) -> None:
        self._reader.resume(partition, metadata)

    def metadata(self, partition: int) -> str:
        return self._reader.metadata(partition)

    def restore(self, partition: int, records: Iterable[Record]) -> None:
        """Load the partition's newest states, and how far they reach.

        A flush writes all changed states in one transaction, so the newest of them holds every score before its own.
        """
        customers = self._customers.setdefault(partition, {})
        self._changed[partition] = set()
        self._stands_at[partition] = -1
        for record in records:
            if record.value is None:  # erased: an older state that is not compacted away yet does not count
                customers.pop((record.key or b"").decode(errors="replace"), None)
            else:
                state = CustomerState.of(self._states.decode(record.value))
                customers[state.customer_id] = state
                self._stands_at[partition] = max(self._stands_at[partition], state.src)
        self._count()

    def take(self, partition: int, records: list[Record], committed: int) -> list[Output]:
        """Fold the accepted ones in; their alerts, and states that must be written before a tile leaves."""
        out: list[Output] = []
        for record, score in zip(records, self._decoded(records), strict=True):
            if int(score["src"]) <= self._stands_at[partition]:  # the group's offset is lost, the states are not
                self._metrics.dropped.inc()
                continue
            gaps = self._reader.gaps
            if not self._reader.accept(partition, int(score["src"]), int(score["prev"])):
                self._metrics.dropped.inc()
                continue
            if self._reader.gaps > gaps:
                self._metrics.gaps.inc()
                seen = record.trace.logged() if record.trace else {}
                log.error("hole in the series", partition=partition, src=score["src"], prev=score["prev"], **seen)
            self._metrics.scores.inc()
            out += self._apply(record, score, is_replay=record.offset < committed)
        return out

    def _decoded(self, records: list[Record]) -> list[dict[str, Any]]:
        """All of them, before any is folded in; SchemaWait where one cannot be read, now or ever: a score is never left out."""
        out = []
        for index, record in enumerate(records):
            try:
                out.append(self._scores.decode(record.value))
            except SchemaWait as wait:
                wait.rows = [index]
                raise
            except Rejected as error:
                raise _never_left_out(record, error, index) from error
        return out

    def settle(self, partition: int, committed: int) -> list[Output]:  # noqa: ARG002  all is written by take and flush
        return []

    def _apply(self, record: Record, score: dict[str, Any], *, is_replay: bool) -> list[Output]:
        """Fold one accepted score in; its alert, unless it was written before."""
        if score["verdict"] != "GOOD":
            return []
        if score["score"] is None:  # the model gave no number, so it is reviewed: as sure as can be until then
            score = {**score, "score": 1.0}
        partition = record.partition
        customers, changed = self._customers[partition], self._changed[partition]
        customer_id = score["customer_id"]
        state = customers.get(customer_id)
        if state is None:
            state = customers[customer_id] = CustomerState(customer_id=customer_id)
        out = []
        if customer_id in changed and state.evicts(score["occurred_at"]):
            out.append(self._state_output(partition, state))  # written before a tile leaves its history
        state.add(score, record.appended_at)
        changed.add(customer_id)
        if score["decision"] != "APPROVE" and not is_replay:
            self._metrics.alerts.labels(decision=score["decision"].lower()).inc()
            out.append(self._alert_output(record, score))
        return out

    def flush(self, partition: int) -> list[Output]:
        """The states that changed since the last flush."""
        changed, customers = self._changed[partition], self._customers[partition]
        out = [self._state_output(partition, customers[customer_id]) for customer_id in sorted(changed)]
        changed.clear()
        self._count()
        return out

    def drop(self, partition: int) -> None:
        self._customers.pop(partition, None)
        self._changed.pop(partition, None)
        self._stands_at.pop(partition, None)
        self._count()

    def _count(self) -> None:
        self._metrics.customers.set(sum(map(len, self._customers.values())))

    def _state_output(self, partition: int, state: CustomerState) -> Output:
        value = self._states.encode(state.record(partition))
        return Output(topic=STATE, partition=partition, key=state.customer_id.encode(), value=value)

    def _alert_output(self, record: Record, score: dict[str, Any]) -> Output:
        alert = {
            "alert_id": f"transactions.v1-{record.partition}-{score['src']}",
            "kind": "score",
            "transaction_id": score["transaction_id"],
            "customer_id": score["customer_id"],
            "score": score["score"],
            "decision": score["decision"],
            "reasons": score["reasons"],
            "base_amount_minor": score["base_amount_minor"],
            "base_currency": score["base_currency"],
            "occurred_at": score["occurred_at"],
            "src_partition": record.partition,
            "src": score["src"],
            "model_version": score["model_version"],
            "raised_at": record.appended_at,
        }
        key = score["customer_id"].encode()
        return Output(
            topic=ALERTS, partition=record.partition, key=key, value=self._alerts.encode(alert), trace=record.trace
        )


def _never_left_out(record: Record, error: Rejected, index: int) -> SchemaWait:
    """Hold at a score that cannot be read; over when its schema becomes known, never where its bytes are broken."""
    known = int.from_bytes((record.value or b"")[1:5], "big") if error.reason == "unknown_schema" else None
    return SchemaWait(
        what=f"a score cannot be read ({error})",
        where=f"scores.v1 {record.partition}:{record.offset}",
        rows=[index],
        is_over=lambda: known is not None and isinstance(find(known), dict),
    )
