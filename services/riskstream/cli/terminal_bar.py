"""The bar of a step on a terminal, by rich."""

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

from riskstream.runtime.steps import TOLD_FROM, Advance


class RateColumn(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s" if task.completed else "")


class LeftColumn(TimeRemainingColumn):
    """The time left, once enough is done to tell it."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.percentage >= 100 * TOLD_FROM else Text("-:--:--")


@contextmanager
def terminal_bar(name: str, total: int | None) -> Iterator[Advance]:
    """Gives a function that is told how many more are done."""
    counted = (BarColumn(), MofNCompleteColumn(), RateColumn())
    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}"),
        *(counted if total else (SpinnerColumn(), RateColumn())),
        TimeElapsedColumn(),
        *((LeftColumn(),) if total else ()),
    )
    # what is printed meanwhile goes where it was told to: rich would send all of it to stderr
    with Progress(
        *columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task(name, total=total)
        yield lambda more: progress.advance(task, more)
