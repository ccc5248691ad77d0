"""Scores against labels: how well they rank, what an alert budget finds a day, and the money of
it. Each figure has the interval in which resamples of the customers hold it.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from riskstream.workbench.checks.scored import Scored


def evaluate(
    data: Scored, resamples: int = RESAMPLES, advance: Advance = lambda _: None
) -> dict[str, Any]:
    """Every figure by name, behind it `<name>_interval` [low, high]; money in minor units.

    `saved` is the amount of frauds that were alerted, `lost` of those that were not, `stopped` of
    genuine ones that were. None where a figure has no meaning; `notes` say why.
    """
    day = data.occurred_at // DAY_MS
    days, of_day = np.unique(day, return_inverse=True)
    drawn, drawn_days = drawn_figures(data, (of_day, len(days)), resamples, advance)
    everything = np.ones(len(day), np.bool_)
    return {
        **with_intervals(point_figures(data), drawn, data, everything),
        "resamples": resamples,
        "calibration": [asdict(each) for each in calibration(data.label, data.score)[1]]
        if _are_probabilities(data.score)
        else [],
        "days": [
            _of_day(data, day == each, int(each), of)
            for each, of in zip(days, drawn_days, strict=True)
        ],
        "notes": notes(data),
        "left_out": dict(data.left_out),
    }


def point_figures(data: Scored) -> dict[str, Any]:
    """The figures of all rows, without intervals."""
    auc, precision = ranking_figures(data.label, data.score)
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
    return with_intervals(figures, drawn, data, rows)


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
            "intervals are too narrow."
        )
    return said


def ranking_figures(
    label: NDArray[np.bool_], score: NDArray[np.float64]
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
