"""What customers' states must be: the sums of accepted scores, tile by tile, with no state but
lists.
"""

from dataclasses import dataclass, field
from typing import Any

from riskstream.domain.contracts.records import Score
from riskstream.platform.kafka.accepted import AcceptedScore

HOUR, DAY = 3_600_000, 86_400_000
TILES = (("hourly", HOUR, 48), ("daily", DAY, 35))
"""Name, width and how many of the newest that are not empty are kept."""
_EMPTY = {
    "transactions": 0,
    "amount_minor": 0,
    "alerts": 0,
    "blocked": 0,
    "alert_amount_minor": 0,
    "loss_minor": 0,
    "refunds": 0,
    "refund_amount_minor": 0,
    "corrected": 0,
    "corrected_amount_minor": 0,
}


@dataclass(slots=True)
class Customer:
    """The accepted good scores of one customer, in order, each with its record."""

    customer_id: str
    scores: list[AcceptedScore] = field(default_factory=list)

    def record(self, partition: int) -> dict[str, Any]:
        """As customer-risk.v1 says it, written nowhere and of whole scores."""
        record, last = self.scores[-1]
        out = {
            "customer_id": self.customer_id,
            "src_partition": partition,
            "src": last.src,
            "updated_at": record.appended_at,
            "last_score": last.score,
            "last_decision": last.decision,
            "last_occurred_at": max(score.occurred_at or 0 for _, score in self.scores),
            "base_currency": last.base_currency,
            "position": -1,
            "score_offset": -1,
            "whole_from": 0,
            "ends_flush": True,
        }
        for name, width, kept in TILES:
            out[name], out[f"{name}_lacks_before"] = self._tiles(width, kept)
        return out

    def _tiles(self, width: int, kept: int) -> tuple[list[dict[str, int]], int]:
        """The newest tiles, and the end of the newest of those that something came for once they
        had left.
        """
        sums: dict[int, dict[str, int]] = {}
        lacks_before = 0
        for _, score in self.scores:
            for at, added in _changes(score):
                start = at // width * width
                tile = sums.setdefault(start, dict(_EMPTY))
                for name, amount in added.items():
                    tile[name] += amount
                if start not in sorted(sums)[-kept:]:
                    lacks_before = max(lacks_before, start + width)
        return [{"start_at": start, **sums[start]} for start in sorted(sums)[-kept:]], lacks_before


def _changes(score: Score) -> list[tuple[int, dict[str, int]]]:
    """What a score adds to the tile of an instant: its own, and that of the record that leaves with
    it.
    """
    assert score.occurred_at is not None, "it is a good one"
    assert score.base_amount_minor is not None
    own = _counted(score.kind == "REFUND", score.base_amount_minor)
    own["alerts"], own["blocked"] = int(score.decision != "APPROVE"), int(score.decision == "BLOCK")
    own["alert_amount_minor"] = own.get("amount_minor", 0) * own["alerts"]
    out = [(score.occurred_at, own)]
    if score.corrected_at is not None:
        amount = score.corrected_amount_minor or 0
        gone = {name: -value for name, value in _counted(score.corrected_is_refund, amount).items()}
        out.append((score.corrected_at, {**gone, "corrected": 1, "corrected_amount_minor": amount}))
    return out


def _counted(is_refund: bool, amount: int) -> dict[str, int]:
    if is_refund:
        return {"refunds": 1, "refund_amount_minor": amount}
    return {"transactions": 1, "amount_minor": amount}
