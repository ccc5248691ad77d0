"""What rules would have done over a file of past transactions: by rule its alerts a day, precision
and money.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.rules.expression import Lists
from riskstream.domain.risk.rules.rule import Rule
from riskstream.runtime.durations import DAY_MS
from riskstream.workbench.checks.tried_rows import TriedRows

CHUNK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one rule, or of all together: rows it is true of, a day at most and in the mean, frauds
    among them, money. `labelled`: of the rows it is true of, those with a label.
    """

    name: str
    action: str
    rows: int
    matched: int
    days: int
    most_a_day: int
    frauds: int
    all_frauds: int
    fraud_minor: int
    genuine_minor: int
    labelled: int
    max_share: float

    @property
    def share(self) -> float:
        return self.matched / max(self.rows, 1)

    @property
    def is_refused(self) -> bool:
        """True where it would stop more than it may."""
        return self.share > self.max_share

    @property
    def blocks_no_fraud(self) -> bool:
        """True of a BLOCK rule that is true of labelled rows, none of which is a fraud."""
        return self.action == "BLOCK" and self.precision == 0

    @property
    def precision(self) -> float | None:
        return self.frauds / self.labelled if self.labelled else None

    @property
    def recall(self) -> float | None:
        return self.frauds / self.all_frauds if self.all_frauds else None


def dry_run(
    rules: list[Rule], rows: TriedRows, lists: Lists, progress: Any = lambda _: None
) -> list[Outcome]:
    """An outcome a rule, then one of all together (any is true; its action is the strongest)."""
    n = len(rows.occurred_at)
    matched = np.zeros((len(rules), n), np.bool_)
    for start in range(0, n, CHUNK):
        part = rows.at(start, start + CHUNK)
        for index, rule in enumerate(rules):
            matched[index, start : start + CHUNK] = rule.when.matches(part, lists)
        progress(len(part))
    out = [
        _outcome(rule.rule_id, rule.action, rule.max_share, matched[at], rows)
        for at, rule in enumerate(rules)
    ]
    return [*out, _outcome("all", "", 1.0, np.asarray(matched.any(axis=0)), rows)]


def _outcome(
    name: str, action: str, max_share: float, matched: NDArray[np.bool_], rows: TriedRows
) -> Outcome:
    labels = rows.labels if rows.labels is not None else np.zeros(len(matched), np.bool_)
    known = rows.has_label if rows.has_label is not None else np.zeros(len(matched), np.bool_)
    day = rows.occurred_at // DAY_MS
    counts = np.bincount(day[matched] - day[0]) if matched.any() else np.zeros(1, np.int64)
    return Outcome(
        name=name,
        action=action,
        rows=len(matched),
        matched=int(matched.sum()),
        days=int(day[-1] - day[0]) + 1,
        most_a_day=int(counts.max()),
        frauds=int((matched & labels).sum()),
        all_frauds=int(labels.sum()),
        fraud_minor=int(rows.amount_minor[matched & labels].sum()),
        genuine_minor=int(rows.amount_minor[matched & known & ~labels].sum()),
        labelled=int((matched & known).sum()),
        max_share=max_share,
    )
