"""`riskstream local services` as a user starts and ends them, on a stack of other tests."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from riskstream.runtime.local_stack import running
from riskstream.workbench.local.chain import Chain

QUICK = ("--only", "gateway", "--only", "lag", "--gateway-port", "0")
"""The two that join no group and claim no topic."""


def _start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from riskstream.cli.main import main; main()", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a run in the background has its children ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _local(folder: Path, *arguments: str) -> tuple[int, str]:
    with _start("local", *arguments, "--dir", str(folder)) as done:
        out, errors = done.communicate(timeout=150)
    return done.returncode, out + errors


@pytest.fixture
def folder(bare: Chain, tmp_path: Path) -> Iterator[Path]:
    """The folder of a local stack that uses servers that are there."""
    addresses = ("--kafka", bare.stack.kafka, "--redis", bare.stack.redis)
    code, said = _local(tmp_path / "stack", "up", *addresses)
    assert code == 0, said
    yield tmp_path / "stack"
    _local(tmp_path / "stack", "down")


def _pids(folder: Path) -> list[int]:
    return [
        each["pid"] for each in json.loads((folder / "services/state.json").read_text())["services"]
    ]


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists()


def test_services_start_twice_in_a_row_and_leave_nothing(folder: Path) -> None:
    code, said = _local(folder, "services", "up", *QUICK)
    assert code == 0, said
    assert "lag is ready" in said
    pids = _pids(folder)
    assert all(map(_is_there, pids))
    code, again = _local(folder, "services", "up", *QUICK)
    assert code == 0
    assert "already running" in again
    assert _pids(folder) == pids
    state = json.loads((folder / "services/state.json").read_text())
    addresses = {each["name"]: each["telemetry"] for each in state["services"]}
    code, logs = _local(folder, "services", "logs", "--lines", "100")
    assert code == 0
    for address in addresses.values():
        assert f'"telemetry": "{address}"' in logs

    os.kill(pids[0], signal.SIGKILL)
    _until(lambda: _local(folder, "services", "status")[0] == 1)
    code, said = _local(folder, "services", "up", *QUICK)
    assert code == 0, said
    assert "ended by itself" in said
    assert not any(map(_is_there, pids))
    pids = _pids(folder)
    assert all(map(_is_there, pids))
    assert _local(folder, "services", "down") == (0, "ended\n")
    assert not any(map(_is_there, pids))
    assert _local(folder, "services", "status") == (3, "not running\n")

    code, said = _local(folder, "services", "up", *QUICK)
    assert code == 0, said
    pids = _pids(folder)
    code, said = _local(folder, "down")
    assert said == "services ended\nended\n"
    assert not any(map(_is_there, pids))


def test_ctrl_c_while_they_start_leaves_nothing(folder: Path) -> None:
    with _start("local", "services", "up", *QUICK, "--dir", str(folder)) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if line.startswith("starting lag"):
                break
        os.kill(up.pid, signal.SIGINT)
        up.wait(60)
        assert up.returncode == 130
    assert running(folder / "services") is None
    assert not (folder / "services/state.json").exists()
    assert _guards_of(folder) == []


def _guards_of(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(folder / "services").encode() in path.read_bytes():
                found.append((path.parent / "cmdline").read_text())
        except OSError:
            continue
    return found


def _until(is_so: Callable[[], bool], deadline_s: float = 15.0) -> None:
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)
