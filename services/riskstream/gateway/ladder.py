"""The ladder: what a caller is told where no score comes in time. Rules that a transaction alone
can answer, and a limit of the amount above which nothing is approved.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk.decision import APPROVE, BLOCK, REVIEW
from riskstream.domain.risk.rules.book import RuleBook
from riskstream.domain.risk.rules.field_rows import FieldRows

Rung = Literal["RULES", "AMOUNT"]
"""What a decision without a score rests on: rules and the amount, or the amount alone, where the
rules are not known.
"""
WORDS: dict[int, Literal["APPROVE", "REVIEW", "BLOCK"]] = {
    APPROVE: "APPROVE",
    REVIEW: "REVIEW",
    BLOCK: "BLOCK",
}
OVER_LIMIT = "AMOUNT_OVER_LIMIT"
MAX_REASONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A decision without a score. `rules`: ids of those that are true of the transaction;
    `reasons`: theirs, and `OVER_LIMIT`.
    """

    rung: Rung
    decision: Literal["APPROVE", "REVIEW", "BLOCK"]
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    rules_version: str | None = None


class Ladder:
    """Decides without a score. A rule costs about as much for one transaction as for a hundred.

    `approve_up_to`: the largest amount that is approved, in minor units of the base currency.
    """

    def __init__(self, approve_up_to: int) -> None:
        self._approve_up_to = approve_up_to
        self._decoder = ColumnDecoder("transaction.v1")
        self.next_book: RuleBook | None = None
        """Set from any thread; None until the rules are known."""

    def decide(self, frames: list[bytes], amounts: list[int]) -> list[Step]:
        """The decisions on some transactions; `amounts` in minor units of the base currency."""
        book, n = self.next_book, len(frames)
        is_over = np.array(amounts) > self._approve_up_to
        decisions = np.where(is_over, REVIEW, APPROVE)
        reasons: list[list[str]] = [[] for _ in range(n)]
        named: list[list[str]] = [[] for _ in range(n)]
        if book is not None and book.rules:
            rows = FieldRows(columns=self._decoder.decode(frames), rows=np.arange(n))
            for rule in book.rules:
                at = np.flatnonzero(rule.when.matches(rows, book.lists))
                decisions[at] = np.maximum(
                    decisions[at], BLOCK if rule.action == "BLOCK" else REVIEW
                )
                for row in at.tolist():
                    named[row].append(rule.rule_id)
                    if rule.reason not in reasons[row]:
                        reasons[row].append(rule.reason)
        for row in np.flatnonzero(is_over).tolist():
            reasons[row].insert(0, OVER_LIMIT)
        return [
            Step(
                rung="AMOUNT" if book is None else "RULES",
                decision=WORDS[decision],
                reasons=tuple(reasons[row][:MAX_REASONS]),
                rules=tuple(named[row]),
                rules_version=(book.version or None) if book is not None else None,
            )
            for row, decision in enumerate(decisions.tolist())
        ]
