"""The records that the tracker writes: alerts, and states of customers. Pure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.columns import Columns, symbols_of
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.contracts.records import Alert
from riskstream.domain.risk.counted import NO_NUMBER
from riskstream.domain.risk.customer_risk import Standing
from riskstream.domain.risk.customers.table import States
from riskstream.domain.risk.decision import SCORE
from riskstream.platform.kafka.record import Output, OutputRows, Record

ALERTS, STATE = "alerts.v1", "customer-risk.v1"
DECISIONS = symbols_of(STATE, "last_decision")
"""In the order of their codes, which are those of scores as well."""
_AT_ONCE = 1024


class Standings(NamedTuple):
    """Where the partition stood when each of n states was as it is, int64[n]: `Standing`."""

    position: NDArray[np.int64]
    score_offset: NDArray[np.int64]
    whole_from: NDArray[np.int64]

    @classmethod
    def all_at(cls, standing: Standing, n: int) -> "Standings":
        return cls(
            np.full(n, standing.position),
            np.full(n, standing.score_offset),
            np.full(n, standing.whole_from),
        )

    def of(self, rows: NDArray[np.int64] | slice) -> "Standings":
        return Standings(*(each[rows] for each in self))


class Outputs:
    """Encodes them. All sums are in `base_currency`."""

    def __init__(self, base_currency: str) -> None:
        self._alerts = codec("alert.v1")
        self._states = ColumnEncoder(STATE, capacity=_AT_ONCE, from_input=("customer_id",))
        self._states.set_word("base_currency", slice(None), base_currency)

    def alert(self, record: Record, columns: Columns, row: int) -> Output:
        """The alert of an accepted score that is not approved: a row of decoded columns."""
        alert = _alert_of(record, columns, row)
        return Output(
            topic=ALERTS,
            partition=record.partition,
            key=alert.customer_id.encode(),
            value=self._alerts.encode(alert),
            trace=record.trace,
        )

    def states(
        self,
        partition: int,
        keys: Joined,
        states: States,
        standings: Standings,
        *,
        end_flush: bool = False,
    ) -> list[OutputRows]:
        """A record of each state, in their order; with `end_flush` the last one says that it is
        the last.
        """
        out: list[OutputRows] = []
        for first in range(0, len(keys), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            ends_here = end_flush and first + _AT_ONCE >= len(keys)
            mine = keys.rows(np.arange(first, min(first + _AT_ONCE, len(keys))))
            frames = self._encoded(
                partition, mine, states.of(rows), standings.of(rows), ends_flush=ends_here
            )
            out.append(OutputRows(topic=STATE, partition=partition, keys=mine, values=frames))
        return out

    def _encoded(
        self,
        partition: int,
        keys: Joined,
        states: States,
        standings: Standings,
        *,
        ends_flush: bool,
    ) -> Joined:
        n, encoder = len(keys), self._states
        numbers = {
            "src": states.srcs,
            "updated_at": states.updated_at,
            "last_decision": states.last_decisions,
            "last_occurred_at": states.last_occurred_at,
            "hourly_lacks_before": states.lacks_before[:, 0],
            "daily_lacks_before": states.lacks_before[:, 1],
            **standings._asdict(),
        }
        for name, values in numbers.items():
            encoder.numbers(name)[:n] = values
        encoder.numbers("src_partition")[:n] = partition
        encoder.numbers("ends_flush")[:n] = 0
        encoder.numbers("ends_flush")[n - 1] = ends_flush
        encoder.floats("last_score")[:n] = states.last_scores
        starts, lengths = encoder.spans("customer_id")
        lengths[:n] = keys.sizes
        starts[:n] = keys.ends - keys.sizes
        for history, name in enumerate(("hourly", "daily")):
            starts, lengths = encoder.spans(name)
            starts[:n], lengths[:n] = states.firsts[:, history], states.sizes[:, history]
        return encoder.encode(n, keys.data, states.tiles)


def _alert_of(record: Record, columns: Columns, row: int) -> Alert:
    src, score = columns.value("src", row), columns.value("score", row)
    return Alert(
        alert_id=f"transactions.v1-{record.partition}-{src}",
        kind=SCORE,
        transaction_id=columns.value("transaction_id", row),
        customer_id=columns.text("customer_id", row),
        score=NO_NUMBER if score is None else score,
        decision=columns.value("decision", row),
        reasons=tuple(columns.value("reasons", row)),
        base_amount_minor=int(columns.numbers("base_amount_minor")[row]),
        base_currency=columns.text("base_currency", row),
        occurred_at=int(columns.numbers("occurred_at")[row]),
        src_partition=record.partition,
        src=src,
        model_version=columns.value("model_version", row),
        raised_at=record.appended_at,
    )
