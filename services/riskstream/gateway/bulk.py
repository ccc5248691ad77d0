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

    def __init__(self, most: int, pressure: Pressure, most_bytes: int = 2**63) -> None:
        """`most_bytes`: of all bodies that are held at a time, whole ones or parts."""
        self._most, self._pressure, self._most_bytes = most, pressure, most_bytes
        self._under_way = self._held = 0
        self._turn = asyncio.Semaphore(1)

    def check(self) -> None:
        """Problem where there is no place for a body now."""
        if self._under_way >= self._most:
            raise overloaded(f"{self._most} batches are read already")
        if not self._pressure.is_open:
            raise overloaded("decisions would be late")

    @contextmanager
    def receiving(self) -> Iterator[Callable[[int], None]]:
        """What is to be told of each part of a body, bytes: they count as held until the end. A
        body that is received slowly takes no place from others. Problem where there is no room.
        """
        mine = 0

        def count(size: int) -> None:
            nonlocal mine
            if self._held + size > self._most_bytes:
                raise overloaded(f"batches of {self._held:,} bytes are received already")
            mine, self._held = mine + size, self._held + size

        self.check()
        try:
            yield count
        finally:
            self._held -= mine

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one body that was received; Problem where there is none."""
        self.check()
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
