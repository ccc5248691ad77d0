"""What customer-risk.v1 must hold of one customer, score by score in plain Python: the oracle of
the tracker's states in arrays.
"""

from dataclasses import dataclass, field
from typing import Any

from riskstream.domain.risk.customer_risk import DAILY_KEPT, HOURLY_KEPT, Standing
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from tests.support.counted import Counted

NOWHERE = Standing()
FIELDS = (
    "transactions",
    "amount_minor",
    "alerts",
    "blocked",
    "alert_amount_minor",
    "loss_minor",
    "refunds",
    "refund_amount_minor",
    "corrected",
    "corrected_amount_minor",
)


@dataclass(slots=True)
class History:
    """Tiles of one width by start, each a list of int sums in the order of FIELDS; at most `kept`,
    oldest go first.

    `lacks_before`: windows that begin before it lack something that came after their tile had left,
    or that they never held.
    """

    width_ms: int
    kept: int
    tiles: dict[int, list[int]] = field(default_factory=dict)
    lacks_before: int = 0

    def evicts(self, at_ms: int) -> bool:
        """True where an event at that time would push a tile out."""
        return len(self.tiles) >= self.kept and at_ms - at_ms % self.width_ms not in self.tiles

    def add(self, at_ms: int, amounts: tuple[int, ...]) -> None:
        """Add one event's sums; an event older than all kept tiles of a full history is left
        out.
        """
        start = at_ms - at_ms % self.width_ms
        tile = self.tiles.get(start)
        if tile is None:
            if len(self.tiles) >= self.kept:
                oldest = min(self.tiles)
                if start < oldest:
                    self._lacks(start)
                    return
                del self.tiles[oldest]
            tile = self.tiles[start] = [0] * len(FIELDS)
        for index, amount in enumerate(amounts):
            tile[index] += amount

    def take_out(self, at_ms: int, amounts: tuple[int, ...]) -> None:
        """Add what a correction takes out: negative sums, and positive counts of what left. It
        never makes a tile.

        A tile that is not there, or would fall below zero, does not hold what leaves: it has left,
        or its scores were lost.
        """
        start = at_ms - at_ms % self.width_ms
        tile = self.tiles.get(start)
        if tile is None:
            self._lacks(start)
            return
        for index, amount in enumerate(amounts):
            if tile[index] + amount < 0:
                self._lacks(start)
            tile[index] = max(tile[index] + amount, 0)

    def _lacks(self, start: int) -> None:
        self.lacks_before = max(self.lacks_before, start + self.width_ms)

    def records(self) -> list[dict[str, int]]:
        """The tiles as the contract's records, oldest first."""
        return [
            {"start_at": start, **dict(zip(FIELDS, self.tiles[start], strict=True))}
            for start in sorted(self.tiles)
        ]

    def load(self, records: list[dict[str, Any]]) -> None:
        self.tiles = {record["start_at"]: [record[name] for name in FIELDS] for record in records}


@dataclass(slots=True)
class CustomerState:
    """What customer-risk.v1 holds of one customer, as values to be changed."""

    customer_id: str
    src: int = -1
    updated_at: int = 0
    last_score: float = 0.0
    last_decision: str = "UNKNOWN"
    last_occurred_at: int = 0
    base_currency: str = "EUR"
    hourly: History = field(default_factory=lambda: History(HOUR_MS, HOURLY_KEPT))
    daily: History = field(default_factory=lambda: History(DAY_MS, DAILY_KEPT))

    def evicts(self, at_ms: int) -> bool:
        return self.hourly.evicts(at_ms) or self.daily.evicts(at_ms)

    def add(self, score: Counted) -> None:
        """Fold in one accepted, good score, and take out the record that leaves with it, where one
        does.

        A refund is no spending: it has sums of its own. Alerts stay: they were raised, whatever was
        corrected after them.
        """
        is_alert, is_refund = score.decision != "APPROVE", score.is_refund
        spent, refunded = (
            (0, score.base_amount_minor) if is_refund else (score.base_amount_minor, 0)
        )
        sums = (
            int(not is_refund),
            spent,
            int(is_alert),
            int(score.decision == "BLOCK"),
            spent if is_alert else 0,
            0,
            int(is_refund),
            refunded,
            0,
            0,
        )
        for history in (self.hourly, self.daily):
            history.add(score.occurred_at, sums)
            if score.corrected_at is not None:
                history.take_out(score.corrected_at, _taken_out(score))
        assert score.score is not None, "whoever counts a score without a number gives it one"
        self.src, self.updated_at = score.src, score.appended_at
        self.last_score, self.last_decision = score.score, score.decision
        self.last_occurred_at = max(self.last_occurred_at, score.occurred_at)
        self.base_currency = score.base_currency

    def record(
        self, partition: int, standing: Standing = NOWHERE, *, ends_flush: bool = True
    ) -> dict[str, Any]:
        """As a record of customer-risk.v1, written where the partition's states stand."""
        return {
            "customer_id": self.customer_id,
            "src_partition": partition,
            "src": self.src,
            "updated_at": self.updated_at,
            "last_score": self.last_score,
            "last_decision": self.last_decision,
            "last_occurred_at": self.last_occurred_at,
            "base_currency": self.base_currency,
            "hourly": self.hourly.records(),
            "daily": self.daily.records(),
            "position": standing.position,
            "score_offset": standing.score_offset,
            "whole_from": standing.whole_from,
            "ends_flush": ends_flush,
            "hourly_lacks_before": self.hourly.lacks_before,
            "daily_lacks_before": self.daily.lacks_before,
        }

    @classmethod
    def of(cls, record: dict[str, Any]) -> "CustomerState":
        """From a record of customer-risk.v1."""
        state = cls(
            customer_id=record["customer_id"],
            src=record["src"],
            updated_at=record["updated_at"],
            last_score=record["last_score"],
            last_decision=record["last_decision"],
            last_occurred_at=record["last_occurred_at"],
            base_currency=record["base_currency"],
        )
        state.hourly.load(record["hourly"])
        state.daily.load(record["daily"])
        state.hourly.lacks_before = record["hourly_lacks_before"]
        state.daily.lacks_before = record["daily_lacks_before"]
        return state


def _taken_out(score: Counted) -> tuple[int, ...]:
    """What the record that leaves with a score is in the sums of its window, in the order of
    FIELDS.
    """
    amount = score.corrected_amount_minor
    if score.corrected_is_refund:
        return (0, 0, 0, 0, 0, 0, -1, -amount, 1, amount)
    return (-1, -amount, 0, 0, 0, 0, 0, 0, 1, amount)
