"""The models of a scorer: of a folder, or of a signed release."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.platform.adapters.onnx_model import OnnxModel, SecondStage
from riskstream.platform.adapters.release import Release, check_fits, read, unpack
from riskstream.platform.adapters.signing import PublicKey
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.scorer.policy import Policy, Stage2
from riskstream.scorer.ports import Model
from riskstream.scorer.settings import ScorerSettings

Loaded = tuple[Model, Policy]


class _NoModel:
    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full(len(rows), np.nan, np.float32)


NO_MODEL: Loaded = (
    _NoModel(),
    Policy(model_version="none", review_from=1.0, block_from=1.0, paths=NO_TREES),
)
"""Gives no number: every payment is reviewed, flagged `no_score`; rules still hold."""


def load_base(settings: ScorerSettings, features: FeatureSet) -> Loaded | None:
    """What the scorer is started with; None where it has a key to follow releases by, and neither a
    model nor a release.
    """
    is_given = (
        settings.release is not None
        or "model" in settings.model_fields_set
        or settings.model.exists()
    )
    if is_given or settings.release_key is None:
        return load_model(settings, features)
    _check(settings)
    return None


def load_model(settings: ScorerSettings, features: FeatureSet) -> tuple[OnnxModel, Policy]:
    """The model folder's, or that of a release whose signature and contracts were checked first.

    Fatal where it cannot be loaded, or the settings contradict one another or it.
    """
    _check(settings)
    if settings.release is not None and settings.release_key is not None:
        model, policy = load_release(settings.release, settings.release_key, features, settings)
    else:
        model, policy = _load(settings.model, features, settings)
    if settings.provider != "cpu" and policy.stage2 is None:
        why = (
            "--stage2 off"
            if settings.stage2 == "off"
            else ("the model's card has none, or has it off")
        )
        raise _wrong(
            f"provider {settings.provider} runs the second stage, and there is none here: {why}",
            "--provider",
            "give --provider cpu, or a model trained with --stage2 and --stage2 on",
        )
    return model, policy


def _check(settings: ScorerSettings) -> None:
    """Fatal where what was given contradicts itself."""
    if settings.release is not None and settings.release_key is None:
        raise _wrong(
            "a release is given, but no key it must be signed by",
            "--release",
            "give --release-key, the signer's .pub file",
        )
    if settings.release is not None and "model" in settings.model_fields_set:
        raise _wrong(
            "both a release and a model folder are given", "--release, --model", "give one of them"
        )
    if settings.engine_cache is not None and settings.provider != "tensorrt":
        raise _wrong(
            f"provider {settings.provider} keeps no engines",
            "--engine-cache",
            "leave it out, or give --provider tensorrt",
        )


def _wrong(what: str, where: str, do: str) -> Fatal:
    return Fatal(what=what, where=where, do=do, exit_code=Exit.INPUT)


def load_release(
    path: Path, key: Path, features: FeatureSet, settings: ScorerSettings
) -> tuple[OnnxModel, Policy]:
    """Fatal where it is not signed by `key`, was altered, or was made for something else."""
    return load_read(read(path, PublicKey.read(key)), features, settings, str(path))


def load_read(
    release: Release, features: FeatureSet, settings: ScorerSettings, where: str
) -> tuple[OnnxModel, Policy]:
    """Loaded and warm. Fatal where the release was made for something else, or its model cannot be
    used.
    """
    check_fits(release, features, where)
    with tempfile.TemporaryDirectory(prefix="riskstream-release-") as folder:
        unpack(release, Path(folder))
        return _load(Path(folder), features, settings, release.release_id)


def _load(
    folder: Path, features: FeatureSet, settings: ScorerSettings, release_id: str = ""
) -> tuple[OnnxModel, Policy]:
    """Both stages, loaded and warm."""
    model = OnnxModel(folder, features, settings.tree_engine)
    card, stage2, version = model.card, None, model.card.version
    is_on = card.stage2 is not None and card.stage2.is_on
    if settings.stage2 == "on" or (settings.stage2 == "card" and is_on):
        second = SecondStage(folder, card, settings.provider, settings.engine_cache)
        stage2 = Stage2(model=second, low=second.card.low, high=second.card.high)
        version = f"{version}+{second.card.version}"
    return model, Policy(
        model_version=version,
        review_from=card.review_from,
        block_from=card.block_from,
        paths=model.paths,
        engine=model.engine,
        reason_sample=settings.reason_sample,
        release_id=release_id,
        stage2=stage2,
    )
