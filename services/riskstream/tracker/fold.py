"""Folds accepted scores into customers' states, and makes what must be written of them at once.
Pure.
"""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.customers.table import CustomerTable, EarlyStates
from riskstream.platform.kafka.accepted import ScoreBatch
from riskstream.platform.kafka.record import Made, Output, OutputRows
from riskstream.runtime.observer import Observer
from riskstream.tracker.outputs import DECISIONS, Outputs, Standings

_APPROVE = DECISIONS.index("APPROVE")


class Fold:
    """Of every partition: it holds no state but room for early ones."""

    def __init__(self, observer: Observer, outputs: Outputs, base_currency: str) -> None:
        self._observer, self._outputs = observer, outputs
        self._base_currency = base_currency
        self._early = EarlyStates()

    def take(
        self,
        customers: CustomerTable,
        batch: ScoreBatch,
        rows: NDArray[np.int64],
        standings: Standings,
        is_alerted: NDArray[np.bool_],
    ) -> list[Made]:
        """Fold rows of one partition in; states that a tile is about to leave, then alerts but for
        those that were written before. `standings`: before each row.
        """
        at = np.flatnonzero(self._counts(batch, rows))
        if not len(at):
            return []
        early = self._states(customers, batch, rows[at], standings, at)
        return [*early, *self._alerts(batch, rows[at][~is_alerted[at]])]

    def _counts(self, batch: ScoreBatch, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of them states hold: good ones in the base currency. A scorer of before did not
        reject the others.
        """
        columns = batch.columns
        good = columns.symbols("verdict").index("GOOD")
        is_good: NDArray[np.bool_] = columns.numbers("verdict")[rows] == good
        is_base = columns.is_text("base_currency", self._base_currency.encode())[rows]
        if others := int((is_good & ~is_base).sum()):
            self._observer.count("other_currency", others)
        return is_good & is_base

    def _states(
        self,
        customers: CustomerTable,
        batch: ScoreBatch,
        rows: NDArray[np.int64],
        standings: Standings,
        places: NDArray[np.int64],
    ) -> list[OutputRows]:
        """Fold accepted scores that count in; the states that tiles are about to leave, in order.
        `places`: of each of them in `standings`.
        """
        early, partition = self._early, batch.records[0].partition
        out: list[OutputRows] = []
        starts, lengths = batch.columns.span("customer_id")
        slots = customers.slots_of(batch.columns.data, starts[rows], lengths[rows])

        def drain() -> None:
            used = int(early.used[0])
            at = early.rows[:used]
            keys = customers.joined_keys(early.slots[:used])
            states = early.states.of(slice(used))
            out.extend(self._outputs.states(partition, keys, states, standings.of(places[at])))
            early.clear()

        customers.apply(slots, batch.counts(rows), early, drain)
        if early.used[0]:
            drain()
        return out

    def _alerts(self, batch: ScoreBatch, rows: NDArray[np.int64]) -> list[Output]:
        """Alerts of accepted scores that count."""
        decisions = batch.columns.numbers("decision")[rows]
        is_alert = decisions != _APPROVE
        if not is_alert.any():
            return []
        for code in np.unique(decisions[is_alert]).tolist():
            many = int((decisions == code).sum())
            self._observer.count("alerts", many, decision=DECISIONS[code].lower())
        return [
            self._outputs.alert(batch.records[row], batch.columns, row)
            for row in rows[is_alert].tolist()
        ]
