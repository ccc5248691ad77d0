"""A model folder: model.onnx, model.json, reasons.npz and, where there is a second stage,
stage2.onnx.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.sets import SETS
from riskstream.domain.risk.tree_paths import TreePaths
from riskstream.domain.risk.trees.ensemble import Unfit
from riskstream.platform.adapters.onnx_session import Device, DeviceGone, OnnxSession
from riskstream.platform.adapters.tree_engine import TreeEngine, equal_kernel
from riskstream.runtime.errors import Fatal
from riskstream.runtime.files import read_regular

log = structlog.get_logger("model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage2Card:
    """What model.json says of a second stage: asked for scores from `low` on and below `high`;
    `is_on` where it gains.
    """

    version: str
    low: float
    high: float
    is_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What model.json says: version, feature set and its names, thresholds on the score, hash of
    the reasons' file.
    """

    version: str
    feature_set: str
    names: tuple[str, ...]
    review_from: float
    block_from: float
    reasons: str
    metrics: dict[str, Any]
    stage2: Stage2Card | None = None
    trained_ms: tuple[int, int] | None = None
    """First and last of the rows that grew the trees; None of a card that does not say."""


class OnnxModel:
    """The first stage, scores of rows of a feature set: trees, always on the CPU (CUDA has no
    kernel for them).

    `engine` says what computes them: `kernel` or `onnxruntime`.
    """

    def __init__(
        self, folder: Path, features: FeatureSet, tree_engine: TreeEngine = "auto"
    ) -> None:
        self.card = read_card(folder)
        if self.card.feature_set != features.label or self.card.names != features.names:
            raise Fatal(
                what=f"the model was trained on {self.card.feature_set} ({len(self.card.names)} "
                "columns)",
                where=str(folder),
                do=f"train one on {features.label} ({len(features.names)} columns) with "
                f"`riskstream train`{_or_go_on(self.card)}",
            )
        raw = _read_as(folder / "model.onnx", self.card.version)
        self.paths = _read_paths(folder, self.card.reasons, len(features.names))
        session = OnnxSession(raw, len(features.names), folder / "model.onnx")
        self.engine, self._predict = "onnxruntime", session.predict
        if tree_engine == "onnxruntime":
            return
        try:
            self._predict = equal_kernel(raw, session, len(features.names)).predict
            self.engine = "kernel"
        except (Unfit, Fatal) as why:
            log.warning(
                "ONNX Runtime computes the trees", model=self.card.version, why=str(why)[:500]
            )

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of fraud, float32[n], of rows float32[n, columns]."""
        return self._predict(rows)


class SecondStage:
    """The second stage on its provider, with the CPU in reserve: a GPU that is not there or goes is
    flagged, not fatal.
    """

    def __init__(
        self, folder: Path, card: ModelCard, provider: str = "cpu", cache: Path | None = None
    ) -> None:
        stage2 = card.stage2
        path = folder / "stage2.onnx"
        if stage2 is None:
            raise Fatal(
                what="the model has no second stage",
                where=str(folder),
                do="train it with --stage2, or give --stage2 off",
            )
        self.card = stage2
        raw = _read_as(path, stage2.version)
        self._reserve = OnnxSession(raw, len(card.names), path)
        self._session, self.is_degraded = self._reserve, False
        if provider == "cpu":
            return
        try:
            self._session = OnnxSession(raw, len(card.names), path, device=Device(provider, cache))
        except DeviceGone as error:
            self._give_up(provider, error)

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """As OnnxModel's. From the first time that the device does not answer on by the CPU:
        `is_degraded` is True then.
        """
        try:
            return self._session.predict(rows)
        except DeviceGone as error:
            self._give_up(self._session.provider, error)
            return self._session.predict(rows)

    def _give_up(self, provider: str, error: DeviceGone) -> None:
        log.error(
            "the second stage runs on the CPU until a restart",
            provider=provider,
            why=str(error)[:500],
        )
        self._session, self.is_degraded = self._reserve, True


def _or_go_on(card: ModelCard) -> str:
    """How to go on with the set that a model was trained on, where we have it."""
    found = [name for name, each in SETS.items() if each.label == card.feature_set]
    return f", or start with `--features {found[0]}`, whose state is its own" if found else ""


def read_card(folder: Path) -> ModelCard:
    """What model.json says. Fatal where it is not there or is no card."""
    try:
        data = json.loads(_read(folder / "model.json"))
        card = ModelCard(
            version=data["version"],
            feature_set=data["feature_set"],
            names=tuple(data["names"]),
            review_from=float(data["thresholds"]["review"]),
            block_from=float(data["thresholds"]["block"]),
            reasons=data["reasons"],
            metrics=data["metrics"],
            stage2=_stage2_of(data.get("stage2")),
            trained_ms=_trained_of(data.get("trained_on")),
        )
        _check_thresholds(card)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Fatal(
            what=f"model.json cannot be read: {error!r}",
            where=str(folder),
            do="copy it again from the training run",
        ) from error
    return card


def _trained_of(given: Any) -> tuple[int, int] | None:
    return None if given is None else (int(given["first"]), int(given["last"]))


def _check_thresholds(card: ModelCard) -> None:
    """ValueError where a threshold is no number: every score is below one, so everything would be
    approved.
    """
    if not (card.review_from >= 0 and card.block_from >= 0):
        raise ValueError(f"review from {card.review_from}, block from {card.block_from}")
    if card.stage2 is not None and not card.stage2.low <= card.stage2.high:
        raise ValueError(f"second stage from {card.stage2.low} to {card.stage2.high}")


def _stage2_of(data: dict[str, Any] | None) -> Stage2Card | None:
    if data is None:
        return None
    return Stage2Card(
        version=data["version"],
        low=float(data["low"]),
        high=float(data["high"]),
        is_on=bool(data["on"]),
    )


def _read_as(path: Path, version: str) -> bytes:
    """The file's content. Fatal where it is not what model.json names."""
    raw = _read(path)
    found = hashlib.sha256(raw).hexdigest()[:12]
    if found != version:
        raise Fatal(
            what=f"{path.name} has version {found}, model.json says {version}",
            where=str(path.parent),
            do="copy all files of one training run",
        )
    return raw


def _read_paths(folder: Path, expected: str, columns: int) -> TreePaths:
    path = folder / "reasons.npz"
    _read_as(path, expected)
    try:
        return TreePaths.read(path, columns)
    except (OSError, KeyError, ValueError) as error:
        raise Fatal(
            what=f"reasons.npz cannot be read: {error}",
            where=str(folder),
            do="train the model again",
        ) from error


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except OSError as error:
        raise Fatal(
            what=f"{path.name} cannot be read: {error.strerror}",
            where=str(path.parent),
            do="train a model with `riskstream train`, or give another --model",
        ) from error
