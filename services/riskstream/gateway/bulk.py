"""Bodies of many transactions: how many at a time, and apart from callers of decisions."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from riskstream.gateway.pressure import Pressure
from riskstream.gateway.problem import overloaded

P = ParamSpec("P")
T = TypeVar("T")


class BulkGate:
    """Lets in `most` bodies at a time while the pressure allows it; more are shed. Of those one at
    a time is worked on: threads share one interpreter, and each of them would hold up the event
    loop.
    """

    def __init__(self, most: int, pressure: Pressure) -> None:
        self._most, self._pressure, self._under_way = most, pressure, 0
        self._turn = asyncio.Semaphore(1)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one body; Problem where there is none."""
        if self._under_way >= self._most:
            raise overloaded(f"{self._most} batches are read already")
        if not self._pressure.is_open:
            raise overloaded("decisions would be late")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def spend(self, transactions: int) -> None:
        """A body that was let in brings in so many."""
        self._pressure.spend(transactions)

    async def apart(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Do the work on another thread, when its turn comes."""
        async with self._turn:
            # a hundred thousand objects in no cycles: to look for some among them, again and again,
            # holds up every thread
            gc.disable()
            try:
                return await asyncio.to_thread(work, *given, **named)
            finally:
                gc.enable()
