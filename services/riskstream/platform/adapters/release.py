"""A release: a model folder with everything it was made for, in one signed file.

A zip of the model's files, `manifest.json` and `manifest.sig`. The manifest names each file with
its SHA-256, the feature set, thresholds, schema ids, version of the reject rules and metrics; its
own hash, without the time it was made, is the release's id. What is altered, cut off, signed by
another key or made for other contracts is refused before anything is used.
"""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskstream.domain.contracts.catalog import contract
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.validity import REJECT_RULES_VERSION
from riskstream.platform.adapters.signing import PublicKey, sign
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import read_regular

FORMAT = 1
FILES = ("model.json", "model.onnx", "reasons.npz", "card.html")
STAGE2 = "stage2.onnx"
"""Only where the model has a second stage."""
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
SCHEMAS = ("transaction.v1", "score.v1")
MAX_BYTES = 256 * 1024 * 1024
MAX_FILE_BYTES = 128 * 1024 * 1024
MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES = 1024 * 1024, 64
MAX_RATIO = 50
"""Unpacked bytes a packed one: trees pack to a fifth, a bomb to a thousandth."""
BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OSError,
    KeyError,
    IndexError,
    struct.error,
    OverflowError,
    zlib.error,
)
"""What zipfile raises at bytes that are no archive."""
_ENCRYPTED = 0x1
_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release that was read and is whole: `manifest`, and the content of each file."""

    release_id: str
    manifest: dict[str, Any]
    files: dict[str, bytes]


def pack(
    folder: Path,
    features: FeatureSet,
    private: Path,
    made_at_ms: int,
    parity: dict[str, int] | None = None,
) -> tuple[str, bytes]:
    """(id, the file) of a model folder. Fatal where a file of it is missing or is not of this
    feature set.

    `parity`: counts of a run that holds, to stand in the manifest.
    """
    files = {}
    for name in (*FILES, *((STAGE2,) if (folder / STAGE2).exists() else ())):
        try:
            files[name] = read_regular(folder / name)
        except OSError as error:
            raise Fatal(
                what=f"{name} cannot be read: {error.strerror}",
                where=str(folder),
                do="train the model again",
                exit_code=Exit.INPUT,
            ) from error
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
            what=f"model.json cannot be read: {error!r}",
            where=str(folder),
            do="train the model again",
            exit_code=Exit.INPUT,
        ) from error
    if not is_known:
        raise Fatal(
            what=f"the model is for {card['feature_set']}, not for {features.label}",
            where=str(folder),
            do="give --features as it was trained",
            exit_code=Exit.INPUT,
        )
    text = _canonical(manifest)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {MANIFEST: text, SIGNATURE: sign(private, text), **files}.items():
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), content, zipfile.ZIP_DEFLATED)
    return _id(manifest), out.getvalue()


def read(path: Path, public: PublicKey | None) -> Release:
    """The release in a file, checked whole: with `public` its signature as well. Fatal says what is
    wrong with it.
    """
    try:
        raw = read_regular(path, MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Fatal(
            what=f"the release cannot be read: {error.strerror}",
            where=str(path),
            do="give a release file",
            exit_code=Exit.INPUT,
        ) from error
    return read_bytes(raw, public, path.name)


def read_bytes(raw: bytes, public: PublicKey | None, where: str) -> Release:
    """The release in a file's bytes. Only the manifest is unpacked before its signature holds, and
    no more than bounds allow.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            sizes = _checked_entries(archive, len(raw), where)
            text, signature = (
                archive.read(MANIFEST),
                archive.read(SIGNATURE) if SIGNATURE in sizes else None,
            )
            if public is not None:
                if signature is None:
                    raise _refused(where, "it is not signed")
                if not public.is_signed(text, signature):
                    raise _refused(where, f"its signature is not of key {public.fingerprint}")
            manifest, listed = _manifest(text, where)
            held = {name: archive.read(name) for name in sizes if name not in (MANIFEST, SIGNATURE)}
    except BROKEN_ARCHIVE as error:
        raise _refused(where, f"it is truncated or no release ({error})") from error
    if sorted(listed) != sorted(held):
        raise _refused(
            where, f"it holds {', '.join(sorted(held))} and lists {', '.join(sorted(listed))}"
        )
    if missing := sorted(set(FILES) - set(held)):
        raise _refused(where, f"it lacks {', '.join(missing)}")
    for name, content in held.items():
        if hashlib.sha256(content).hexdigest() != listed[name]:
            raise _refused(where, f"{name} was altered")
    return Release(release_id=_id(manifest), manifest=manifest, files=held)


