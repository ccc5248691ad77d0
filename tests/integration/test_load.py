"""The load driver on a gateway's server without Kafka: every door, its figures, its page."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loadtests.gateway.load import DOORS, Stage, figures, percentile, stages_of
from prometheus_client import CollectorRegistry
from tests.support.fake_door import fake_door

from riskstream.gateway.listening import bound
from riskstream.gateway.serving import http_server
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import GatewayMetrics


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    app, _ = fake_door()
    listening = bound("127.0.0.1", 0)
    server = http_server(app, GatewaySettings(), GatewayMetrics(CollectorRegistry()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("door", DOORS)
def test_each_door_is_loaded_in_stages_and_shown(gateway: str, door: str, tmp_path: Path) -> None:
    given = ["--door", door, "--stages", "20x0.2,40x0.2", "--p99-ms", "60000"]
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.gateway.load", gateway, *given, "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / f"{door}.json").read_text())
    assert [each["requests"] for each in found] == [4, 8]
    assert [set(each["statuses"]) for each in found] == [{str(DOORS[door].right[0])}] * 2
    page = (tmp_path / f"{door}.html").read_text()
    assert "40/s for 0.2 s" in page
    assert "http" not in page.replace(gateway, "")


def test_a_broken_threshold_is_told() -> None:
    said = [{"status": 200 if at else 500, "took_ms": float(at)} for at in range(300)]
    found = figures(said, Stage(10, 30), DOORS["decisions"])
    assert (found["p50_ms"], found["p99_ms"], found["most_ms"]) == (149, 296, 299)
    assert len(found["problems"]) == 2
    assert figures([], Stage(1, 1), DOORS["labels"])["problems"] == []
    assert percentile([], 0.5) == 0
    for wrong in ("", "5", "5x", "0x1", "1x2x3", "-1x1", "nanx1"):
        with pytest.raises((ValueError, TypeError)):
            stages_of(wrong)
