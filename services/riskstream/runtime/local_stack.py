"""Where the stack is that `riskstream local up` started here: commands and services find it without
an option.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

LOCAL_DIR = Path("build/local")
"""The folder that every command takes by default, below the one that it is run in."""


def kafka_address() -> str:
    """RISKSTREAM_KAFKA, else the local stack's address, else 127.0.0.1:9092."""
    return os.environ.get("RISKSTREAM_KAFKA") or _local("kafka") or "127.0.0.1:9092"


def redis_address() -> str:
    """The URL of the local stack's Redis, else redis://127.0.0.1:6379/0."""
    return _local("redis") or "redis://127.0.0.1:6379/0"


def running(folder: Path) -> dict[str, Any] | None:
    """What the process that holds the folder wrote of itself; None where none holds it."""
    try:
        with (folder / "lock").open() as file:
            if locked(file):
                return None
        state = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def locked(file: IO[str]) -> bool:
    """Take the lock, until the file is closed; False where another process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _local(name: str) -> str | None:
    """An address of the local stack, None where none runs here."""
    found = (running(LOCAL_DIR) or {}).get(name)
    return found if isinstance(found, str) else None
