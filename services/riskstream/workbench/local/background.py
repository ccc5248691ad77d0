"""A process that a command leaves behind: it holds servers until another command ends it.

A lock on `<folder>/lock`, held for its life, tells that it runs; when it dies, however, the
servers' guards see their pipes close and end them.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO, Any, Protocol

from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit
from riskstream.runtime.local_stack import locked, running
from riskstream.runtime.run import stop_event

DOWN_DEADLINE_S = 40.0
FILES = ("state.json", ".state.part", "supervisor.log", "lock")
"""What such a process leaves in its folder."""
_LOOK_EVERY_S = 0.5
_LOCK_S = 2.0


class Held(Protocol):
    """The servers that such a process holds."""

    def start(self, say: Callable[[str], None], stop: Event) -> dict[str, Any]:
        """Start them; what others may know of them. Fatal or Retryable where one does not start,
        and then none runs. It gives up early once `stop` is set.
        """

    def look(self) -> dict[str, Any]:
        """What others may know of them now."""

    def stop(self) -> None:
        """End them; returns when they are gone."""


@dataclass(frozen=True, slots=True)
class Background:
    """How commands reach such a process: it runs `module` for a folder, and is named `noun`."""

    module: str
    noun: str

    def up(
        self, folder: Path, wanted: dict[str, Any], echo: Callable[[str], None]
    ) -> tuple[dict[str, Any], bool]:
        """Start one unless one runs; (its state, whether it ran before). Ctrl-C ends what it
        started.
        """
        if (state := running(folder)) is not None:
            return state, True
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Fatal(
                what=f"the folder cannot be made: {error.strerror}",
                where=str(folder),
                do="give another --dir",
            ) from error
        with (folder / "supervisor.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", self.module, str(folder.resolve()), json.dumps(wanted)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        assert child.stdout is not None
        try:
            return self._ready(folder, child.stdout, echo), False
        except BaseException:
            child.terminate()
            child.wait()
            raise

    def down(self, folder: Path) -> bool:
        """End the one of a folder, by its process id; True where one ran. Fatal where it does not
        end in time.
        """
        state = running(folder)
        if state is None:
            return False
        os.kill(state["pid"], signal.SIGTERM)
        end = time.monotonic() + DOWN_DEADLINE_S
        while running(folder) is not None:
            if time.monotonic() > end:
                raise Fatal(
                    what=f"process {state['pid']} does not end",
                    where=str(folder),
                    do=f"end it with kill -9 {state['pid']}",
                )
            time.sleep(0.05)
        return True

    def _ready(self, folder: Path, told: IO[str], echo: Callable[[str], None]) -> dict[str, Any]:
        """What it says once everything is up; Fatal where it says that something is not."""
        for line in told:
            word, _, rest = line.strip().partition(" ")
            if word == "ready":
                state: dict[str, Any] = json.loads(rest)
                return state
            if word == "failed":
                raise Fatal(**json.loads(rest))
            echo(rest)
        raise Fatal(
            what=f"the {self.noun} did not start",
            where=str(folder / "supervisor.log"),
            do="read that log",
            exit_code=Exit.NO_START,
        )


def hold(folder: Path, held: Held, noun: str) -> None:
    """The main of such a process: from the start of what it holds to SIGTERM."""
    stop = stop_event()
    with (folder / "lock").open("a") as lock:
        if not _lock(lock):
            _fail(Fatal(what=f"other {noun} start now", where=str(folder), do="wait for them"))
            return
        try:
            state = held.start(lambda text: _tell("progress", text), stop)
        except Fatal as error:
            _fail(error)
            return
        except Retryable as error:
            do = "read its log and try again"
            _fail(Fatal(what=error.what, where=error.where, do=do, exit_code=Exit.NO_START))
            return
        try:
            state |= {"folder": str(folder), "pid": os.getpid()}
            _write(folder, state)
            _tell("ready", json.dumps(state))
            while not stop.wait(_LOOK_EVERY_S):
                if (now := state | held.look()) != state:
                    state = now
                    _write(folder, state)
        finally:
            held.stop()
            (folder / "state.json").unlink(missing_ok=True)


def _write(folder: Path, state: dict[str, Any]) -> None:
    partial = folder / ".state.part"
    partial.write_text(json.dumps(state))
    partial.replace(folder / "state.json")


def _lock(file: IO[str]) -> bool:
    """Take the lock; False where another process holds it for longer than a look takes."""
    end = time.monotonic() + _LOCK_S
    while not locked(file):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _fail(error: Fatal) -> None:
    told = {"what": error.what, "where": error.where, "do": error.do, "exit_code": error.exit_code}
    _tell("failed", json.dumps(told))


def _tell(word: str, text: str) -> None:
    try:
        print(word, text, flush=True)
    except BrokenPipeError:  # who started us is gone: go on
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  it lives as long as the process
