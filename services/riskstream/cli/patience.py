"""Commands at a broker's hiccup: they try again for a while, and say so once, rather than fail at
the first.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import click

from riskstream.runtime.errors import Retryable

PATIENCE_S = 30.0
_Found = TypeVar("_Found")


class Patience:
    """Of one piece of work, from its first error on."""

    def __init__(self) -> None:
        self._end: float | None = None

    def wait(self, error: Retryable) -> None:
        """Return when it is time to try again; raises the error itself once PATIENCE_S have passed
        since the first.
        """
        now = time.monotonic()
        if self._end is None:
            self._end = now + PATIENCE_S
            click.echo(f"{error}; trying again for {PATIENCE_S:g} s", err=True)
        if now >= self._end:
            raise error
        time.sleep(random.uniform(0.2, 1.0))


def patiently(work: Callable[[], _Found]) -> _Found:
    """What `work` returns, tried again while it raises Retryable, within the patience. It must be
    safe to do twice.
    """
    patience = Patience()
    while True:
        try:
            return work()
        except Retryable as error:
            patience.wait(error)
