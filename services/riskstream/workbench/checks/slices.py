"""Figures of parts of the rows: by channel, kind, amount and whether the customer is new."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.catalog import contract
from riskstream.domain.risk.features.declare import Aggregate, FeatureSet, Input
from riskstream.domain.risk.money import shown
from riskstream.domain.risk.resampling import Ranking, Weighted, resampled
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.steps import Advance
from riskstream.workbench.checks.evaluate import alert_figures, ranking_figures
from riskstream.workbench.checks.intervals import (
    RESAMPLES,
    SEED,
    VALUES,
    alert_sums,
    numbered,
    of_alerts,
    with_intervals,
)
from riskstream.workbench.checks.scored import Scored

_SYMBOLS = {Input.KIND: "kind", Input.CHANNEL: "channel"}


def slices(
    data: Scored,
    rows: NDArray[np.float32],
    features: FeatureSet,
    resamples: int = RESAMPLES,
    advance: Advance = lambda _: None,
) -> list[dict[str, Any]]:
    """By channel, kind, amount and whether the customer is new: rows, frauds, average precision,
    and the alerts' figures, each with its interval. A slice of no row or of all rows is left out.
    """
    found = [
        (name, mask) for name, mask in _masks(data, rows, features) if 0 < mask.sum() < len(mask)
    ]
    customer, count = numbered(data)
    groupings = [(np.where(mask, 0, -1), 1) for _, mask in found]
    parts: list[Weighted] = [alert_sums(data, customer, groupings)]
    parts += [Ranking(data.label[mask], data.score[mask], customer[mask]) for _, mask in found]
    sums, *rankings = resampled(parts, count, resamples, SEED, advance)
    return [
        with_intervals(
            {
                "name": name,
                "rows": int(mask.sum()),
                "frauds": int(data.label[mask].sum()),
                "average_precision": ranking_figures(data.label[mask], data.score[mask])[1],
                **alert_figures(data, mask),
            },
            {"average_precision": ranking[1], **of_alerts(sums[at * VALUES : (at + 1) * VALUES])},
            data,
            mask,
            is_part=True,
        )
        for at, ((name, mask), ranking) in enumerate(zip(found, rankings, strict=True))
    ]


def _masks(
    data: Scored, rows: NDArray[np.float32], features: FeatureSet
) -> list[tuple[str, NDArray[np.bool_]]]:
    """The slices' names, and which rows are of each."""
    found: list[tuple[str, NDArray[np.bool_]]] = []
    for at, each in enumerate(features.inputs):
        if each.input in _SYMBOLS:
            symbols = _symbols(_SYMBOLS[each.input])
            found += [
                (f"{each.name} {symbols[int(value)]}", rows[:, at] == value)
                for value in np.unique(rows[:, at])
            ]
    edges = np.quantile(data.amount_minor, [0, 0.5, 0.9, 0.99, 1])
    for low, high in itertools.pairwise(edges):
        inside = (data.amount_minor > low if low > edges[0] else data.amount_minor >= low) & (
            data.amount_minor <= high
        )
        found.append((f"amount up to {shown(round(high), data.base_currency)}", inside))
    counts = [
        at
        for at, each in enumerate(features.owned, len(features.inputs))
        if each.aggregate is Aggregate.COUNT
    ]
    if counts:
        longest = max(counts, key=lambda at: features.owned[at - len(features.inputs)].window_ms)
        days = features.owned[longest - len(features.inputs)].window_ms // DAY_MS
        found += [
            (f"new customer: no payment in {days} days", rows[:, longest] <= 1),
            ("known customer", rows[:, longest] > 1),
        ]
    return found


def _symbols(field: str) -> list[str]:
    schema: Any = next(
        each for each in contract("transaction.v1").schema["fields"] if each["name"] == field
    )
    return list(schema["type"]["symbols"])
