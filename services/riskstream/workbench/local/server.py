"""One guarded child server: started, watched, stopped; with the tail of its log in every error."""

import fcntl
import functools
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit


class Server:
    """A process behind `guard.py`. `pid` is the server's own."""

    def __init__(
        self, name: str, command: list[str], log: Path, env: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        guard = Path(__file__).with_name("guard.py")
        self._guard = subprocess.Popen(
            [sys.executable, "-S", "-E", str(guard), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(env or {}), "RISKSTREAM_GUARD_LOG": str(log)},
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        line = self._guard.stdout.readline()
        if not line:
            raise Fatal(
                what=f"{name} did not start",
                where=str(log),
                do="read that log",
                exit_code=Exit.NO_START,
            )
        self.pid = int(line)

    @property
    def is_running(self) -> bool:
        return self._guard.poll() is None

    def end(self) -> None:
        """Tell the server to end: SIGTERM, after 10 s SIGKILL. Returns at once."""
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()

    def stop(self) -> None:
        """End the server; returns when it is gone."""
        self.end()
        self._guard.wait()
        if self._guard.stdout is not None:
            self._guard.stdout.close()

    def last_words(self) -> str:
        """The last line of its log."""
        lines = (
            self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        )
        return lines[-1][:200] if lines else "no output"

    def failure(self) -> Fatal:
        """What to raise when it ended by itself: its last words are in it."""
        return Fatal(
            what=f"{self.name} ended: {self.last_words()}",
            where=str(self.log),
            do="read that log",
            exit_code=Exit.NO_START,
        )


_LISTENING = range(10_000, 22_000)
"""Ports given to servers. The system gives outgoing connections ports above these; Redis adds
10,000 for its cluster bus.
"""
_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, given once by this process, and by no other
    of this user while it runs.

    No outgoing connection can take it before its server does: such ports lie above the range.
    """
    for _ in range(1_000):
        port = secrets.choice(_LISTENING)
        if port not in _given and _is_free(port) and _is_ours(port):
            _given.add(port)
            return port
    raise Fatal(
        what=f"no free port from {_LISTENING.start} to {_LISTENING.stop - 1}",
        where="127.0.0.1",
        do="end servers that are left over, or give ports",
        exit_code=Exit.NOT_NOW,
    )


@functools.cache
def _locks() -> IO[bytes]:
    return (Path(tempfile.gettempdir()) / f"riskstream-ports-{os.getuid()}").open(
        "ab"
    )  # open to the end: closing unlocks


def _is_ours(port: int) -> bool:
    """Lock the port's byte of a file that all processes of this user share: a server binds its port
    seconds after it was given.
    """
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_port(
    port: int, what: str, do: str = "give another port, or none to take a free one"
) -> None:
    """Fatal where something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Fatal(
                what=f"port {port} for {what} is in use",
                where="127.0.0.1",
                do=do,
                exit_code=Exit.NOT_NOW,
            ) from error
