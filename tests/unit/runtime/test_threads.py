"""A thread that ends by an exception is never unseen: the process is not alive from then on, and
ends.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import riskstream

PACKAGE = Path(riskstream.__file__).parent
SERVICES = sorted(path.parent.name for path in PACKAGE.glob("*/__main__.py"))
PROGRAM = """
import threading
import urllib.error
import urllib.request

from riskstream.runtime.run import run_main, stop_event
from riskstream.platform.telemetry.health import TelemetryServer


def ask(path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{health.port}/{path}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def main():
    global health
    stop = stop_event()
    health = TelemetryServer("127.0.0.1", 0)
    health.show(is_alive=lambda: True, is_ready=lambda: True)
    print(ask("livez"), ask("readyz"))
    threading.Thread(target=lambda: {}["never thought of"], name="reader", daemon=True).start()
    assert stop.wait(20)
    print(ask("livez"), ask("readyz"))


run_main(main)
"""


def test_a_thread_that_dies_is_seen_and_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 70, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "200 200"
    assert lines[-1] == "503 503"
    assert "a thread has ended: ending the process" in done.stdout
    assert "never thought of" in done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_run_so_that_its_threads_are_watched(service: str) -> None:
    assert "run_main(main)" in (PACKAGE / service / "__main__.py").read_text()
