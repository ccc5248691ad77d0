"""The process that `riskstream local up` leaves behind: holds Kafka and Redis until `down` ends
it.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

from riskstream.runtime.files import check_folder
from riskstream.runtime.run import run_main
from riskstream.workbench.local.background import FILES, Background, hold
from riskstream.workbench.local.kafka import Brokers
from riskstream.workbench.local.stack import Stack

SERVICES = "services"
"""The folder below the stack's own of what `riskstream local services up` starts."""
_FOLDERS = ("kafka", "redis", SERVICES)
_STACK = Background("riskstream.workbench.local.supervisor", "stack")


def has_stack(folder: Path) -> bool:
    """True where a stack was started in a folder."""
    return (folder / "lock").is_file()


def up(
    folder: Path, wanted: dict[str, Any], echo: Callable[[str], None]
) -> tuple[dict[str, Any], bool]:
    """Start a supervisor unless one runs; (its state, whether it ran before)."""
    check_folder(folder, "--dir", is_own=has_stack, is_replaced=False)
    return _STACK.up(folder, wanted, echo)


def down(folder: Path, *, wipe: bool = False) -> bool:
    """End the stack of a folder; True where one ran. Fatal where it does not end in time, or is to
    wipe another's files.
    """
    if os.path.lexists(folder):
        check_folder(folder, "--dir", is_own=has_stack, is_replaced=False)
    was_running = _STACK.down(folder)
    if wipe:
        for name in _FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # there is something else in it: that stays
            folder.rmdir()
    return was_running


class _Stack:
    """Kafka and Redis, as `riskstream local up` was told."""

    def __init__(self, folder: Path, wanted: dict[str, Any]) -> None:
        self._folder, self._wanted = folder, wanted
        self._stack: Stack | None = None

    def start(self, say: Callable[[str], None], stop: Event) -> dict[str, Any]:  # noqa: ARG002  its servers start within their own deadlines
        wanted = self._wanted
        is_one = wanted["kafka_port"] and wanted["brokers"] == 1
        ports = (wanted["kafka_port"],) if is_one else ()
        self._stack = Stack(
            self._folder,
            kafka=wanted["kafka"] or Brokers(count=wanted["brokers"], ports=ports),
            redis=wanted["redis"] or wanted["redis_port"],
            min_free_mib=wanted["min_free_mib"],
            progress=say,
        )
        self._stack.start()
        return self.look()

    def look(self) -> dict[str, Any]:
        assert self._stack is not None
        return {"kafka": self._stack.kafka, "redis": self._stack.redis}

    def stop(self) -> None:
        if self._stack is not None:
            self._stack.stop()


def main() -> None:
    """`python -m riskstream.workbench.local.supervisor FOLDER JSON`."""
    folder = Path(sys.argv[1])
    hold(folder, _Stack(folder, json.loads(sys.argv[2])), "stacks")


if __name__ == "__main__":
    run_main(main)
