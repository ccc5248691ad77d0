"""The local stack as a user starts and ends it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.local import server
from riskstream.workbench.local.server import free_port


def _cli(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from riskstream.cli.main import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=150, env={**os.environ, **env}, check=False
    )


def _processes(folder: Path) -> list[str]:
    """Command lines of the processes that name the folder, guards and servers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and "from riskstream.cli" not in line:
            found.append(line[:150])
    return found


def _is_open(address: str) -> bool:
    host, port = address.rsplit("/", 1)[0].rsplit("//", 1)[-1].rsplit(":", 1)
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _gone(folder: Path, addresses: list[str], deadline_s: float = 30.0) -> bool:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if not _processes(folder) and not any(map(_is_open, addresses)):
            return True
        time.sleep(0.1)
    return False


def test_up_is_found_by_a_second_up_and_down_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    first = _cli("local", "up", "--dir", str(folder))
    assert first.returncode == 0, first.stderr
    state = json.loads((folder / "state.json").read_text())
    addresses = [f"{state['kafka']}/", state["redis"]]
    assert all(map(_is_open, addresses))
    second = _cli("local", "up", "--dir", str(folder))
    assert "already running" in second.stdout
    assert state["kafka"] in second.stdout
    assert _cli("local", "status", "--dir", str(folder)).returncode == 0
    down = _cli("local", "down", "--dir", str(folder))
    assert down.stdout.strip() == "ended"
    assert _gone(folder, addresses, 5), _processes(folder)
    assert _cli("local", "status", "--dir", str(folder)).returncode == 3
    assert _cli("local", "down", "--dir", str(folder)).stdout.strip() == "was not running"


def test_servers_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    assert _cli("local", "up", "--dir", str(folder)).returncode == 0
    state = json.loads((folder / "state.json").read_text())
    os.kill(state["pid"], signal.SIGKILL)
    assert _gone(folder, [f"{state['kafka']}/", state["redis"]]), _processes(folder)
    assert _cli("local", "status", "--dir", str(folder)).returncode == 3


@pytest.mark.parametrize("option", ["--kafka-port", "--redis-port"])
def test_a_port_in_use_is_one_sentence_and_leaves_nothing(tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _cli("local", "up", "--dir", str(tmp_path), option, str(taken.getsockname()[1]))
    assert done.returncode == Exit.NOT_NOW
    assert "in use" in done.stderr
    assert done.stderr.count("\n") == 1
    assert _gone(tmp_path, [])


def test_too_little_disk_is_found_before_anything_starts(tmp_path: Path) -> None:
    done = _cli("local", "up", "--dir", str(tmp_path / "s"), "--min-free-mib", str(2**40))
    assert done.returncode == Exit.NO_DISK
    assert "MiB of disk are free" in done.stderr
    assert not (tmp_path / "s" / "redis").exists()


def test_no_network_and_no_jars_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    home = {"HOME": str(tmp_path / "home"), "RISKSTREAM_CACHE": str(tmp_path / "cache")}
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nowhere)
    done = _cli("local", "up", "--dir", str(tmp_path / "s"), **home, **proxies)
    assert done.returncode == Exit.NO_NETWORK, done.stderr
    assert "Kafka's jars could not be had" in done.stderr
    assert done.stderr.count("\n") == 1
    assert _gone(tmp_path / "s", [])


def test_a_missing_jar_is_had_again_or_named(tmp_path: Path) -> None:
    from riskstream.workbench.local import downloads

    folder = tmp_path / "cache" / "kafka"
    (folder / "env" / "jars").mkdir(parents=True)
    (folder / "env" / "jars" / "one.jar").write_text("x")
    marker = folder / f"{downloads.KAFKA.replace(':', '_')}.path"
    marker.write_text(str(folder / "env"))
    marker.with_suffix(".count").write_text("2")
    nowhere = f"http://127.0.0.1:{free_port()}"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nowhere)
    home = {"HOME": str(tmp_path / "home"), "RISKSTREAM_CACHE": str(tmp_path / "cache")}
    done = _cli("local", "up", "--dir", str(tmp_path / "s"), **home, **proxies)
    assert done.returncode == Exit.NO_NETWORK
    assert "Kafka's jars could not be had" in done.stderr


def test_servers_that_exist_are_used(tmp_path: Path) -> None:
    done = _cli("local", "up", "--dir", str(tmp_path), "--kafka", "h:1", "--redis", "redis://h:2")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "state.json").read_text())["kafka"] == "h:1"
    assert _cli("local", "down", "--dir", str(tmp_path)).returncode == 0


def test_a_port_is_given_to_one_process_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from riskstream.workbench.local.server import free_port; print(free_port(), "
        "flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert other.stdout
        port = int(other.stdout.readline())
        monkeypatch.setattr(server, "_LISTENING", range(port, port + 1))
        with pytest.raises(Fatal, match="no free port"):
            server.free_port()
        other.stdin.write("\n")
        other.stdin.flush()
        other.wait(30)
        assert server.free_port() == port
