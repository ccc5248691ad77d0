"""`riskstream release` and what a scorer refuses: unsigned, altered, cut off, by another key, for
something else.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from riskstream.cli.release import command
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_TILES
from riskstream.platform.adapters.release import check_fits, pack, read, read_bytes
from riskstream.platform.adapters.signing import PublicKey
from riskstream.runtime.errors import Fatal
from riskstream.scorer.models import load_model
from riskstream.scorer.settings import ScorerSettings
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, two keys, and a release signed by the first."""
    out = tmp_path_factory.mktemp("release")
    pq.write_table(simulate(Simulation(seed=5, customers=500, days=25)), out / "in.parquet")
    train(read_dataset(out / "in.parquet", STANDARD), STANDARD, FitSettings(trees=8), out / "model")
    for name in ("key", "other"):
        _run("keygen", "--out", str(out / name))
    _run("pack", str(out / "model"), "--key", str(out / "key"), "--out", str(out / "one.release"))
    return out


def _run(*given: str) -> Result:
    result = CliRunner().invoke(command, list(given))
    if result.exception:
        raise result.exception
    return result


def test_a_release_is_packed_verified_and_shown(folder: Path) -> None:
    said = _run("verify", str(folder / "one.release"), "--key", str(folder / "key.pub")).output
    shown = json.loads(_run("show", str(folder / "one.release")).output)
    assert shown["release"] in said
    assert shown["feature_set"] == STANDARD.label
    assert shown["trained_on"]["rows"] > 1000
    assert set(shown["files"]) == {"model.onnx", "model.json", "reasons.npz", "card.html"}
    assert set(shown["schemas"]) == {"transaction.v1", "score.v1"}
    assert (folder / "key").stat().st_mode & 0o077 == 0


def test_the_id_is_of_the_content_and_not_of_the_moment(folder: Path) -> None:
    once, again = (pack(folder / "model", STANDARD, folder / "key", at) for at in (1, 2))
    assert once[0] == again[0]
    assert once[1] != again[1]
    assert pack(folder / "model", STANDARD, folder / "key", 1) == once


def test_a_scorer_loads_the_model_of_a_release(folder: Path) -> None:
    settings = ScorerSettings(release=folder / "one.release", release_key=folder / "key.pub")
    card = json.loads((folder / "model" / "model.json").read_text())
    assert load_model(settings, STANDARD)[0].card.version == card["version"]


def test_a_release_carries_the_second_stage_of_its_model(folder: Path, tmp_path: Path) -> None:
    data = read_dataset(folder / "in.parquet", STANDARD)
    train(data, STANDARD, FitSettings(trees=8, stage2="fp32"), tmp_path / "model")
    path = tmp_path / "two.release"
    _run("pack", str(tmp_path / "model"), "--key", str(folder / "key"), "--out", str(path))
    settings = ScorerSettings(release=path, release_key=folder / "key.pub", stage2="on")
    policy = load_model(settings, STANDARD)[1]
    card = json.loads((tmp_path / "model" / "model.json").read_text())["stage2"]
    assert policy.stage2 is not None
    assert policy.model_version.endswith(f"+{card['version']}")
    with pytest.raises(Fatal, match="no second stage"):
        load_model(settings.model_copy(update={"release": folder / "one.release"}), STANDARD)


def test_a_signed_file_that_lacks_the_model_or_holds_more_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    import hashlib

    from riskstream.platform.adapters.signing import sign

    for change, words in (
        ({"model.onnx": None}, r"it lacks model\.onnx"),
        (
            {"setup.py": b"x"},
            (
                r"it holds 'setup\.py', "
                r"which"
            ),
        ),
    ):
        members = {**_members((folder / "one.release").read_bytes()), **change}
        held = {name: content for name, content in members.items() if content is not None}
        manifest = json.loads(held["manifest.json"])
        manifest["files"] = {
            name: hashlib.sha256(content).hexdigest()
            for name, content in held.items()
            if not name.startswith("manifest")
        }
        text = json.dumps(manifest).encode()
        path = tmp_path / "x.release"
        path.write_bytes(
            _zipped({**held, "manifest.json": text, "manifest.sig": sign(folder / "key", text)})
        )
        with pytest.raises(Fatal, match=words):
            read(path, PublicKey.read(folder / "key.pub"))


def test_a_parity_run_that_does_not_hold_stops_the_release(folder: Path, tmp_path: Path) -> None:
    given = [
        "pack",
        str(folder / "model"),
        "--key",
        str(folder / "key"),
        "--out",
        str(tmp_path / "p.release"),
        "--parity",
    ]
    for text, words in (
        ('{"compared": 9, "vectors_differ": 2, "is_whole": false}', r"vectors_differ 2"),
        ('{"compared": 0, "vectors_differ": 0, "is_whole": false}', "nothing was compared"),
        ("[]", ("not a result of parity")),
    ):
        (tmp_path / "parity.json").write_text(text)
        with pytest.raises(Fatal, match=words):
            _run(*given, str(tmp_path / "parity.json"))
        assert not (tmp_path / "p.release").exists()
    (tmp_path / "parity.json").write_text(
        '{"compared": 9, "vectors_differ": 0, "is_whole": true, "problems": []}'
    )
    _run(*given, str(tmp_path / "parity.json"))
    shown = json.loads(_run("show", str(tmp_path / "p.release")).output)
    assert shown["parity"] == {"compared": 9, "vectors_differ": 0}


