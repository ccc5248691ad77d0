"""The models of a scorer: of a folder, of a signed release file, or of the newest active release on releases.v1."""

import base64
import binascii
import tempfile
from pathlib import Path

import structlog

from riskstream.adapters.onnx_model import OnnxModel, SecondStage
from riskstream.adapters.release import Release, check_fits, read, read_bytes, unpack
from riskstream.adapters.signing import PublicKey
from riskstream.contracts.codec import codec
from riskstream.kafka.table import Table, TableFollower
from riskstream.risk.features.declare import FeatureSet
from riskstream.runtime.errors import Fatal, Rejected
from riskstream.scorer.core import Policy, ScorerCore, Stage2
from riskstream.scorer.settings import ScorerSettings
from riskstream.telemetry.metrics import LaneMetrics

log = structlog.get_logger("models")
RELEASES = "releases.v1"


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
        why = "--stage2 off" if settings.stage2 == "off" else "the model's card has none, or has it off"
        raise _wrong(
            f"provider {settings.provider} runs the second stage, and there is none here: {why}", "--provider",
            "give --provider cpu, or a model trained with --stage2 and --stage2 on",
        )  # fmt: skip
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
        raise _wrong("both a release and a model folder are given", "--release, --model", "give one of them")
    if settings.engine_cache is not None and settings.provider != "tensorrt":
        raise _wrong(
            f"provider {settings.provider} keeps no engines",
            "--engine-cache",
            "leave it out, or give --provider tensorrt",
        )


def _wrong(what: str, where: str, do: str) -> Fatal:
    return Fatal(what=what, where=where, do=do, exit_code=2)


def load_release(path: Path, key: Path, features: FeatureSet, settings: ScorerSettings) -> tuple[OnnxModel, Policy]:
    """Fatal where it is not signed by `key`, was altered, or was made for something else."""
    return _load_read(read(path, PublicKey.read(key)), features, settings, str(path))


def _load_read(
    release: Release, features: FeatureSet, settings: ScorerSettings, where: str
) -> tuple[OnnxModel, Policy]:
    check_fits(release, features, where)
    with tempfile.TemporaryDirectory(prefix="riskstream-release-") as folder:
        unpack(release, Path(folder))
        return _load(Path(folder), features, settings, release.release_id)


def _load(
    folder: Path, features: FeatureSet, settings: ScorerSettings, release_id: str = ""
) -> tuple[OnnxModel, Policy]:
    """Both stages, loaded and warm."""
    model = OnnxModel(folder, features)
    card, stage2, version = model.card, None, model.card.version
    is_on = card.stage2 is not None and card.stage2.is_on
    if settings.stage2 == "on" or (settings.stage2 == "card" and is_on):
        second = SecondStage(folder, card, settings.provider, settings.engine_cache)
        stage2 = Stage2(model=second, low=second.card.low, high=second.card.high)
        version = f"{version}+{second.card.version}"
    return model, Policy(
        model_version=version, review_from=card.review_from, block_from=card.block_from, paths=model.paths,
        reason_sample=settings.reason_sample, release_id=release_id, stage2=stage2,
    )  # fmt: skip


def follow_releases(
    settings: ScorerSettings, key: Path, features: FeatureSet, core: ScorerCore, metrics: LaneMetrics
) -> TableFollower:
    """A follower, not yet started, that hands the newest active release to the core; one that is refused changes nothing."""
    seen: set[str] = set()
    public = PublicKey.read(key)

    def on_change(table: Table) -> None:
        newest = _newest(table, features)
        if newest is None or newest["release_id"] == core.next_model[1].release_id:
            return
        release_id = str(newest["release_id"])
        try:
            raw = base64.b64decode(str(newest["content_base64"]), validate=True)
            release = read_bytes(raw, public, RELEASES)  # nothing of the record is a path, nothing is unpacked unsigned
            if release.release_id != release_id:
                raise Fatal(
                    what=f"its content is release {release.release_id}", where=RELEASES, do="activate the file again"
                )
            model, policy = _load_read(release, features, settings, RELEASES)
        except (Fatal, binascii.Error) as error:
            if release_id not in seen:
                seen.add(release_id)
                metrics.releases_refused.inc()
                log.error("a release is refused, the one before stays", release=release_id, why=str(error))
            return
        core.next_model = (model, policy)
        log.info("release", release=release_id, model=policy.model_version)

    return TableFollower(settings.kafka, [RELEASES], on_change)


def _newest(table: Table, features: FeatureSet) -> dict[str, object] | None:
    """The newest active release of this feature set."""
    found = []
    for (_, key), value in table.items():
        try:
            record = codec("release.v1").decode(value)
        except Rejected as error:
            log.error("a record cannot be read and is left out", key=key.decode("utf-8", "replace"), why=str(error))
            continue
        if record["status"] == "ACTIVE" and record["feature_set"] == features.label:
            found.append(record)
    return max(found, key=lambda each: (each["changed_at"], each["release_id"]), default=None)
