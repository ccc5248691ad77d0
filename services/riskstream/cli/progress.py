"""How far a step of a command is, on stderr: a bar on a terminal, elsewhere a line each few
seconds, and none of a step that is quick.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from riskstream.runtime.steps import Advance

EVERY_S = 5.0


class RateColumn(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s" if task.completed else "")


@contextmanager
def bar(name: str, total: int | None) -> Iterator[Advance]:
    """Gives a function that is told how many more are done; a step may leave it alone."""
    if not sys.stderr.isatty():
        with _lines(name, total) as advance:
            yield advance
        return
    counted = (BarColumn(), MofNCompleteColumn(), RateColumn())
    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}"),
        *(counted if total else (SpinnerColumn(), RateColumn())),
        TimeElapsedColumn(),
        *((TimeRemainingColumn(),) if total else ()),
    )
    # what is printed meanwhile goes where it was told to: rich would send all of it to stderr
    with Progress(
        *columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task(name, total=total)
        yield lambda more: progress.advance(task, more)


@contextmanager
def _lines(name: str, total: int | None) -> Iterator[Advance]:
    started = time.monotonic()
    done, is_over, has_said = 0, threading.Event(), False

    def advance(more: int) -> None:
        nonlocal done
        done += more

    def tell() -> None:
        nonlocal has_said
        while not is_over.wait(EVERY_S):
            has_said = True
            print(_said(name, done, total, time.monotonic() - started), file=sys.stderr)

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield advance
    finally:
        is_over.set()
        teller.join()
    if has_said:
        spent = f"{time.monotonic() - started:.1f} s"
        counted = f"{done:,} done in {spent}" if done else f"done in {spent}"
        print(f"{name}: {counted}", file=sys.stderr)


def _said(name: str, done: int, total: int | None, spent_s: float) -> str:
    if not done:
        return f"{name}: {spent_s:.0f} s so far"
    rate = done / spent_s
    of = f" of {total:,}" if total else ""
    left = f", {max(total - done, 0) / rate:,.0f} s left" if total else ""
    return f"{name}: {done:,}{of} done, {rate:,.0f}/s{left}"
