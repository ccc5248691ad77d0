"""A release: a model folder with everything it was made for, in one signed file.

A zip of the model's files, `manifest.json` and `manifest.sig`. The manifest names each file with its SHA-256, the feature
set, thresholds, schema ids, version of the reject rules and metrics; its own hash, without the time it was made, is the
release's id. What is altered, cut off, signed by another key or made for other contracts is refused before anything is used.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskstream.adapters.signing import is_signed, sign
from riskstream.contracts.catalog import contract
from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.validity import REJECT_RULES_VERSION
from riskstream.runtime.errors import Fatal

FORMAT = 1
FILES = ("model.json", "model.onnx", "reasons.npz", "card.html")
STAGE2 = "stage2.onnx"
"""Only where the model has a second stage."""
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
SCHEMAS = ("transaction.v1", "score.v1")
MAX_BYTES = 256 * 1024 * 1024
_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release that was read and is whole: `manifest`, and the content of each file."""

    release_id: str
    manifest: dict[str, Any]
    files: dict[str, bytes]


def pack(
    folder: Path, features: FeatureSet, private: Path, made_at_ms: int, parity: dict[str, int] | None = None
) -> tuple[str, bytes]:
    """(id, the file) of a model folder. Fatal where a file of it is missing or is not of this feature set.

    `parity`: counts of a run that holds, to stand in the manifest.
    """
    files = {}
    for name in (*FILES, *((STAGE2,) if (folder / STAGE2).exists() else ())):
        try:
            files[name] = (folder / name).read_bytes()
        except OSError as error:
            raise Fatal(what=f"{name} cannot be read: {error.strerror}", where=str(folder), do="train the model again",
                        exit_code=2) from error  # fmt: skip
    try:
        card = json.loads(files["model.json"])
        is_known = card["feature_set"] == features.label and card["names"] == list(features.names)
        manifest = {
            "format": FORMAT,
            "feature_set": card["feature_set"],
            "names": card["names"],
            "model_version": card["version"],
            "thresholds": card["thresholds"],
            "metrics": card["metrics"],
            "trained_on": card["trained_on"],
            "schemas": {name: contract(name).id for name in SCHEMAS},
            "reject_rules_version": REJECT_RULES_VERSION,
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            "parity": parity,
            "made_at": made_at_ms,
        }
    except (ValueError, KeyError, TypeError) as error:
        raise Fatal(
            what=f"model.json cannot be read: {error!r}", where=str(folder), do="train the model again", exit_code=2
        ) from error
    if not is_known:
        raise Fatal(what=f"the model is of {card['feature_set']}, not of {features.label}", where=str(folder),
                    do="give --features as it was trained", exit_code=2)  # fmt: skip
    text = _canonical(manifest)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {MANIFEST: text, SIGNATURE: sign(private, text), **files}.items():
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), content, zipfile.ZIP_DEFLATED)
    return _id(manifest), out.getvalue()


def read(path: Path, public: Path | None) -> Release:
    """The release in a file, checked whole: with `public` its signature as well. Fatal says what is wrong with it."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > MAX_BYTES:
                raise _refused(path, f"it holds more than {MAX_BYTES // 1024 // 1024} MiB")
            held = {each.filename: archive.read(each) for each in archive.infolist()}
    except OSError as error:
        raise Fatal(
            what=f"the release cannot be read: {error.strerror}", where=str(path), do="give a release file", exit_code=2
        ) from error
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise _refused(path, f"it is truncated or no release ({error})") from error
    if MANIFEST not in held:
        raise _refused(path, "it has no manifest")
    text, signature = held.pop(MANIFEST), held.pop(SIGNATURE, None)
    if public is not None:
        if signature is None:
            raise _refused(path, "it is not signed")
        if not is_signed(public, text, signature):
            raise _refused(path, f"its signature is not of {public.name}")
    try:
        manifest = json.loads(text)
        listed = dict(manifest["files"])
        is_known = manifest["format"] == FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise _refused(path, f"its manifest cannot be read ({error!r})") from error
    if not is_known:
        raise _refused(path, f"it has format {manifest['format']}, this riskstream reads {FORMAT}")
    if sorted(listed) != sorted(held):
        raise _refused(path, f"it holds {', '.join(sorted(held))} and lists {', '.join(sorted(listed))}")
    if missing := sorted(set(FILES) - set(held)):
        raise _refused(path, f"it lacks {', '.join(missing)}")
    if unknown := sorted(set(held) - {*FILES, STAGE2}):
        raise _refused(path, f"it holds {', '.join(unknown)}, which this riskstream does not know")
    for name, content in held.items():
        if hashlib.sha256(content).hexdigest() != listed[name]:
            raise _refused(path, f"{name} was altered")
    return Release(release_id=_id(manifest), manifest=manifest, files=held)


def check_fits(release: Release, features: FeatureSet, path: Path) -> None:
    """Fatal where the release was made for another feature set, other contracts or other reject rules than these."""
    manifest = release.manifest
    if manifest["feature_set"] != features.label or manifest["names"] != list(features.names):
        raise _refused(path, f"it was made for {manifest['feature_set']}, not for {features.label}")
    for name, number in manifest["schemas"].items():
        if number not in contract(name).versions:
            raise _refused(path, f"it was made for {name} {number}, which this riskstream does not know")
    made_for = manifest["reject_rules_version"]
    if not isinstance(made_for, int) or not 1 <= made_for <= REJECT_RULES_VERSION:  # later rules only reject more
        raise _refused(path, f"it was made for reject rules {made_for}, here are {REJECT_RULES_VERSION}")


def unpack(release: Release, folder: Path) -> None:
    """Write the release's files into a folder, as `OnnxModel` reads them."""
    for name, content in release.files.items():
        (folder / name).write_bytes(content)


def _canonical(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()


def _id(manifest: dict[str, Any]) -> str:
    lasting = {name: value for name, value in manifest.items() if name != "made_at"}
    return hashlib.sha256(_canonical(lasting)).hexdigest()[:12]


def _refused(path: Path, why: str) -> Fatal:
    return Fatal(
        what=f"the release is refused: {why}",
        where=str(path),
        do="give the file as it was packed and signed",
        exit_code=2,
    )