def _checked_entries(archive: zipfile.ZipFile, packed: int, where: str) -> dict[str, int]:
    """Unpacked size by name, as the archive's directory has it. Fatal where there is more, other or
    larger than we pack.
    """
    if packed > MAX_FILE_BYTES:
        raise _refused(where, f"it has more than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    entries = archive.infolist()
    sizes = {each.filename: each.file_size for each in entries}
    known = {MANIFEST, SIGNATURE, *FILES, STAGE2}
    if unknown := sorted(set(sizes) - known):
        raise _refused(where, f"it holds {unknown[0][:40]!r}, which this riskstream does not know")
    if len(entries) != len(sizes):
        raise _refused(where, "it holds a name twice")
    if MANIFEST not in sizes:
        raise _refused(where, "it has no manifest")
    for each in entries:
        if each.flag_bits & _ENCRYPTED or each.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise _refused(where, f"{each.filename} is packed in a way that releases are not")
    if sizes[MANIFEST] > MAX_MANIFEST_BYTES or sizes.get(SIGNATURE, 0) > MAX_SIGNATURE_BYTES:
        raise _refused(where, "its manifest or signature is too large")
    if sum(sizes.values()) > min(MAX_BYTES, max(MAX_RATIO * packed, 1024 * 1024)):
        raise _refused(
            where,
            f"it unpacks to more than {MAX_BYTES // 1024 // 1024} MiB or {MAX_RATIO} times its "
            "size",
        )
    return sizes


def _manifest(text: bytes, where: str) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        manifest = json.loads(text)
        listed = dict(manifest["files"])
        is_known = manifest["format"] == FORMAT
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _refused(where, f"its manifest cannot be read ({error!r})") from error
    if not is_known:
        raise _refused(
            where, f"it has format {str(manifest['format'])[:20]}, this riskstream reads {FORMAT}"
        )
    return manifest, listed


def check_fits(release: Release, features: FeatureSet, where: str) -> None:
    """Fatal where the release was made for another feature set, other contracts or other reject
    rules than these.
    """
    manifest = release.manifest
    if manifest["feature_set"] != features.label or manifest["names"] != list(features.names):
        raise _refused(
            where, f"it was made for {manifest['feature_set']}, not for {features.label}"
        )
    for name, number in manifest["schemas"].items():
        if number not in contract(name).versions:
            raise _refused(
                where, f"it was made for {name} {number}, which this riskstream does not know"
            )
    made_for = manifest["reject_rules_version"]
    # later rules only reject more
    if not isinstance(made_for, int) or not 1 <= made_for <= REJECT_RULES_VERSION:
        raise _refused(
            where, f"it was made for reject rules {made_for}, here are {REJECT_RULES_VERSION}"
        )


def unpack(release: Release, folder: Path) -> None:
    """Write the release's files into a folder, as `OnnxModel` reads them."""
    for name, content in release.files.items():
        (folder / name).write_bytes(content)


def _canonical(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()


def _id(manifest: dict[str, Any]) -> str:
    lasting = {name: value for name, value in manifest.items() if name != "made_at"}
    return hashlib.sha256(_canonical(lasting)).hexdigest()[:12]


def _refused(where: str, why: str) -> Fatal:
    return Fatal(
        what=f"the release is refused: {why}",
        where=where,
        do="give the file as it was packed and signed",
        exit_code=Exit.INPUT,
    )
