"""A real Redis as a guarded child process on 127.0.0.1, set up as the product needs it: never
evicts, appends to a file.
"""

import time
from pathlib import Path

from riskstream.runtime.errors import Retryable
from riskstream.workbench.local.downloads import redis_server
from riskstream.workbench.local.server import Server, check_port, free_port

START_DEADLINE_S = 20.0


class RedisServer:
    """One Redis. `url` is its address."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        check_port(self.port, "Redis")
        self.server: Server | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it; return when it answers."""
        import redis

        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            redis_server(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--maxmemory-policy",
            "noeviction",
            "--daemonize",
            "no",
        ]
        self.server = Server("redis", command, self.folder / "server.log")
        end = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < end:
            if not self.server.is_running:
                raise self.server.failure()
            try:
                with redis.Redis(
                    port=self.port, socket_timeout=1, socket_connect_timeout=1
                ) as client:
                    if client.ping():
                        return
            except redis.RedisError:
                time.sleep(0.05)
        self.stop()
        raise Retryable(
            what=f"Redis was not up within {START_DEADLINE_S:.0f} s", where=str(self.folder)
        )

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()
