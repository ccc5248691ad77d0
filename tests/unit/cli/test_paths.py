"""Every path that a command reads: a named pipe, a device, a folder or a socket is refused in one
sentence, and nothing waits.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from riskstream.cli.main import root
from riskstream.cli.options import InputData, InputFile, InputFolder
from riskstream.platform.adapters.signing import PublicKey
from riskstream.runtime.errors import Fatal
from riskstream.runtime.files import read_regular

WRITTEN = {"--out", "--bad", "--state", "--json", "--page", "--metrics"}
"""Asked by `check_file` or `check_folder`, or folders of our own."""
FOLDERS = {("local", "--dir"), ("local", "--model"), ("release", "model")}
"""Of the first one files of our own; of the others each file is read by `read_regular`."""
KINDS = {"a named pipe": "pipe", "a folder": "folder", "a socket": "socket", "a device": "null"}


def _paths(
    group: click.Group, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Parameter]]:
    """(words of the command, parameter) of each parameter that is a path."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _paths(command, (*words, name))
            continue
        yield from (
            ((*words, name), each) for each in command.params if isinstance(each.type, click.Path)
        )


PATHS = list(_paths(root))
READ = [(words, each) for words, each in PATHS if isinstance(each.type, InputFile | InputData)]


def test_every_path_is_read_or_written_or_a_folder() -> None:
    others = {
        (words[0], each.opts[-1])
        for words, each in PATHS
        if not isinstance(each.type, InputFile | InputFolder | InputData)
    }
    assert {pair for pair in others if pair[1] not in WRITTEN} == FOLDERS
    assert len(READ) > 15


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """By kind a path that is no regular file."""
    found = {kind: tmp_path / name for kind, name in KINDS.items()}
    os.mkfifo(found["a named pipe"])
    found["a folder"].mkdir()
    found["a device"].symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as held, pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        held.bind("socket")
        yield found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("words", "read"),
    READ,
    ids=lambda given: given.opts[-1] if hasattr(given, "opts") else "-".join(given),
)
def test_what_is_no_regular_file_is_refused(
    odd: dict[str, Path], words: tuple[str, ...], read: click.Parameter, kind: str
) -> None:
    may_be_folder = isinstance(read.type, InputData) or (
        isinstance(read.type, InputFile) and read.type.may_be_folder
    )
    if kind == "a folder" and may_be_folder:
        pytest.skip("a folder is right here: files of data, or a model")
    before = ["L"] if words == ("lists", "set") else []
    given = (
        [read.opts[-1], str(odd[kind])]
        if isinstance(read, click.Option)
        else [*before, str(odd[kind])]
    )
    done = CliRunner().invoke(root, [*words, *given])
    assert isinstance(done.exception, Fatal), done.output
    assert done.exception.exit_code == 2
    assert (
        f"{odd[kind].name} cannot be read: it is {kind} ({odd[kind]}): give a regular file as "
        in str(done.exception)
    )


def test_a_folder_of_schemas_that_is_none_is_refused(odd: dict[str, Path]) -> None:
    done = CliRunner().invoke(root, ["contracts", "check", "--schemas", str(odd["a named pipe"])])
    assert isinstance(done.exception, Fatal)
    assert done.exception.what == "pipe is not a folder"


def test_a_file_of_a_folder_or_a_setting_that_is_a_pipe_is_refused(odd: dict[str, Path]) -> None:
    with pytest.raises(OSError, match="it is a named pipe"):
        read_regular(odd["a named pipe"])
    with pytest.raises(Fatal, match="the key cannot be read: it is a named pipe"):
        PublicKey.read(odd["a named pipe"])


RULES = (
    "rules: [{id: a, when: base_amount_minor >= 5, action: REVIEW, reason: RULE_A, max_share: "
    "0.1}]\n"
)


@pytest.mark.parametrize("path", ["/dev/stdin", "/dev/fd/0"])
def test_rules_are_read_from_a_pipe_that_was_given(path: str) -> None:
    command = [
        sys.executable,
        "-c",
        "from riskstream.cli.main import main; main()",
        "rules",
        "check",
        path,
    ]
    done = subprocess.run(
        command, input=RULES, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (
        0,
        "a v1: REVIEW when base_amount_minor >= 5\n1 rule OK, 0 lists\n",
    )
    refused = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.endswith(
        "it is a device (" + path + "): give a regular file as FILE, or /dev/stdin behind a pipe\n"
    )


def test_parity_says_what_is_wrong_with_its_file_before_it_reads_the_topics(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        root, ["parity", "--kafka", "127.0.0.1:1", "--data", str(tmp_path / "no.parquet")]
    )
    assert isinstance(done.exception, Fatal), done.exception
    assert str(done.exception).startswith("there is no such file")
