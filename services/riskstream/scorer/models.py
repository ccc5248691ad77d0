"""The models of a scorer: of a folder, of a signed release file, or of the newest active release on releases.v1."""

import base64
import binascii
import tempfile
from pathlib import Path

import structlog

from riskstream.adapters.onnx_model import OnnxModel
from riskstream.adapters.release import check_fits, read, unpack
from riskstream.contracts.codec import codec
from riskstream.kafka.table import Table, TableFollower
from riskstream.risk.features.declare import FeatureSet
from riskstream.runtime.errors import Fatal, Rejected
from riskstream.scorer.core import Policy, ScorerCore
from riskstream.scorer.settings import ScorerSettings
from riskstream.telemetry.metrics import LaneMetrics

log = structlog.get_logger("models")
RELEASES = "releases.v1"


def load_model(settings: ScorerSettings, features: FeatureSet) -> tuple[OnnxModel, Policy]:
    """The model folder's, or that of a release whose signature and contracts were checked first."""
    if settings.release is None:
        model = OnnxModel(settings.model, features)
        return model, policy_of(model, settings.reason_sample)
    if settings.release_key is None:
        raise Fatal(
            what="a release is given, but no key it must be signed by",
            where="--release",
            do="give --release-key, the signer's .pub file",
            exit_code=2,
        )
    return load_release(settings.release, settings.release_key, features, settings.reason_sample)


def load_release(path: Path, key: Path, features: FeatureSet, reason_sample: float) -> tuple[OnnxModel, Policy]:
    """Fatal where it is not signed by `key`, was altered, or was made for something else."""
    release = read(path, key)
    check_fits(release, features, path)
    with tempfile.TemporaryDirectory(prefix="riskstream-release-") as folder:
        unpack(release, Path(folder))
        model = OnnxModel(Path(folder), features)
    return model, policy_of(model, reason_sample, release.release_id)


def policy_of(model: OnnxModel, reason_sample: float, release_id: str = "") -> Policy:
    card = model.card
    return Policy(
        model_version=card.version, review_from=card.review_from, block_from=card.block_from, paths=model.paths,
        reason_sample=reason_sample, release_id=release_id,
    )  # fmt: skip


def follow_releases(
    settings: ScorerSettings, key: Path, features: FeatureSet, core: ScorerCore, metrics: LaneMetrics
) -> TableFollower:
    """A follower, not yet started, that hands the newest active release to the core; one that is refused changes nothing."""
    seen: set[str] = set()

    def on_change(table: Table) -> None:
        newest = _newest(table, features)
        if newest is None or newest["release_id"] == core.next_model[1].release_id:
            return
        release_id = str(newest["release_id"])
        try:
            with tempfile.TemporaryDirectory(prefix="riskstream-release-") as folder:
                path = Path(folder) / f"{release_id}.zip"
                path.write_bytes(base64.b64decode(str(newest["content_base64"]), validate=True))
                model, policy = load_release(path, key, features, settings.reason_sample)
            if policy.release_id != release_id:
                raise Fatal(
                    what=f"its content is release {policy.release_id}", where=RELEASES, do="activate the file again"
                )
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
