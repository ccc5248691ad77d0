"""Figures of two releases side by side."""

from riskstream.adapters.release import Release

_HIGHER = {
    "average_precision": "average precision", "auc": "AUC", "precision_at_budget": "precision at the review budget",
    "recall_at_budget": "recall at the review budget",
}  # fmt: skip
_LOWER = {"calibration_error": "calibration error", "cost_minor": "cost of its decisions"}
_LEAST = 1e-4
"""Share of the other's figure; less is no difference."""


def worse(release: Release, other: Release) -> list[str]:
    """In words, each figure of `release` that is worse. Each was measured on the last eighth of its own training file."""
    mine, theirs = release.manifest["metrics"], other.manifest["metrics"]
    said = []
    for name, words in {**_HIGHER, **_LOWER}.items():
        here, there = mine.get(name), theirs.get(name)
        if not isinstance(here, int | float) or not isinstance(there, int | float):
            continue
        loss = there - here if name in _HIGHER else here - there
        if loss > _LEAST * abs(there):
            said.append(f"its {words} is worse: {here:.4g} in place of {there:.4g}")
    rows = mine.get("validation_rows"), theirs.get("validation_rows")
    if said and rows[0] != rows[1]:
        said.append(f"the figures are of {rows[0]} and {rows[1]} rows, each of its own training file")
    return said
