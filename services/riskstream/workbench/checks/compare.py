"""Two scores of the same rows: the difference of each figure, the decisions that change, and their
money. Differences are paired: both are figures of the same resamples of the customers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.money import exact
from riskstream.domain.risk.resampling import interval
from riskstream.runtime.steps import Advance
from riskstream.workbench.checks.evaluate import notes, point_figures
from riskstream.workbench.checks.intervals import (
    RESAMPLES,
    Drawn,
    drawn_figures,
    with_intervals,
)
from riskstream.workbench.checks.scored import DECISIONS, Scored

FIGURES = {
    "auc": True,
    "average_precision": True,
    "card_precision_100": True,
    "calibration_error": False,
    "brier": False,
    "alerts": None,
    "precision": True,
    "recall": True,
    "saved_minor": True,
    "lost_minor": False,
    "stopped_minor": False,
}
"""Figure to whether more is better; None where neither is."""
BETTER, WORSE, EQUAL, UNCLEAR, NEITHER = "better", "worse", "equal", "not clear", "-"


def compare(
    a: Scored, b: Scored, resamples: int = RESAMPLES, advance: Advance = lambda _: None
) -> dict[str, Any]:
    """How the scores `b` differ from the scores `a` of the same rows.

    Each of `figures` has `a`, `b` and `difference` (b less a), each with its 95 % interval; `b_is`
    says whether b is better, worse or equal: not clear where the interval holds 0 or there is none.
    `decisions` counts the rows of each change. ValueError where the rows are not the same.
    """
    _check_same_rows(a, b)
    n = len(a.label)
    (ours, drawn), (theirs, others) = (_figures(each, resamples, advance) for each in (a, b))
    said = [f"{name}: {note}" for name, each in (("A", a), ("B", b)) for note in notes(each)]
    return {
        "rows": n,
        "frauds": ours["frauds"],
        "customers": ours["customers"],
        "base_currency": a.base_currency,
        "resamples": resamples,
        "figures": {
            name: _difference(name, (ours, theirs), (drawn.get(name), others.get(name)))
            for name in FIGURES
        },
        "decisions": changes(a, b),
        "notes": said,
        "left_out": dict(a.left_out),
    }


def changes(a: Scored, b: Scored) -> list[dict[str, Any]]:
    """The rows whose decision changes, by both decisions: how many, the frauds among them, and the
    amounts of frauds and of genuine ones. Where one has no decisions, alerted or not.
    """
    is_named = a.decision is not None and b.decision is not None
    before, after = _decisions(a, is_named), _decisions(b, is_named)
    names = DECISIONS if is_named else ("not alerted", "alerted")
    amounts = exact(a.amount_minor)
    out = []
    for old in range(len(names)):
        for new in range(len(names)):
            rows = (before == old) & (after == new)
            if old != new and rows.any():
                fraud = rows & a.label
                out.append(
                    {
                        "from": names[old],
                        "to": names[new],
                        "rows": int(rows.sum()),
                        "frauds": int(fraud.sum()),
                        "fraud_minor": int(amounts[fraud].sum()),
                        "genuine_minor": int(amounts[rows & ~a.label].sum()),
                    }
                )
    return out


def _decisions(data: Scored, is_named: bool) -> NDArray[np.int64]:
    if is_named and data.decision is not None:
        return data.decision
    return data.alerted.astype(np.int64)


def _figures(data: Scored, resamples: int, advance: Advance) -> tuple[dict[str, Any], Drawn]:
    """The figures with their intervals, and of each resample."""
    n = len(data.label)
    drawn = drawn_figures(data, [], resamples, advance)[0]
    return with_intervals(point_figures(data), drawn, data, np.ones(n, np.bool_)), drawn


def _difference(
    name: str,
    figures: tuple[dict[str, Any], dict[str, Any]],
    drawn: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None],
) -> dict[str, Any]:
    a, b = (each[name] for each in figures)
    difference = None if a is None or b is None else b - a
    found = None
    if difference is not None and drawn[0] is not None and drawn[1] is not None:
        found = interval(drawn[1] - drawn[0])
    b_is = NEITHER if FIGURES[name] is None else EQUAL if difference == 0 else UNCLEAR
    if found is not None and (found[0] > 0 or found[1] < 0):
        b_is = BETTER if (found[0] > 0) == FIGURES[name] else WORSE
    if found is not None and isinstance(difference, int):
        found = round(found[0]), round(found[1])
    return {
        "a": a,
        "a_interval": figures[0].get(f"{name}_interval"),
        "b": b,
        "b_interval": figures[1].get(f"{name}_interval"),
        "difference": difference,
        "difference_interval": None if found is None else list(found),
        "b_is": b_is,
    }


def _check_same_rows(a: Scored, b: Scored) -> None:
    for name in ("label", "customer", "occurred_at", "amount_minor"):
        if not np.array_equal(getattr(a, name), getattr(b, name)):
            raise ValueError(f"the rows differ in {name}")
