"""The demo's live view: a table on a terminal, a line each 5 s elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from riskstream.runtime.steps import Advance


class View:
    """Shows the newest values by name."""

    def __init__(self) -> None:
        self._console = Console()
        self._live = (
            Live(console=self._console, refresh_per_second=4, transient=True)
            if sys.stdout.isatty()
            else None
        )
        self._said = 0.0
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """A line that stays."""
        line = f"[{time.monotonic() - self._started:6.1f} s] {text}"
        if self._live is not None:
            self._console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)

    def show(self, phase: str, values: dict[str, str]) -> None:
        """The newest values."""
        if self._live is not None:
            table = Table(title=phase, show_header=False, min_width=50)
            for name, value in values.items():
                table.add_row(name, value)
            self._live.update(table)
        elif time.monotonic() - self._said >= 5:
            self._said = time.monotonic()
            self.say(f"{phase}: " + ", ".join(f"{name} {value}" for name, value in values.items()))

    @contextmanager
    def step(self, name: str, total: int | None) -> Iterator[Advance]:
        """Steps (`runtime/steps.py`): how much of one is done."""
        done, of = 0, f" of {total:,}" if total else ""

        def advance(more: int) -> None:
            nonlocal done
            done += more
            self.show(name, {"done": f"{done:,}{of}"})

        self.show(name, {"done": f"0{of}"} if total else {"is": "running"})
        yield advance

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
