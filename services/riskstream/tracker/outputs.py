"""The records that the tracker writes: alerts, and states of customers. Pure."""

from typing import Any

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Alert
from riskstream.domain.risk.counted import Counted
from riskstream.domain.risk.customer_risk import CustomerState, Standing
from riskstream.platform.kafka.record import Output, Record

ALERTS, STATE = "alerts.v1", "customer-risk.v1"


class Outputs:
    """Encodes them."""

    def __init__(self) -> None:
        self._alerts, self._states = codec("alert.v1"), codec("customer-risk.v1")

    def alert(self, record: Record, score: Counted, said: dict[str, Any]) -> Output:
        """The alert of an accepted score that is not approved; `said` are all fields of the
        score.
        """
        return Output(
            topic=ALERTS,
            partition=record.partition,
            key=score.customer_id.encode(),
            value=self._alerts.encode(_alert_of(record, score, said)),
            trace=record.trace,
        )

    def state(
        self, partition: int, state: CustomerState, standing: Standing, *, ends_flush: bool
    ) -> Output:
        """A customer's state, as of where its partition stands."""
        return Output(
            topic=STATE,
            partition=partition,
            key=state.customer_id.encode(),
            value=self._states.encode(state.record(partition, standing, ends_flush=ends_flush)),
        )


def _alert_of(record: Record, score: Counted, said: dict[str, Any]) -> Alert:
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
