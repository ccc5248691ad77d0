"""A real schema registry (Apicurio, Confluent's API, ids of its own) as a guarded child process on
127.0.0.1.
"""

import time
import urllib.error
import urllib.request
from pathlib import Path

from riskstream.runtime.errors import Retryable
from riskstream.workbench.local.downloads import java
from riskstream.workbench.local.server import Server, free_port

START_DEADLINE_S = 90.0


class RegistryServer:
    """`url` is what RISKSTREAM_SCHEMA_REGISTRY_URL takes. It keeps its schemas in memory."""

    def __init__(self, installed: Path, folder: Path) -> None:
        self._installed, self._folder = installed, folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/apis/ccompat/v7"
        self._server: Server | None = None

    def start(self) -> None:
        """Return when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        [runner] = self._installed.glob("*-runner.jar")
        command = [
            java(),
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={self._port}",
            "-cp",
            f"{runner}:{self._installed}/lib/*",
            "io.quarkus.runner.GeneratedMain",
        ]
        self._server = Server("registry", command, self._folder / "registry.log")
        end = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < end:
            if not self._server.is_running:
                raise self._server.failure()
            try:
                with urllib.request.urlopen(f"{self.url}/subjects", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.stop()
        raise Retryable(
            what=f"the registry was not up within {START_DEADLINE_S:.0f} s", where=str(self._folder)
        )

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None
