"""How far a step of a command is, on stderr: a bar on a terminal, elsewhere a line each few
seconds, and none of a step that is quick.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from riskstream.runtime.steps import TOLD_FROM, Advance

EVERY_S = 5.0


@contextmanager
def bar(name: str, total: int | None) -> Iterator[Advance]:
    """Gives a function that is told how many more are done; a step may leave it alone."""
    # images of services have no rich
    if not sys.stderr.isatty() or find_spec("rich") is None:
        with _lines(name, total) as advance:
            yield advance
        return
    from riskstream.cli.terminal_bar import terminal_bar

    with terminal_bar(name, total) as advance:
        yield advance


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
    is_told = total and done >= TOLD_FROM * total
    left = f", {max((total or 0) - done, 0) / rate:,.0f} s left" if is_told else ""
    return f"{name}: {done:,}{of} done, {rate:,.0f}/s{left}"
