"""A model folder (model.onnx, model.json, reasons.npz) behind ONNX Runtime on the CPU."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.tree_paths import TreePaths
from riskstream.runtime.errors import Fatal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What model.json says: version, feature set and its names, thresholds on the score, hash of the reasons' file."""

    version: str
    feature_set: str
    names: tuple[str, ...]
    review_from: float
    block_from: float
    reasons: str
    metrics: dict[str, Any]


class OnnxModel:
    """Scores rows of a feature set. One thread, no spinning: the lane owns the core it runs on."""

    def __init__(self, folder: Path, features: FeatureSet) -> None:
        self.card = _read_card(folder)
        if self.card.feature_set != features.label or self.card.names != features.names:
            raise Fatal(
                what=f"the model was trained on {self.card.feature_set} ({len(self.card.names)} columns)",
                where=str(folder),
                do=f"train one on {features.label} ({len(features.names)} columns) with `riskstream train`",
            )
        raw = _read(folder / "model.onnx")
        found = hashlib.sha256(raw).hexdigest()[:12]
        if found != self.card.version:
            raise Fatal(
                what=f"model.onnx has version {found}, model.json says {self.card.version}",
                where=str(folder),
                do="copy all files of one training run",
            )
        self.paths = _read_paths(folder, self.card.reasons, len(features.names))
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own compiled module
            raise Fatal(what=f"model.onnx cannot be loaded: {error}", where=str(folder), do="train it again") from error
        shape = self._session.get_inputs()[0].shape
        if shape[-1] != len(features.names):
            raise Fatal(
                what=f"model.onnx takes {shape[-1]} columns",
                where=str(folder),
                do=f"it must take {len(features.names)}",
            )
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[-1].name
        self.predict(np.zeros((1, len(features.names)), np.float32))

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of fraud, float32[n], of rows float32[n, columns]."""
        out = self._session.run([self._output], {self._input: rows})[0]
        return np.ascontiguousarray(out[:, 1] if out.ndim == 2 else out, np.float32)


def _read_card(folder: Path) -> ModelCard:
    try:
        data = json.loads(_read(folder / "model.json"))
        return ModelCard(
            version=data["version"],
            feature_set=data["feature_set"],
            names=tuple(data["names"]),
            review_from=float(data["thresholds"]["review"]),
            block_from=float(data["thresholds"]["block"]),
            reasons=data["reasons"],
            metrics=data["metrics"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Fatal(
            what=f"model.json cannot be read: {error!r}", where=str(folder), do="copy it again from the training run"
        ) from error


def _read_paths(folder: Path, expected: str, columns: int) -> TreePaths:
    path = folder / "reasons.npz"
    found = hashlib.sha256(_read(path)).hexdigest()[:12]
    if found != expected:
        raise Fatal(
            what=f"reasons.npz has version {found}, model.json says {expected}",
            where=str(folder),
            do="copy all files of one training run",
        )
    try:
        return TreePaths.read(path, columns)
    except (OSError, KeyError, ValueError) as error:
        raise Fatal(
            what=f"reasons.npz cannot be read: {error}", where=str(folder), do="train the model again"
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Fatal(
            what=f"{path.name} cannot be read: {error.strerror}",
            where=str(path.parent),
            do="train a model with `riskstream train`, or give another --model",
        ) from error
