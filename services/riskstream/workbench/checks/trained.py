"""Scores of rows that their model may have been trained on: figures of these are too good."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.platform.adapters.onnx_model import read_card
from riskstream.workbench.files.columnar import notes_of
from riskstream.workbench.files.reader import paths_of

_TRAINED = b"riskstream.trained_ms"
Trained = tuple[int, int]
"""ms of the first and the last row that a model was trained on."""


def with_trained(table: pa.Table, trained: Trained | None) -> pa.Table:
    """A table of scores that says when its model was trained."""
    if trained is None:
        return table
    said = {**(table.schema.metadata or {}), _TRAINED: json.dumps(trained).encode()}
    return table.replace_schema_metadata(said)


def trained_of(path: Path) -> Trained | None:
    """When the model of a folder, or of the scores in Parquet files, was trained; None where
    nothing says so.
    """
    if (path / "model.json").is_file():
        return read_card(path).trained_ms
    for each in paths_of(path):
        if (said := notes_of(each).get(_TRAINED)) is not None:
            first, last = json.loads(said)
            return int(first), int(last)
    return None


def trained_notes(trained: Trained | None, occurred_at: NDArray[np.integer]) -> list[str]:
    """A note where rows, by their ms, lie within the dates of the training."""
    if trained is None:
        return []
    inside = int(((occurred_at >= trained[0]) & (occurred_at <= trained[1])).sum())
    if not inside:
        return []
    return [
        f"{inside:,} of {len(occurred_at):,} rows lie between {_day(trained[0])} and "
        f"{_day(trained[1])}, the dates that the model was trained on. If "
        "these rows were among them, figures are too good."
    ]


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")
