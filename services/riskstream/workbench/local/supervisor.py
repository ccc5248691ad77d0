"""The process that `riskstream local up` leaves behind: holds the stack until `down` ends it.

A lock on `<folder>/lock`, held for its life, tells that it runs; when it dies, however, the
servers' guards see their pipes close and end them.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.files import check_folder
from riskstream.runtime.run import run_main, stop_event
from riskstream.workbench.local.kafka import Brokers
from riskstream.workbench.local.server import NO_START
from riskstream.workbench.local.stack import Stack

DOWN_DEADLINE_S = 40.0
_FILES, _FOLDERS = ("state.json", ".state.part", "supervisor.log", "lock"), ("kafka", "redis")
"""What a stack leaves in its folder."""


def has_stack(folder: Path) -> bool:
    """True where a stack was started in a folder."""
    return (folder / "lock").is_file()


def running(folder: Path) -> dict[str, Any] | None:
    """The state of a stack that runs in the folder, else None."""
    lock = folder / "lock"
    if not lock.exists():
        return None
    with lock.open("a") as file:
        if _locked(file):
            return None
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError):
        return None
    return state


def up(
    folder: Path, wanted: dict[str, Any], echo: Callable[[str], None]
) -> tuple[dict[str, Any], bool]:
    """Start a supervisor unless one runs; (its state, whether it ran before)."""
    check_folder(folder, "--dir", is_own=has_stack, is_replaced=False)
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
            [
                sys.executable,
                "-m",
                "riskstream.workbench.local.supervisor",
                str(folder.resolve()),
                json.dumps(wanted),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            text=True,
        )
    assert child.stdout is not None
    try:
        for line in child.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "ready":
                return json.loads(rest), False
            if word == "failed":
                child.wait()
                raise Fatal(**json.loads(rest))
            echo(rest)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    child.wait()
    raise Fatal(
        what="the stack did not start",
        where=str(folder / "supervisor.log"),
        do="read that log",
        exit_code=NO_START,
    )


def down(folder: Path, *, wipe: bool = False) -> bool:
    """End the stack of a folder; True where one ran. Fatal where it does not end in time, or is to
    wipe another's files.
    """
    if os.path.lexists(folder):
        check_folder(folder, "--dir", is_own=has_stack, is_replaced=False)
    state = running(folder)
    if state is not None:
        os.kill(state["pid"], signal.SIGTERM)
        end = time.monotonic() + DOWN_DEADLINE_S
        while running(folder) is not None:
            if time.monotonic() > end:
                raise Fatal(
                    what=f"process {state['pid']} does not end",
                    where=str(folder),
                    do="end it with kill -9",
                )
            time.sleep(0.05)
    if wipe:
        for name in _FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in _FILES:
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # there is something else in it: that stays
            folder.rmdir()
    return state is not None


def main() -> None:
    """The supervisor's own process: `python -m riskstream.workbench.local.supervisor FOLDER
    JSON`.
    """
    folder, wanted = Path(sys.argv[1]), json.loads(sys.argv[2])
    stop = stop_event()
    with (folder / "lock").open("a") as lock:
        if not _locked(lock):
            _tell(
                "failed",
                json.dumps(
                    _fields(
                        Fatal(what="another stack is starting", where=str(folder), do="wait for it")
                    )
                ),
            )
            return
        is_one = wanted["kafka_port"] and wanted["brokers"] == 1
        ports = (wanted["kafka_port"],) if is_one else ()
        stack = Stack(
            folder,
            kafka=wanted["kafka"] or Brokers(count=wanted["brokers"], ports=ports),
            redis=wanted["redis"] or wanted["redis_port"],
            min_free_mib=wanted["min_free_mib"],
            progress=lambda text: _tell("progress", text),
        )
        try:
            stack.start()
        except Fatal as error:
            _tell("failed", json.dumps(_fields(error)))
            return
        except Retryable as error:
            fatal = Fatal(
                what=error.what,
                where=error.where,
                do="read its log and try again",
                exit_code=NO_START,
            )
            _tell("failed", json.dumps(_fields(fatal)))
            return
        try:
            state = {
                "kafka": stack.kafka,
                "redis": stack.redis,
                "folder": str(folder),
                "pid": os.getpid(),
            }
            partial = folder / ".state.part"
            partial.write_text(json.dumps(state))
            partial.replace(folder / "state.json")
            _tell("ready", json.dumps(state))
            stop.wait()
        finally:
            stack.stop()
            (folder / "state.json").unlink(missing_ok=True)


def _fields(error: Fatal) -> dict[str, Any]:
    return {"what": error.what, "where": error.where, "do": error.do, "exit_code": error.exit_code}


def _tell(word: str, text: str) -> None:
    try:
        print(word, text, flush=True)
    except BrokenPipeError:  # who started us is gone: go on
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  it lives as long as the process


def _locked(file: IO[str]) -> bool:
    """Take the lock; False where another process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    run_main(main)
