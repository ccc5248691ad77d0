"""The transactions of one body, each let through once: those that nobody knows go together."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from riskstream.gateway.once.flight import Flock, Place
from riskstream.gateway.once.identity import digest, near
from riskstream.gateway.once.known import Known, packed, pending, unpacked
from riskstream.gateway.once.once import Once
from riskstream.gateway.once.refusing import other_body, under_way
from riskstream.gateway.once.several import Many
from riskstream.gateway.once.shared import Shared
from riskstream.platform.adapters.remembered import Row

Sending = Callable[[list[bytes], list[bytes]], "asyncio.Future[list[Place | None]]"]
_AT_ONCE = 1000
"""Transactions that are under way at a time: callers of decisions come between."""


class ManyOnce:
    """Used from the event loop alone."""

    def __init__(self, once: Once, send: Sending, pending_ms: int) -> None:
        self._once, self._send, self._pending_ms = once, send, pending_ms

    async def accept(self, many: Many, until: float) -> None:
        """Fill in what is found of each by then (loop's time)."""
        many.found = [None] * len(many.names)
        for first in range(0, len(many.names), _AT_ONCE):
            some = range(first, min(first + _AT_ONCE, len(many.names)))
            names = list(map(near, many.names[some.start : some.stop]))
            if not self._is_fresh(names):
                await self._accept_known(many, some, names, until)
            else:
                await self._accept_fresh(many, list(some), names, until)
            if asyncio.get_running_loop().time() >= until:
                return

    def _is_fresh(self, names: list[int]) -> bool:
        once, some = self._once, set(names)
        return (
            len(some) == len(names)
            and once.memory.serials.keys().isdisjoint(some)
            and once.under_way.keys().isdisjoint(some)
        )

    async def _accept_known(self, many: Many, some: range, names: list[int], until: float) -> None:
        """Some are known, under way, or there twice."""
        fresh: dict[int, int] = {}
        waiting: list[tuple[int, int]] = []
        for at, name in zip(some, names, strict=True):
            flight = self._once.under_way.get(name)
            if name in fresh:
                is_other = many.bodies[fresh[name]] != many.bodies[at]
            elif flight is not None:
                is_other = flight.body_of(name) != many.bodies[at]
            elif not self._look(many, at, name):
                fresh[name] = at
                continue
            else:
                continue
            if is_other:
                many.found[at] = other_body(by_key=False)
            else:
                waiting.append((at, name))
        if fresh:
            await self._accept_fresh(many, list(fresh.values()), list(fresh), until)
        under = self._once.under_way
        flights = {under[name].future for _, name in waiting if name in under}
        if flights:
            left = until - asyncio.get_running_loop().time()
            await asyncio.wait(flights, timeout=max(left, 0))
        for at, name in waiting:
            self._look(many, at, name)

    def _look(self, many: Many, at: int, name: int) -> bool:
        """Whether this gateway knows it; what it is told then."""
        known = self._once.published(name, self._once.clock.now_ms())
        if known is None:
            return False
        self._tell(many, at, known)
        return True

    def _tell(self, many: Many, at: int, known: Known) -> None:
        if known.body != many.bodies[at]:
            many.found[at] = other_body(by_key=False)
        else:
            many.found[at] = known.place
            many.again.add(at)

    async def _accept_fresh(
        self, many: Many, some: list[int], names: list[int], until: float
    ) -> None:
        """Send those that this gateway does not know. They are let go of when Kafka has told,
        whoever waits.
        """
        once, loop = self._once, asyncio.get_running_loop()
        flock = Flock(names, [many.bodies[at] for at in some], loop.create_future())
        once.under_way.update(dict.fromkeys(names, flock))
        rows: list[Row] = []
        try:
            if once.shared is not None and once.shared.is_asked:
                some, rows = await self._reserve(once.shared, many, some)
            sent = self._send([many.keys[at] for at in some], [many.frames[at] for at in some])
        except BaseException:
            self._land(flock)
            raise
        if len(some) < len(names):
            names = [near(many.names[at]) for at in some]
        bodies = [many.bodies[at] for at in some]

        def on_sent(done: "asyncio.Future[list[Place | None]]") -> None:
            self._on_sent(names, bodies, done.result(), rows)
            self._land(flock)

        sent.add_done_callback(on_sent)
        try:
            async with asyncio.timeout_at(until):
                places = await asyncio.shield(sent)
        except TimeoutError:
            return
        for at, place in zip(some, places, strict=True):
            many.found[at] = place

    async def _reserve(
        self, shared: Shared, many: Many, some: list[int]
    ) -> tuple[list[int], list[Row]]:
        """Those that no other gateway knows, as they are shared."""
        token = self._once.token()
        rows = [Row(digest(many.names[at]), pending(many.bodies[at], token)) for at in some]
        found = await shared.reserve(rows, [self._pending_ms] * len(rows))
        if found is None:
            return some, rows
        left = [at for at, value in enumerate(found) if value is None]
        for at, value in zip(some, found, strict=True):
            if value is not None:
                self._tell_theirs(many, at, value)
        return [some[at] for at in left], [rows[at] for at in left]

    def _tell_theirs(self, many: Many, at: int, value: bytes) -> None:
        body, known = unpacked(value)
        if known is not None:
            self._once.remember_name(many.names[at], known)
            self._tell(many, at, known)
        else:
            is_same = body == many.bodies[at]
            many.found[at] = under_way() if is_same else other_body(by_key=False)

    def _on_sent(
        self, names: list[int], bodies: list[int], places: list[Place | None], rows: list[Row]
    ) -> None:
        once, now_ms = self._once, self._once.clock.now_ms()
        if None not in places:
            once.memory.put_many(names, bodies, places, now_ms)  # type: ignore[arg-type]
        else:
            taken = [at for at, place in enumerate(places) if place is not None]
            once.memory.put_many(
                [names[at] for at in taken],
                [bodies[at] for at in taken],
                [places[at] or (-1, -1) for at in taken],
                now_ms,
            )
        if once.shared is not None and rows:
            values = [
                packed(Known(body, place)) if place else b""
                for body, place in zip(bodies, places, strict=True)
            ]
            settled = [replace(row, value=value) for row, value in zip(rows, values, strict=True)]
            once.shared.begin(once.shared.settle_many(settled))

    def _land(self, flock: Flock) -> None:
        for name in flock.names:
            self._once.under_way.pop(name, None)
        if not flock.future.done():
            flock.future.set_result(None)