def _members(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _with(**change: bytes | None) -> Callable[[bytes], bytes]:
    def changed(raw: bytes) -> bytes:
        members = _members(raw)
        for name, content in change.items():
            key = name.replace("__", ".")
            if content is None:
                del members[key]
            else:
                members[key] = content
        return _zipped(members)

    return changed


def _flipped(raw: bytes) -> bytes:
    members = _members(raw)
    model = bytearray(members["model.onnx"])
    model[len(model) // 2] ^= 1
    return _zipped({**members, "model.onnx": bytes(model)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_with(manifest__sig=None), "not signed"),
        (_with(manifest__json=None), "no manifest"),
        (_flipped, r"model\.onnx was altered"),
        (_with(manifest__sig=b"\0" * 64), r"its signature is not of key"),
        (lambda raw: raw[: len(raw) // 2], "truncated"),
        (lambda _: b"hello", "truncated or no release"),
        (_with(extra=b"x"), "it holds"),
        (_with(reasons__npz=None), ("it holds")),
        (_with(manifest__json=b'{"format":1}'), "its signature is not of"),
    ],
)
def test_what_was_done_to_a_release_is_found(
    folder: Path, tmp_path: Path, change: Any, words: str
) -> None:
    path = tmp_path / "x.release"
    path.write_bytes(change((folder / "one.release").read_bytes()))
    with pytest.raises(Fatal, match=words):
        read(path, PublicKey.read(folder / "key.pub"))
    settings = ScorerSettings(release=path, release_key=folder / "key.pub")
    with pytest.raises(Fatal, match=words):
        load_model(settings, STANDARD)


def test_another_key_another_set_and_no_key_are_refused(folder: Path) -> None:
    path = folder / "one.release"
    with pytest.raises(Fatal, match=r"signature is not of key"):
        read(path, PublicKey.read(folder / "other.pub"))
    with pytest.raises(Fatal, match=r"made for standard\.v2, not for standard-tiles\.v2"):
        check_fits(read(path, None), STANDARD_TILES, "x")
    with pytest.raises(Fatal, match="no key it must be signed by"):
        load_model(ScorerSettings(release=path), STANDARD)
    with pytest.raises(Fatal, match=r"not for standard-tiles\.v2"):
        pack(folder / "model", STANDARD_TILES, folder / "key", 1)


def test_settings_that_contradict_one_another_are_one_sentence(folder: Path) -> None:
    release, key, model = folder / "one.release", folder / "key.pub", folder / "model"
    for settings, words in (
        (
            ScorerSettings(release=release, release_key=key, model=model),
            ("both a release and a model folder"),
        ),
        (
            ScorerSettings(release=release, release_key=folder / "no.pub"),
            (
                r"key cannot be read: No such "
                r"file"
            ),
        ),
        (ScorerSettings(release=release, release_key=folder / "key"), "not a public key"),
        (
            ScorerSettings(release=release, release_key=folder),
            r"key cannot be read: it is a folder",
        ),
        (
            ScorerSettings(release=folder, release_key=key),
            r"release cannot be read: it is a folder",
        ),
        (ScorerSettings(release=model / "model.json", release_key=key), "truncated or no release"),
        (
            ScorerSettings(model=model, provider="cuda"),
            ("provider cuda runs the second stage, and there is none"),
        ),
        (
            ScorerSettings(release=release, release_key=key, provider="tensorrt"),
            ("provider tensorrt runs the second"),
        ),
        (ScorerSettings(model=model, provider="cuda", stage2="off"), "none here: --stage2 off"),
        (ScorerSettings(model=model, engine_cache=folder), "provider cpu keeps no engines"),
    ):
        with pytest.raises(Fatal, match=words) as caught:
            load_model(settings, STANDARD)
        assert caught.value.exit_code == 2


def test_contracts_and_reject_rules_of_another_riskstream_are_refused(folder: Path) -> None:
    release = read(folder / "one.release", None)
    for change, words in (
        ({"schemas": {"score.v1": 1}}, "made for score.v1 1"),
        ({"reject_rules_version": 99}, ("reject rules 99")),
    ):
        release.manifest.update(change)
        with pytest.raises(Fatal, match=words):
            check_fits(release, STANDARD, "x")
        release = read(folder / "one.release", None)


def test_wrong_keys_and_folders_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(Fatal, match="not a public key"):
        read(folder / "one.release", PublicKey.read(tmp_path / "text"))
    with pytest.raises(Fatal, match="not a private key"):
        pack(folder / "model", STANDARD, tmp_path / "text", 1)
    with pytest.raises(Fatal, match="cannot be read"):
        pack(tmp_path, STANDARD, folder / "key", 1)
    with pytest.raises(Fatal, match="there already"):
        _run("keygen", "--out", str(folder / "key"))
    with pytest.raises(Fatal, match="cannot be read"):
        read(tmp_path / "none", PublicKey.read(folder / "key.pub"))


def test_archives_of_other_forms_and_bombs_are_refused_before_they_are_unpacked(
    folder: Path,
) -> None:
    raw = (folder / "one.release").read_bytes()
    members = _members(raw)
    key = PublicKey.read(folder / "key.pub")
    lzma, bomb, twice = io.BytesIO(), io.BytesIO(), io.BytesIO(raw)
    with zipfile.ZipFile(lzma, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**members, "card.html": bytes(64 * 1024 * 1024)}.items():
            archive.writestr(name, content)
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("model.onnx", b"another")
    encrypted = bytearray(raw)
    at = encrypted.index(b"PK\x01\x02")
    encrypted[at + 8] |= 1
    for content, words in (
        (lzma.getvalue(), "packed in a way"),
        (bytes(encrypted), "packed in a way"),
        (bomb.getvalue(), ("unpacks to more")),
        (twice.getvalue(), "a name twice"),
        (b"PK", "no release"),
        (raw[:-30], "no release"),
    ):
        with pytest.raises(Fatal, match=words):
            read_bytes(content, key, "x")
