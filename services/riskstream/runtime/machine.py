"""What lanes take from the machine that they run on: time, sleep, and a thread beside their own.

The machine of a process is the real one. A simulation puts its own in that place, and so decides
who goes on, and when.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

from riskstream.runtime.clock import Clock, SystemClock


class Machine(Clock, Protocol):
    """A clock, `sleep` in seconds by it, and executors that do one thing after another beside their
    caller.
    """

    def sleep(self, seconds: float) -> None: ...

    def background(self, name: str) -> Executor: ...


class RealMachine(SystemClock):
    """The machine that the process runs on."""

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def background(self, name: str) -> Executor:
        return ThreadPoolExecutor(1, thread_name_prefix=name)


_machine: Machine = RealMachine()


def now_ms() -> int:
    """Wall time in ms since 1970 UTC."""
    return _machine.now_ms()


def monotonic() -> float:
    """Seconds since some instant, for deadlines."""
    return _machine.monotonic()


def sleep(seconds: float) -> None:
    _machine.sleep(seconds)


def background(name: str) -> Executor:
    """An executor with one thread, which the caller shuts down."""
    return _machine.background(name)


@contextmanager
def running_on(machine: Machine) -> Iterator[None]:
    """Have the whole process run on another machine within the block. Not for threads beside each
    other.
    """
    global _machine  # noqa: PLW0603  # the one place that says which machine it is
    before, _machine = _machine, machine
    try:
        yield
    finally:
        _machine = before
