"""Fault points: named steps at which a test has the process killed, to show that the order of effects holds.

RISKSTREAM_FAULT_POINT=NAME or NAME:N kills the process, as `kill -9` does, when it passes NAME for the N-th time.
"""

import os
import signal
from functools import cache

POINTS = (
    "assigned", "recovered", "resumed", "polled", "rows_read", "processed", "half_produced", "produced", "dead_lettered",
    "copied", "writing", "written", "committed",
)  # fmt: skip
"""Every point, in the order in which a lane passes them: A1, A4, A5, B1, B2, B3, B4 (three), C1, C2 (two), commit."""

_passed: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Nothing, unless this point is armed and it is its turn."""
    armed, turn = _armed()
    if name == armed:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == turn:
            os.kill(os.getpid(), signal.SIGKILL)


@cache
def _armed() -> tuple[str, int]:
    name, _, turn = os.environ.get("RISKSTREAM_FAULT_POINT", "").partition(":")
    return name, int(turn or 1)
