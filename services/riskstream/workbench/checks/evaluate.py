"""Scores against labels: how well they rank, what an alert budget finds a day, and the money of
it. Each figure has the interval in which resamples of the customers hold it.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.decision import BLOCK, REVIEW
from riskstream.domain.risk.evaluation import (
    average_precision,
    calibration,
    card_precision,
    group_ends,
    roc_auc,
)
from riskstream.domain.risk.money import exact
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.steps import Advance
from riskstream.runtime.words import count_of
from riskstream.workbench.checks.intervals import (
    CARDS_A_DAY,
    FEW,
    RESAMPLES,
    Drawn,
    drawn_figures,
    with_intervals,
)
from riskstream.workbench.checks.scored import DECISIONS, Scored

ALERTS = (BLOCK, REVIEW)
"""Decisions that stop a transaction, the stronger one first."""
_OF_DECISION = ("precision", "saved_minor", "stopped_minor")


def evaluate(
    data: Scored, resamples: int = RESAMPLES, advance: Advance = lambda _: None
) -> dict[str, Any]:
    """Every figure by name, behind it `<name>_interval` [low, high]; money in minor units.

    `saved` is the amount of frauds that were alerted, `lost` of those that were not, `stopped` of
    genuine ones that were. None where a figure has no meaning; `notes` say why.
    """
    day = data.occurred_at // DAY_MS
    days, of_day = np.unique(day, return_inverse=True)
    of_decision = _alerts_of(data), len(ALERTS)
    drawn, parts = drawn_figures(data, [(of_day, len(days)), of_decision], resamples, advance)
    everything = np.ones(len(day), np.bool_)
    return {
        **with_intervals(point_figures(data), drawn, data, everything),
        "resamples": resamples,
        "calibration": [asdict(each) for each in calibration(data.label, data.score)[1]]
        if _are_probabilities(data.score)
        else [],
        "days": [
            _of_day(data, day == each, int(each), of) for each, of in zip(days, parts, strict=False)
        ],
        "by_decision": by_decision(data, parts[len(days) :]),
        "notes": notes(data),
        "left_out": dict(data.left_out),
    }


def point_figures(data: Scored) -> dict[str, Any]:
    """The figures of all rows, without intervals."""
    auc, precision = ranking_figures(data.label, data.score)
    by_amount = ranking_figures(data.label, data.amount_minor)[1]
    error, brier = None, None
    if _are_probabilities(data.score):
        error = calibration(data.label, data.score)[0]
        brier = float(np.mean((data.score - data.label) ** 2))
    return {
        "rows": len(data.label),
        "frauds": int(data.label.sum()),
        "customers": len(np.unique(data.customer)),
        "base_currency": data.base_currency,
        "auc": auc,
        "average_precision": precision,
        "average_precision_amount": by_amount,
        f"card_precision_{CARDS_A_DAY}": card_precision(
            data.label, data.score, data.customer, data.occurred_at // DAY_MS, CARDS_A_DAY
        ),
        "calibration_error": error,
        "brier": brier,
        **alert_figures(data, np.ones(len(data.label), np.bool_)),
    }


def _of_day(data: Scored, rows: NDArray[np.bool_], day: int, drawn: Drawn) -> dict[str, Any]:
    figures = {
        "day": datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d"),
        "rows": int(rows.sum()),
        "frauds": int(data.label[rows].sum()),
        **alert_figures(data, rows),
    }
    return with_intervals(figures, drawn, data, rows, is_part=True)


def _alerts_of(data: Scored) -> NDArray[np.int64]:
    """Of each row the place of its decision in ALERTS, -1 where that is none of them."""
    if data.decision is None:
        return np.full(len(data.label), -1, np.int64)
    return np.select([data.decision == each for each in ALERTS], range(len(ALERTS)), -1)


def by_decision(data: Scored, drawn: list[Drawn]) -> list[dict[str, Any]]:
    """Of each decision that stops a transaction: rows, frauds, precision, and who was stopped by
    mistake; [] where there are no decisions. `drawn`: figures of each, in the order of ALERTS.
    """
    if data.decision is None:
        return []
    out = []
    for decision, of in zip(ALERTS, drawn, strict=True):
        rows = data.decision == decision
        genuine = rows & ~data.label
        figures = {
            "decision": DECISIONS[decision],
            "rows": int(rows.sum()),
            "frauds": int((rows & data.label).sum()),
            "genuine": int(genuine.sum()),
            "genuine_customers": len(np.unique(data.customer[genuine])),
            **{name: alert_figures(data, rows)[name] for name in _OF_DECISION},
        }
        out.append(with_intervals(figures, of, data, rows, is_part=True))
    return out


def notes(data: Scored) -> list[str]:
    """What a reader of the figures has to know of these rows; a sentence each."""
    said, frauds = [], int(data.label.sum())
    if not frauds:
        said.append(
            "All labels are genuine. AUC, average precision, recall and the curves need frauds, so "
            "there are none."
        )
    elif frauds == len(data.label):
        said.append(
            "All labels are fraud. AUC, average precision and the curves need genuine rows, so "
            "there are none."
        )
    if (data.score == data.score[0]).all():
        said.append("All scores are equal: they rank nothing.")
    else:
        said += _worse_than_amounts(data)
    if not _are_probabilities(data.score):
        said.append(
            "Some scores are not between 0 and 1, so there is no calibration error and no Brier "
            "score."
        )
    if data.budget is not None and (alerts := int(data.alerted.sum())) > max(
        round(data.budget * len(data.label)), 1
    ):
        said.append(
            f"The scores at the edge of the budget are equal and stay together, so "
            f"{count_of(alerts, 'row')} count as alerts in place of "
            f"{max(round(data.budget * len(data.label)), 1):,}."
        )
    if len(np.unique(data.customer)) == 1:
        said.append("All rows belong to one customer, so there are no intervals.")
        return said
    holders = len(np.unique(data.customer[data.label]))
    if 0 < holders < FEW:
        said.append(
            f"The frauds belong to {count_of(holders, 'customer')}: with fewer than {FEW}, "
            "intervals are too narrow, but for those of precision and recall."
        )
    return said


def _worse_than_amounts(data: Scored) -> list[str]:
    """A note where the scores rank no better than the amounts do."""
    ours = ranking_figures(data.label, data.score)[1]
    theirs = ranking_figures(data.label, data.amount_minor)[1]
    if ours is None or theirs is None or ours > theirs:
        return []
    return [
        f"The scores are no better than sorting by amount: their average precision is {ours:.4f}, "
        f"and that of the amounts {theirs:.4f}."
    ]


def ranking_figures(
    label: NDArray[np.bool_], score: NDArray[np.number]
) -> tuple[float | None, float | None]:
    """(AUC, average precision); None where the labels are of one class."""
    if label.all() or not label.any():
        return None, None
    return roc_auc(label, score), average_precision(label, score)


def alert_figures(data: Scored, rows: NDArray[np.bool_]) -> dict[str, Any]:
    """How many alerts, what share of them are frauds, what share of frauds they are, and money."""
    alerts, frauds = data.alerted & rows, data.label & rows
    hits, amounts = int((alerts & frauds).sum()), exact(data.amount_minor)
    return {
        "alerts": int(alerts.sum()),
        "precision": hits / int(alerts.sum()) if alerts.any() else None,
        "recall": hits / int(frauds.sum()) if frauds.any() else None,
        "saved_minor": int(amounts[alerts & frauds].sum()),
        "lost_minor": int(amounts[frauds & ~alerts].sum()),
        "stopped_minor": int(amounts[alerts & ~frauds].sum()),
    }


def curves(data: Scored, points: int = 200) -> dict[str, list[tuple[float, float]]]:
    """Points of the precision-recall curve (recall, precision) and of the ROC curve (false, true
    positive rate); none where the labels are of one class.
    """
    if data.label.all() or not data.label.any():
        return {"precision_recall": [], "roc": []}
    order = np.argsort(-data.score, kind="stable")
    hits = np.cumsum(data.label[order])
    looked_at = group_ends(data.score[order])
    frauds = hits[-1]
    found = hits[looked_at - 1]
    recall, precision = found / frauds, found / looked_at
    false = (looked_at - found) / (len(order) - frauds)
    return {
        "precision_recall": _thinned(recall, precision, points),
        "roc": [(0.0, 0.0), *_thinned(false, recall, points)],
    }


def _are_probabilities(score: NDArray[np.float64]) -> bool:
    return bool((score >= 0).all() and (score <= 1).all())


def _thinned(
    x: NDArray[np.float64], y: NDArray[np.float64], points: int
) -> list[tuple[float, float]]:
    places = np.unique(np.searchsorted(x, np.linspace(x[0], x[-1], points)))
    return [(float(x[place]), float(y[place])) for place in places]
