"""Bootstrap intervals of an evaluation's figures: customers are drawn, with all of their rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.resampling import (
    Ranking,
    Sums,
    TopCards,
    Weighted,
    few_share,
    interval,
    resampled,
    whole_share,
)
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.steps import Advance
from riskstream.workbench.checks.scored import Scored

RESAMPLES = 1000
SEED = 0
CARDS_A_DAY = 100
FEW = 20
"""Customers with a fraud; of fewer, resamples give too narrow an interval (docs/training.md)."""
VALUES = 6
_SHARES = ("precision", "recall")

Drawn = dict[str, NDArray[np.float64]]
"""A figure of each resample, by name; NaN in a resample that has none."""
Grouping = tuple[NDArray[np.integer], int]
"""(the number of each row's group, -1 where it is of none; how many groups there are)."""


def drawn_figures(
    data: Scored,
    groupings: Sequence[Grouping],
    resamples: int,
    advance: Advance = lambda _: None,
) -> tuple[Drawn, list[Drawn]]:
    """(figures of all rows, figures of the alerts of each group of each grouping), all on the same
    draws.
    """
    customer, count = numbered(data)
    everything: Grouping = (np.zeros(len(customer), np.int64), 1)
    parts: list[Weighted] = [
        Ranking(data.label, data.score, customer),
        TopCards(data.label, data.score, customer, data.occurred_at // DAY_MS, CARDS_A_DAY),
        Sums(customer, everything[0], _errors(data), 1),
        alert_sums(data, customer, [everything, *groupings]),
    ]
    ranking, cards, errors, sums = resampled(parts, count, resamples, SEED, advance)
    alerts, *each = (of_alerts(sums[at : at + VALUES]) for at in range(0, len(sums), VALUES))
    with np.errstate(invalid="ignore"):
        brier = errors[0] / errors[1]
    return {
        "auc": ranking[0],
        "average_precision": ranking[1],
        f"card_precision_{CARDS_A_DAY}": cards[0],
        "brier": brier,
        **alerts,
    }, each


def numbered(data: Scored) -> tuple[NDArray[np.int32], int]:
    """(a number of each row's customer from 0 on, how many customers the rows have)."""
    known, customer = np.unique(data.customer, return_inverse=True)
    return customer.astype(np.int32), len(known)


def alert_sums(data: Scored, customer: NDArray[np.int32], groupings: Sequence[Grouping]) -> Sums:
    """What `of_alerts` needs: VALUES sums of each group of each grouping."""
    told = np.flatnonzero(data.alerted | data.label)
    alerted, fraud = data.alerted[told], data.label[told]
    amount = data.amount_minor[told].astype(np.float64)
    values = np.stack(
        [
            alerted,
            fraud,
            alerted & fraud,
            amount * (alerted & fraud),
            amount * (fraud & ~alerted),
            amount * (alerted & ~fraud),
        ],
        axis=1,
    ).astype(np.float64)
    rows, groups, count = [], [], 0
    for numbers, more in groupings:
        rows.append(np.flatnonzero(numbers[told] >= 0))
        groups.append(numbers[told][rows[-1]] + count)
        count += more
    picked = np.concatenate(rows)
    return Sums(customer[told][picked], np.concatenate(groups), values[picked], count)


def of_alerts(sums: NDArray[np.float64]) -> Drawn:
    alerts, frauds, hits, saved, lost, stopped = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "precision": hits / alerts,
            "recall": hits / frauds,
            "saved_minor": saved,
            "lost_minor": lost,
            "stopped_minor": stopped,
        }


def with_intervals(
    figures: dict[str, Any],
    drawn: Drawn,
    data: Scored,
    rows: NDArray[np.bool_],
    *,
    is_part: bool = False,
) -> dict[str, Any]:
    """Behind each figure of these rows that was drawn its interval, [low, high]; None where there
    is none.

    Precision and recall of fewer than FEW customers have one that is right for few. Other figures
    of a part of the rows (`is_part`) have none then; those of all rows have one, and a note.
    """
    out: dict[str, Any] = {}
    for name, value in figures.items():
        out[name] = value
        if name not in drawn:
            continue
        found = None
        if value is not None:
            each = _rows_a_customer(name, data, rows)
            if name in _SHARES and value in (0.0, 1.0):
                found = whole_share(value, len(each))
            elif name in _SHARES and len(each) < FEW:
                found = few_share(value, each)
            elif not is_part or len(each) >= FEW:
                found = interval(drawn[name])
        out[f"{name}_interval"] = found and [_like(value, each) for each in found]
    return out


def _rows_a_customer(name: str, data: Scored, rows: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Of each customer with rows that the figure is about, how many these are."""
    if name == "stopped_minor":
        among = rows & data.alerted & ~data.label
    else:
        among = rows & (data.alerted if name == "precision" else data.label)
    return np.unique(data.customer[among], return_counts=True)[1]


def _like(value: float, bound: float) -> float:
    """Money is of whole minor units."""
    return round(bound) if isinstance(value, int) else bound


def _errors(data: Scored) -> NDArray[np.float64]:
    """Squared error of each row, and 1."""
    return np.stack([(data.score - data.label) ** 2, np.ones(len(data.label))], axis=1)
