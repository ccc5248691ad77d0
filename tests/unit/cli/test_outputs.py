"""Nothing of the user's is replaced: every option that writes, against what may stand in its way,
before any work.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from riskstream.cli.main import COMMANDS, LazyGroup, root
from riskstream.cli.outputs import is_page, is_release, json_with, parquet_of, write_parquet
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_file, check_folder, whole, whole_folder
from riskstream.workbench.training.fit import is_model_folder

NOWHERE = ("--kafka", "127.0.0.1:1")
IN = "in.parquet"
FILES: dict[tuple[str, str], tuple[str, ...]] = {
    ("features", "--out"): ("--data", IN),
    ("simulate", "--out"): ("--customers", "10", "--days", "1"),
    ("evaluate", "--json"): ("--scores", IN, "--labels", IN),
    ("evaluate", "--page"): ("--scores", IN, "--labels", IN),
    ("score", "--out"): ("--model", "theirs", "--data", IN),
    ("compare", "--json"): (IN, IN, "--data", IN),
    ("compare", "--page"): (IN, IN, "--data", IN),
    ("check", "--page"): (IN,),
    ("map", "--out"): (IN,),
    ("logged", "--out"): NOWHERE,
    ("parity", "--json"): NOWHERE,
    ("parity", "--metrics"): NOWHERE,
    ("replay", "--bad"): (IN, *NOWHERE),
    ("replay", "--state"): (IN, *NOWHERE),
    ("release keygen", "--out"): (),
    ("release pack", "--out"): ("model", "--key", "key"),
}
FOLDERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("train", "--out"): ("--data", IN),
    ("demo", "--out"): (),
    ("report run", "--out"): NOWHERE,
    ("local up", "--dir"): (),
    ("local down", "--dir"): ("--wipe",),
}
READ = {"--data", "--scores", "--labels", "--key", "--mapping", "--parity", "--schemas", "--model"}
ONLY_READ = {
    ("report list", "--out"),
    ("iso20022 check", "--rates"),
    ("iso20022 check", "--account-key"),
    ("report show", "--out"),
    ("local status", "--dir"),
    # below the folder of a stack that runs
    *((f"local services {each}", "--dir") for each in ("up", "status", "down", "logs")),
}


def _options(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    if isinstance(command, click.Group):
        for each in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), each)
            assert found is not None
            yield from _options(f"{name} {each}".strip(), found)
        return
    for option in command.params:
        if isinstance(option, click.Option) and isinstance(option.type, click.Path):
            yield name, option.opts[0]


def test_every_option_with_a_path_is_known_to_these_tests() -> None:
    assert isinstance(root, LazyGroup)
    assert COMMANDS
    found = {place for place in _options("", root) if place[1] not in READ}
    assert found == {*FILES, *FOLDERS} | ONLY_READ


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"transaction_id": ["1"]}), IN)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "risk.pem").write_text("a private key")
    (tmp_path / "theirs.txt").write_text("a letter")
    return tmp_path


def _refused(place: tuple[str, str], given: tuple[str, ...], path: str) -> str:
    result = CliRunner().invoke(root, [*place[0].split(), *given, place[1], path])
    assert isinstance(result.exception, Fatal), (result.output, result.exception)
    sentence = str(result.exception)
    assert "\n" not in sentence
    return sentence


def _held(folder: Path) -> dict[str, bytes]:
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file()
    }


@pytest.mark.parametrize("place", [*FILES, *FOLDERS], ids=" ".join)
def test_what_somebody_else_put_there_stays(folder: Path, place: tuple[str, str]) -> None:
    given = {**FILES, **FOLDERS}[place]
    before = _held(folder)
    (folder / "link").symlink_to("theirs" if place in FOLDERS else "theirs.txt")
    (folder / "loop").symlink_to("loop")
    in_the_way = ["theirs", "theirs.txt", "link", "theirs.txt/below", "n" * 300]
    for path in (
        in_the_way if place != ("local down", "--dir") else ["theirs", "theirs.txt", "link"]
    ):
        assert "cannot be written" in _refused(place, given, path) or place[0] == "release keygen"
    assert "loop" in _refused(place, given, "loop")
    assert {name: raw for name, raw in _held(folder).items() if name != "link"} == before


def test_a_file_that_is_read_is_never_written(folder: Path) -> None:
    write_parquet(
        folder / "own.parquet", pa.table({"transaction_id": ["1"]}), "features", private=True
    )
    assert "also read" in _refused(("features", "--out"), ("--data", "own.parquet"), "own.parquet")
    assert "also read" in _refused(("replay", "--bad"), (IN, *NOWHERE), IN)


MAPPING = Path("examples/mappings/paysim.yaml").absolute()
MAPPED = [
    place
    for place in (*FILES, *FOLDERS)
    if any(each == (place[0], "--mapping") for each in _options("", root))
]


@pytest.mark.parametrize("place", MAPPED, ids=" ".join)
def test_a_mapping_and_each_file_of_a_folder_are_never_written(
    folder: Path, place: tuple[str, str]
) -> None:
    (folder / "m.yaml").write_bytes(MAPPING.read_bytes())
    (folder / "in").mkdir()
    (folder / "in" / IN).write_bytes((folder / IN).read_bytes())
    given = list({**FILES, **FOLDERS}[place])
    if IN in given:  # the last one is the data
        given[-1 - given[::-1].index(IN)] = "in"
    else:
        given += ["--data", "in"]
    for read in ("m.yaml", f"in/{IN}"):
        assert "also read" in _refused(place, (*given, "--mapping", "m.yaml"), read)


def test_a_pair_of_keys_is_never_overwritten_by_half(folder: Path) -> None:
    (folder / "risk.pub").write_text("a public key")
    assert "risk.pub is there already" in _refused(("release keygen", "--out"), (), "risk")
    assert not (folder / "risk").exists()
    assert (folder / "risk.pub").read_text() == "a public key"


def test_own_files_give_way_and_stay_whole_where_it_fails(tmp_path: Path) -> None:
    out, table = tmp_path / "o.parquet", pa.table({"a": [1]})
    for _ in range(2):
        check_file(out, is_own=parquet_of("logged"))
        write_parquet(out, table, "logged", private=True)
    assert out.stat().st_mode & 0o777 == 0o600
    with pytest.raises(
        Fatal,
        match=r"o\.parquet cannot be written: a file that this command did not "
        r"write",
    ):
        check_file(out, is_own=parquet_of("features"))
    with pytest.raises(RuntimeError, match="half way"), whole(out) as partial:  # noqa: PT012  the block is what fails
        partial.write_text("half")
        raise RuntimeError("half way")
    assert pq.read_table(out).equals(table)
    assert [each.name for each in tmp_path.iterdir()] == ["o.parquet"]


def test_a_symlink_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    with whole(tmp_path / "link") as partial:
        partial.write_text("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "file").read_text() == "x"


def test_a_folder_is_replaced_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "model"
    for text in ("one", "two"):
        with whole_folder(out) as partial:
            (partial / "model.onnx").write_text(text)
    with pytest.raises(Fatal, match="cannot be written: No space"), whole_folder(out) as partial:  # noqa: PT012  the block is what fails
        (partial / "model.onnx").write_text("three")
        raise OSError(28, "No space left on device")
    assert (out / "model.onnx").read_text() == "two"
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_takes_no_file_is_told_before_the_work(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    me = os.geteuid()
    if me == 0:  # root may write anywhere
        os.seteuid(65534)
    try:
        for check in (check_file, check_folder):
            with pytest.raises(Fatal, match="out cannot be written: Permission denied"):
                check(locked / "out", is_own=lambda _: True)
    finally:
        os.seteuid(me)


def test_a_model_folder_with_anything_more_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"version": "1", "feature_set": "standard.v1"}')
    (tmp_path / "model.onnx").write_text("")
    check_folder(tmp_path / "none", is_own=is_model_folder)
    check_folder(tmp_path, is_own=is_model_folder)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(Fatal, match="files that this command did not write"):
        check_folder(tmp_path, is_own=is_model_folder)


def test_pipes_devices_and_files_of_other_forms_are_not_ours(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(Fatal, match="no regular file"):
            check_file(path, is_own=lambda _: True)
    for text in ("", "{", "[]", '{"rows": 1}', "PK\x03\x04", "\0" * 4000):
        other = tmp_path / "other"
        other.write_text(text)
        for is_own in (parquet_of("features"), json_with("rows", "days"), is_page, is_release):
            if text:
                with pytest.raises(Fatal, match="did not write"):
                    check_file(other, is_own=is_own)
            else:
                check_file(other, is_own=is_own)


@pytest.mark.parametrize("check", [check_file, check_folder])
def test_a_full_disk_is_found_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Any
) -> None:
    def full(_handle: int, data: bytes) -> int:
        return len(data) - 1  # what fits is written, and told by its size

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Fatal, match="out cannot be written: No space") as caught:
        check(tmp_path / "out", is_own=is_model_folder)
    assert caught.value.exit_code == Exit.NO_DISK
    assert caught.value.do == "free some space, or give another --out"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_has_the_same_exit_code(tmp_path: Path) -> None:
    with pytest.raises(Fatal) as caught, whole(tmp_path / "out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.exit_code == Exit.NO_DISK
    with pytest.raises(Fatal) as caught, whole(tmp_path / "out"):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    assert caught.value.exit_code == Exit.NO
