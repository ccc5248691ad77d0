"""The product's services as guarded child processes: started, ready, ended; for the demo and the
tests.
"""

import os
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.server import Server, free_port

READY_DEADLINE_S = 60.0


@dataclass(slots=True)
class Service:
    """One running service. `telemetry` is the URL of its telemetry port."""

    name: str
    server: Server
    telemetry: str

    def is_ready(self) -> bool:
        return is_ready(self.telemetry)

    def rss_mib(self) -> float:
        """Resident memory of its process, MiB."""
        return rss_mib(self.server.pid)

    def cpu_s(self) -> float:
        """User and system seconds of its process so far."""
        return cpu_s(self.server.pid)


def is_ready(telemetry: str) -> bool:
    """Whether the service behind a telemetry port says that it is ready."""
    try:
        with urllib.request.urlopen(f"{telemetry}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def rss_mib(pid: int) -> float:
    """Resident memory of a process, MiB; 0 where it is gone."""
    return _mib(pid)[0]


def own_mib(pid: int) -> float:
    """Resident memory of a process without the pages of files, which the kernel takes back and
    loads again as it likes; MiB.
    """
    resident, of_files = _mib(pid)
    return resident - of_files


def _mib(pid: int) -> tuple[float, float]:
    try:
        _, resident, of_files = Path(f"/proc/{pid}/statm").read_text().split()[:3]
    except (OSError, ValueError):
        return 0.0, 0.0
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    return int(resident) * page, int(of_files) * page


def cpu_s(pid: int) -> float:
    """User and system seconds of a running process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_service(
    name: str, folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> Service:
    """Start `python -m riskstream.<name>`; its log is `<folder>/<name>.log`. Ready later: see
    wait_ready.
    """
    folder.mkdir(parents=True, exist_ok=True)
    env, port = {"XDG_STATE_HOME": str(folder), **(env or {})}, free_port()
    module = name.split("-")[0]
    command = [
        sys.executable,
        "-m",
        f"riskstream.{module}",
        *arguments,
        "--telemetry-port",
        str(port),
    ]
    return Service(
        name=name,
        server=Server(name, command, folder / f"{name}.log", env),
        telemetry=f"http://127.0.0.1:{port}",
    )


def wait_ready(services: list[Service], deadline_s: float = READY_DEADLINE_S) -> None:
    """Return when all are ready; Fatal where one ended or is not ready in time."""
    end = time.monotonic() + deadline_s
    for service in services:
        while not service.is_ready():
            if not service.server.is_running:
                raise service.server.failure()
            if time.monotonic() > end:
                raise Fatal(
                    what=f"{service.name} is not ready after {deadline_s:.0f} s",
                    where=str(service.server.log),
                    do="read that log",
                )
            time.sleep(0.05)
