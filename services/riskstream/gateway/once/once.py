"""Lets each transaction through once: 1 what this gateway knows or has under way, 2 what all
gateways know, 3 it is the caller's own, until it ends the flight.

Requests of one turn of the event loop are looked up together.
"""

import asyncio
import secrets
from dataclasses import replace
from itertools import count

from riskstream.gateway.once.flight import Ask, Flight, Flock
from riskstream.gateway.once.identity import BodyHashes, fingerprint, id_of, near
from riskstream.gateway.once.known import Known, packed, pending, unpacked
from riskstream.gateway.once.memory import Memory
from riskstream.gateway.once.refusing import other_body, under_way
from riskstream.gateway.once.shared import Shared
from riskstream.gateway.problem import Problem
from riskstream.runtime.clock import Clock

_POLL_S = 0.02
"""Between two looks at a transaction that another gateway has under way."""
Look = Known | Flight | Flock


class Once:
    """Used from the event loop alone."""

    def __init__(self, memory: Memory, clock: Clock, shared: Shared | None = None) -> None:
        self.memory, self.clock, self.shared = memory, clock, shared
        self.under_way: dict[int, Flight | Flock] = {}
        self._keyed: dict[int, Flight] = {}
        self._hashes = BodyHashes()
        self._tokens, self._process = count(), secrets.token_bytes(5)
        self._asked: list[tuple[Ask, asyncio.Future[Look]]] = []

    def token(self) -> bytes:
        """8 bytes that mark what this gateway has under way."""
        return self._process + (next(self._tokens) % 2**24).to_bytes(3, "big")

    async def begin(self, ask: Ask, until: float, patience_s: float = 1.0) -> Known | Flight:
        """What is known of the transaction, else a flight that the caller ends. Others that have it
        under way are waited for until then (loop's time), the shared memory for `patience_s`.
        Problem of another body, and where it is still under way.
        """
        loop = asyncio.get_running_loop()
        while True:
            found = await self._looked_up(ask, patience_s)
            if isinstance(found, Known):
                return found
            left = until - loop.time()
            if isinstance(found, Flight) and found is ask.flight:
                if found.is_mine:
                    return found
                if left <= _POLL_S:  # another gateway has it
                    found.drop()
                    raise under_way()
                await _slept(found, _POLL_S)
                continue
            await asyncio.wait({found.future}, timeout=max(left, 0))
            if not found.future.done():
                if found.told is not None and ask.is_decision:
                    return Known(ask.body, None, found.told)
                raise under_way()

    async def _looked_up(self, ask: Ask, patience_s: float) -> Look:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Look] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._turn)
        self._asked.append((ask, future))
        try:
            while True:
                await asyncio.wait({future}, timeout=patience_s)
                if future.done():
                    return future.result()
                if ask.flight is not None:
                    break
        except BaseException:
            future.cancel()
            if ask.flight is not None:
                ask.flight.drop()
            raise
        # the shared memory is too slow for this caller
        future.cancel()
        ask.flight.is_mine = ask.flight.is_shared = True
        return ask.flight

    def _turn(self) -> None:
        asked, self._asked = self._asked, []
        shared: list[tuple[Flight, asyncio.Future[Look]]] = []
        try:
            fresh = [ask for ask, _ in asked if not ask.body]
            for ask, body in zip(
                fresh, self._hashes.of([each.frame for each in fresh]), strict=True
            ):
                ask.body = body
                if ask.key is not None:
                    ask.print = fingerprint(ask.name, body)
        except Exception as error:  # each caller is told, none waits for ever
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for ask, future in asked:
            if future.done():
                continue
            try:
                found = self._look(ask)
            except Problem as problem:
                future.set_exception(problem)
                continue
            if isinstance(found, Flight) and found is ask.flight and not found.is_mine:
                shared.append((found, future))
            else:
                future.set_result(found)
        if shared and self.shared is not None:
            self.shared.begin(self._reserve(self.shared, shared))

    def _look(self, ask: Ask) -> Look:
        """What this gateway knows; a flight of the request's own where it knows nothing."""
        name, now_ms = near(ask.name), self.clock.now_ms()
        if ask.key is not None:
            first, bound = self._keyed.get(near(ask.key)), self.memory.get(near(ask.key), now_ms)
            stands_for = first.ask.print if first is not None else bound.body if bound else None
            if stands_for is not None and stands_for != ask.print:
                raise other_body(by_key=True)
        flight, known = self.under_way.get(name), self.published(name, now_ms)
        if flight is not None and flight is not ask.flight:
            if flight.body_of(name) != ask.body:
                raise other_body(by_key=False)
            return flight
        if known is not None:
            if known.body != ask.body:
                raise other_body(by_key=False)
            self._bind(ask, now_ms)
            if known.told is not None or not ask.is_decision:
                return known
        if ask.flight is None or ask.flight.future.done():
            future = asyncio.get_running_loop().create_future()
            mine = pending(ask.body, self.token())
            ask.flight = self.under_way[name] = Flight(ask, mine, self._on_end, future)
            if ask.key is not None:
                self._keyed[near(ask.key)] = ask.flight
        # a decision on what was only accepted is asked of the scorer, by the same transaction again
        ask.flight.is_mine = known is not None or self.shared is None or not self.shared.is_asked
        return ask.flight

    async def _reserve(
        self, shared: Shared, some: list[tuple[Flight, "asyncio.Future[Look]"]]
    ) -> None:
        rows = [flight.ask.row(flight.mine) for flight, _ in some]
        found = await shared.reserve(rows, [flight.ask.pending_ms for flight, _ in some])
        for (flight, future), value in zip(some, found or [None] * len(some), strict=True):
            if future.done():  # nobody waited so long
                if found and value is None and flight.future.done() and flight.place is None:
                    shared.settle(flight.ask.row(flight.mine))
                continue
            flight.is_mine = value is None
            flight.is_shared = found is not None and value is None
            try:
                future.set_result(flight if value is None else self._theirs(flight, value))
            except Problem as problem:
                flight.drop()
                future.set_exception(problem)

    def _theirs(self, flight: Flight, value: bytes) -> Look:
        """What another gateway knows, or has under way: the flight itself then."""
        ask = flight.ask
        body, known = (0, None) if not value else unpacked(value)
        if body != ask.body:
            raise other_body(by_key=not value)
        if known is None:
            return flight
        self.remember(ask, known)
        if known.told is None and ask.is_decision:
            flight.is_mine = True
            return flight
        self._finish(flight)
        return known

    def published(self, name: int, now_ms: int) -> Known | None:
        """What this gateway knows of a transaction that Kafka has."""
        known = self.memory.get(name, now_ms)
        return known if known is not None and known.place is not None else None

    def remember(self, ask: Ask, known: Known) -> None:
        """In this gateway's memory."""
        self.remember_name(ask.name, known)
        self._bind(ask, self.clock.now_ms())

    def remember_name(self, name: bytes, known: Known) -> None:
        """The same, of a transaction that came without a key."""
        self.memory.put(near(name), known, self.clock.now_ms(), near(id_of(name)))

    def _bind(self, ask: Ask, now_ms: int) -> None:
        if ask.key is not None and self.memory.get(near(ask.key), now_ms) is None:
            self.memory.put(near(ask.key), Known(ask.print, None), now_ms)

    def _finish(self, flight: Flight) -> None:
        self._let_go(flight)
        if not flight.future.done():
            flight.future.set_result(None)

    def _let_go(self, flight: Flight) -> None:
        if self.under_way.get(flight.name) is flight:
            del self.under_way[flight.name]
        key = flight.ask.key
        if key is not None and self._keyed.get(near(key)) is flight:
            del self._keyed[near(key)]

    def _on_end(self, flight: Flight, known: Known | None) -> "asyncio.Future[None] | None":
        self._let_go(flight)
        if known is not None:
            known = _with_told(known, self.memory.get(flight.name, self.clock.now_ms()))
            self.remember(flight.ask, known)
        elif flight.told is not None:  # it can be looked up, and the transaction be sent again
            told = Known(flight.ask.body, None, flight.told)
            self.remember_name(flight.ask.name, told)
        if self.shared is None or not (flight.is_shared or known is not None):
            return None
        value = packed(known) if known is not None else b""
        return self.shared.settle(flight.ask.row(flight.mine, value))


def _with_told(known: Known, before: Known | None) -> Known:
    """With what was told before Kafka had the transaction, where nothing was told since."""
    if known.told is None and before is not None and before.body == known.body:
        return replace(known, told=before.told)
    return known


async def _slept(flight: Flight, seconds: float) -> None:
    try:
        await asyncio.sleep(seconds)
    except BaseException:
        flight.drop()
        raise
