"""A gateway that is told to end, under load: it says so, answers on, and loses no answer."""

import http.client
import json
import os
import signal
import threading
import time
from pathlib import Path

from tests.support.builders import request
from tests.support.world import World

from riskstream.workbench.local.server import free_port
from riskstream.workbench.local.services import start_service, wait_ready

DRAIN_S = 1.5


class Caller(threading.Thread):
    """Asks for decisions one after another, anew where the gateway closes; `found` are statuses and
    errors.
    """

    def __init__(self, port: int, name: str) -> None:
        super().__init__(name=name)
        self._port, self.found, self.is_over = port, list[int | str](), False
        self.closed = 0

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self.is_over:
            body = request(
                transaction_id=f"{self.name}-{len(self.found)}",
                customer_id=self.name,
                occurred_at=int(time.time() * 1000),
            )
            try:
                connection.request(
                    "POST", "/v1/decisions?deadline_ms=5000", json.dumps(body).encode()
                )
                answer = connection.getresponse()
                answer.read()
                self.found.append(answer.status)
                self.closed += answer.getheader("connection") == "close"
            except (OSError, http.client.HTTPException) as error:
                self.found.append(repr(error))
                connection.close()
        connection.close()


def test_it_drains_under_load_before_it_ends(world: World, tmp_path: Path) -> None:
    port = free_port()
    given = ("--kafka", world.kafka, "--port", str(port), "--drain-s", str(DRAIN_S))
    arguments = (*given, "--auth", "none")
    service = start_service("gateway-drain", tmp_path, *arguments)
    try:
        wait_ready([service])
        callers = [Caller(port, f"{world.tag}-{number}") for number in range(4)]
        for caller in callers:
            caller.start()
        time.sleep(0.5)
        told = time.monotonic()
        os.kill(service.server.pid, signal.SIGTERM)
        while service.is_ready():
            assert time.monotonic() < told + 0.5, "it still says that it is ready"
        answered = [len(caller.found) for caller in callers]
        while time.monotonic() < told + DRAIN_S - 0.2:
            time.sleep(0.02)
        for caller in callers:
            caller.is_over = True
        for caller, before in zip(callers, answered, strict=True):
            caller.join()
            assert set(caller.found) == {200}
            assert len(caller.found) > before, "nobody was answered in the drain window"
            assert caller.closed >= len(caller.found) - before - 1
        while service.server.is_running:
            assert time.monotonic() < told + DRAIN_S + 8
            time.sleep(0.05)
        assert time.monotonic() > told + DRAIN_S
        assert "Traceback" not in service.server.log.read_text()
    finally:
        service.server.stop()
