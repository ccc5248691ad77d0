"""Streams of batches: each is read, sent and answered in the order in which they came.

A stream has at most WINDOW batches under way. Whoever does not read the receipts is not read from:
gRPC then holds up its caller.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import grpc

from riskstream.gateway.bulk import BulkGate
from riskstream.gateway.handler import Handler
from riskstream.gateway.once.several import Many
from riskstream.gateway.problem import Problem, overloaded
from riskstream.gateway.rates import Rates
from riskstream.gateway.rpc.batch import (
    RpcBatch,
    RpcBatchReader,
    receipt_batch,
    refused,
    sequence_of,
)
from riskstream.gateway.rpc.calls import Call, Calls
from riskstream.gateway.rpc.refusals import ending, idle, slow_reader, too_many_streams
from riskstream.gateway.settings import GatewaySettings

WINDOW = 4
_AGAIN_S = 1.0
"""Between two looks whether the caller may still send: a key may be revoked."""
_LOOK_S = 1.0
"""Between two looks whether a stream is idle."""
_PATIENCE_S, _TURN_S = 1.5, 0.02
"""How long a batch waits while decisions would be late, before it is refused; between two looks."""
_QUICK_BYTES = 32_768
"""A batch of more is read on another thread: callers of decisions are served meanwhile."""
SCOPE = "transactions:write"


class Streams:
    """What all streams share: how many there may be, and who reads batches, one at a time."""

    def __init__(
        self, settings: GatewaySettings, rates: Rates, handler: Handler, calls: Calls
    ) -> None:
        self.settings, self.calls = settings, calls
        self._handler, self._gate = handler, BulkGate(1, handler.pressure)
        self._reader, self._apart = RpcBatchReader(rates), RpcBatchReader(rates)
        self._open = 0
        self.ending = asyncio.Event()
        self._requests, self._problems = calls.metrics.requests, calls.metrics.problems

    def end(self) -> None:
        self.ending.set()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one stream; Problem where there is none."""
        if self.ending.is_set():
            raise ending()
        if self._open >= self.settings.grpc_max_streams:
            raise too_many_streams(self.settings.grpc_max_streams)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def read(self, body: bytes) -> RpcBatch:
        """The transactions of a message, once decisions leave room for them; Problem where they
        leave none for long.
        """
        pressure, end_s = self._handler.pressure, time.monotonic() + _PATIENCE_S
        while not pressure.is_open:
            if time.monotonic() > end_s:
                raise overloaded("decisions would be late")
            await asyncio.sleep(_TURN_S)
        now_ms = self._handler.clock.now_ms()
        if len(body) <= _QUICK_BYTES:
            found = self._reader.read(body, now_ms)
        else:
            found = await self._gate.apart(self._apart.read, body, now_ms)
        pressure.spend(len(found.batch))
        return found

    async def answer(self, found: RpcBatch) -> bytes:
        """1 send a batch, 2 tell what became of it."""
        batch, counts = found.batch, Counter[str]()
        sent = [at for at, frame in enumerate(batch.frames) if frame is not None]
        many = Many.of(batch, sent)
        if sent:
            await self._handler.accept_many(many)
        told = receipt_batch(found, many, counts)
        for code, count in counts.items():
            self._problems.labels(problem=code).inc(count)
        status = found.problem.status if found.problem else 503 if _none_taken(many) else 200
        self._requests.labels(route="grpc batch", status=str(status)).inc()
        return told


class BatchStream:
    """One stream."""

    def __init__(self, streams: Streams, call: Call) -> None:
        self._streams, self._call, self._context = streams, call, call.context
        self._settings = streams.settings
        self._due = asyncio.Queue[asyncio.Task[bytes] | None](WINDOW)
        self._heard_s = time.monotonic()
        self._why: Problem | None = None

    async def run(self) -> None:
        """Until the caller has sent all and was told all. Problem where that does not come."""
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        watching = asyncio.create_task(self._watch(reading))
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()  # it only ends before the reader by an error
            else:
                await writing
            reading.result()
        finally:
            for each in (watching, reading, writing):
                each.cancel()
            while not self._due.empty():
                if (task := self._due.get_nowait()) is not None:
                    task.cancel()

    async def _read(self) -> None:
        try:
            caller = await self._streams.calls.admit(self._call, SCOPE, is_counted=False)
            looked_s = time.monotonic()
            while (body := await self._next()) is not None:
                if time.monotonic() - looked_s > _AGAIN_S:
                    caller = await self._streams.calls.admit(self._call, SCOPE, is_counted=False)
                    looked_s = time.monotonic()
                try:
                    await self._streams.calls.take(caller)
                    found = await self._streams.read(body)
                    await self._streams.calls.spend(caller, len(found.batch))
                except Problem as problem:
                    found = refused(sequence_of(body), problem)
                await self._due.put(asyncio.create_task(self._streams.answer(found)))
        finally:
            await self._due.put(None)

    async def _next(self) -> bytes | None:
        """The next message, None where there is no other. Problem where none is waited for."""
        self._heard_s = time.monotonic()
        try:
            found = await self._context.read()
        except asyncio.CancelledError:
            if self._why is not None:
                raise self._why from None
            raise
        self._heard_s = math.inf
        return None if found is grpc.aio.EOF else bytes(found)

    async def _watch(self, reading: asyncio.Task[None]) -> None:
        """End the reading where nothing comes for long, or the gateway ends."""
        most_s = self._settings.grpc_idle_timeout_s
        while not reading.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._streams.ending.wait()
            is_idle = time.monotonic() - self._heard_s > most_s
            if self._heard_s < math.inf and (is_idle or self._streams.ending.is_set()):
                self._why = idle(most_s) if is_idle else ending()
                reading.cancel()
                return
            await asyncio.sleep(_LOOK_S / 10)

    async def _write(self) -> None:
        while (task := await self._due.get()) is not None:
            told, seconds = await task, self._settings.receive_timeout_s
            try:
                async with asyncio.timeout(seconds):
                    await self._context.write(told)
            except TimeoutError:
                raise slow_reader(seconds) from None


def _none_taken(many: Many) -> bool:
    return bool(many.found) and not any(many.found)
