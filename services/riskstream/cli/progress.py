"""A progress bar on a terminal; a line each few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class RateColumn(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")


@contextmanager
def bar(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how many more are done."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(name, total=total)
            yield lambda more: progress.advance(task, more)
        return
    started = said = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, said
        done += more
        now = time.monotonic()
        if now - said >= 5:
            said = now
            rate = done / (now - started)
            left = f", {(total - done) / rate:,.0f} s left" if total else ""
            print(f"{name}: {done:,} done, {rate:,.0f}/s{left}", file=sys.stderr)

    yield advance
    print(f"{name}: {done:,} done in {time.monotonic() - started:.1f} s", file=sys.stderr)
