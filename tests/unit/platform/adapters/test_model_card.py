"""What model.json may say: a card by which everything would be approved is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.runtime.errors import Fatal

CARD: dict[str, Any] = {
    "version": "v",
    "feature_set": STANDARD.label,
    "names": list(STANDARD.names),
    "reasons": "r",
    "metrics": {},
    "thresholds": {"review": 0.2, "block": 0.8},
}


def _refused(folder: Path, text: str) -> str:
    (folder / "model.json").write_text(text)
    with pytest.raises(Fatal) as caught:
        OnnxModel(folder, STANDARD)
    return caught.value.what


@pytest.mark.parametrize("name", ["review", "block"])
@pytest.mark.parametrize("value", [float("nan"), -1.0, float("-inf")])
def test_a_threshold_that_is_no_number_is_refused(tmp_path: Path, name: str, value: float) -> None:
    said = _refused(
        tmp_path, json.dumps({**CARD, "thresholds": {**CARD["thresholds"], name: value}})
    )
    assert said.startswith("model.json cannot be read: ValueError('review from")


def test_a_second_stage_without_bounds_and_a_card_that_is_nested_deep_are_refused(
    tmp_path: Path,
) -> None:
    stage2 = {"version": "s", "low": float("nan"), "high": 0.5, "on": True}
    assert "second stage from nan to 0.5" in _refused(
        tmp_path, json.dumps({**CARD, "stage2": stage2})
    )
    assert "RecursionError" in _refused(tmp_path, "[" * 100_000)
    assert _refused(tmp_path, json.dumps(CARD)).startswith("model.onnx cannot be read"), (
        "this card is right"
    )
