"""Fault points: named steps at which a test has the process fail, to show that the order of effects
holds.

RISKSTREAM_FAULT_POINT=NAME or NAME:N fails when NAME is passed for the N-th time, as
RISKSTREAM_FAULT_HOW says: `kill` as `kill -9` does, `raise` with an exception that nobody expects,
`interrupt` as a second Ctrl-C.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

POINTS = (
    "assigned",
    "recovered",
    "resumed",
    "polled",
    "rows_read",
    "processed",
    "half_produced",
    "produced",
    "dead_lettered",
    "copied",
    "writing",
    "written",
    "committed",
)
"""Every point of the exact lane, in the order in which it passes them: A1, A4, A5, B1, B2, B3, B4
(three), C1, C2 (two), commit.
"""
DERIVED_POINTS = ("restored", "taken", "begun", "sent", "transacted")
"""Of a derived lane: its state is read back; records are folded in; outputs are produced; offsets
are in; it is committed.
"""
FORWARD_POINTS = ("forwarding", "forwarded", "acknowledged")
"""Of a forward lane: half of a batch is produced; all of it is; the broker has it, and the commit
comes.
"""
REPORTER_POINTS = ("counted", "carried", "filed", "published")
"""Of a round of reports: scores are counted; the totals are committed; the files are written; their
records are.
"""
FAUST_POINTS = ("processed", "produced", "copied", "written")
"""Of the scorer's core under Faust."""

_BETWEEN_S = 0.5
"""Between two Ctrl-C of another thread. The main thread alone handles signals, and takes two that
wait as one.
"""

_passed: dict[str, int] = {}
_listener: Callable[[str], None] | None = None


class Injected(Exception):
    """Raised by a fault point."""


def fault_point(name: str) -> None:
    """Nothing, unless this point is armed and it is its turn."""
    if _listener is not None:
        _listener(name)
        return
    armed, turn, how = _armed()
    if name != armed:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] != turn:
        return
    if how == "raise":
        raise Injected(f"fault point {name}")
    if how == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)  # the first asks to stop
        if threading.current_thread() is not threading.main_thread():
            time.sleep(_BETWEEN_S)
        os.kill(os.getpid(), signal.SIGINT)
        return
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def told_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Within the block every point that is passed is told, and none is armed; what the listener
    raises goes on from there.
    """
    global _listener  # noqa: PLW0603  # as `_passed`: points are of the whole process
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


@cache
def _armed() -> tuple[str, int, str]:
    name, _, turn = os.environ.get("RISKSTREAM_FAULT_POINT", "").partition(":")
    return name, int(turn or 1), os.environ.get("RISKSTREAM_FAULT_HOW", "kill")
