"""Risk state of one customer: tiles of an hour and of a day of event time, the newest 48 and 35
that are not empty. `customers/` holds the states of many.
"""

from dataclasses import dataclass
from typing import Any

from riskstream.domain.risk.validity import MAX_AHEAD_MS
from riskstream.runtime.durations import HOUR_MS
from riskstream.runtime.errors import Rejected

HOURLY_KEPT, DAILY_KEPT = 48, 35


def check_place(state: dict[str, Any], key: bytes | None, partition: int) -> None:
    """Rejected where a record of customer-risk.v1 stands under another key or in another partition
    than its own.
    """
    if state["customer_id"].encode() != key or state["src_partition"] != partition:
        raise Rejected(reason="key_differs", detail="it belongs to another customer or partition")


def check_sums(state: dict[str, Any], base_currency: str) -> None:
    """Rejected where a state's sums are not in the base currency: scorers of before let others
    pass, and they were added up.
    """
    if state["base_currency"] != base_currency:
        raise Rejected(
            reason="other_base_currency",
            detail=f"its sums are in {state['base_currency']} or several currencies",
        )


def whole_after(appended_at_ms: int) -> int:
    """Start of the first hour that no transaction appended up to that instant can fall into, ms."""
    return ((appended_at_ms + MAX_AHEAD_MS) // HOUR_MS + 1) * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a partition's states stand: the last accepted score's source offset, the offset of
    scores.v1 behind it.

    -1: not known. Windows that begin before `whole_from` may lack scores.
    """

    position: int = -1
    score_offset: int = -1
    whole_from: int = 0

    def later(self, record: dict[str, Any]) -> "Standing":
        """With what a record of customer-risk.v1 says."""
        return Standing(
            position=max(self.position, record["position"], record["src"]),
            score_offset=max(self.score_offset, record["score_offset"]),
            whole_from=max(self.whole_from, record["whole_from"]),
        )
