"""Figures of two releases side by side."""

import math
from typing import Any

from riskstream.platform.adapters.release import Release

_HIGHER = {
    "average_precision": "average precision",
    "auc": "AUC",
    "precision_at_budget": ("precision at the review budget"),
    "recall_at_budget": "recall at the review budget",
}
_LOWER = {"calibration_error": "calibration error", "cost_minor": "cost of its decisions"}
_LEAST = 1e-4
"""Share of the other's figure; less is no difference."""


def worse(release: Release, other: Release) -> list[str]:
    """In words, each figure of `release` that is worse. Each was measured on the last eighth of its
    own training file.

    A sentence more says which figures could not be compared: one of the two has no number there.
    """
    mine, theirs = _figures(release), _figures(other)
    said, unknown = [], []
    for name, words in {**_HIGHER, **_LOWER}.items():
        here, there = _number(mine.get(name)), _number(theirs.get(name))
        if here is None or there is None:
            if name in mine or name in theirs:
                unknown.append(f"{words} ({_shown(mine, name)} in place of {_shown(theirs, name)})")
            continue
        loss = there - here if name in _HIGHER else here - there
        if loss > _LEAST * abs(there):
            said.append(f"its {words} is worse: {here:.4g} in place of {there:.4g}")
    rows = mine.get("validation_rows"), theirs.get("validation_rows")
    if said and rows[0] != rows[1]:
        said.append(
            f"the figures are of {rows[0]} and {rows[1]} rows, each of its own training file"
        )
    if unknown:
        said.append(f"not compared, as one of the two is no number: {', '.join(unknown)}")
    elif not (mine and theirs):
        said.append("its figures are not compared: one of the two has none")
    return said


def _figures(release: Release) -> dict[str, Any]:
    found = release.manifest.get("metrics")
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    """None where it is none, or not finite: whatever it is compared with, it is never worse."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond every float
        return None


def _shown(figures: dict[str, Any], name: str) -> str:
    if name not in figures:
        return "none"
    number = _number(figures[name])
    return f"{figures[name]!r:.40}" if number is None else f"{number:.4g}"
