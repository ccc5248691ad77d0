"""What all gateways remember together, as one gateway uses it: a second's pause where it does not
answer, and nobody's command cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import structlog

from riskstream.gateway.once.known import unpacked
from riskstream.gateway.once.ports import Remembered
from riskstream.platform.adapters.remembered import Row
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.clock import Clock
from riskstream.runtime.errors import Fatal, Retryable

T = TypeVar("T")
log = structlog.get_logger("gateway")
AWAY_S = 1.0
"""How long nobody asks it after it did not answer."""


class Shared:
    """Used from the event loop alone."""

    def __init__(self, store: Remembered, clock: Clock, metrics: GatewayMetrics) -> None:
        self._store, self._clock, self._metrics = store, clock, metrics
        self._away_until_s, self._is_away = 0.0, False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._settling: list[Row] = []
        self._settled: asyncio.Future[None] | None = None

    @property
    def is_asked(self) -> bool:
        return self._clock.monotonic() >= self._away_until_s

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside; whoever waits for it may go away."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Return when all that began is done."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def reserve(
        self, rows: Sequence[Row], pending_ms: Sequence[int]
    ) -> list[bytes | None] | None:
        """As `Remembered.reserve`; None where the gateway is on its own."""
        found = await self._asked(lambda: self._store.reserve(rows, pending_ms))
        if found is None:
            self._metrics.once_local.inc(len(rows))
            return None
        return [self._readable(each) for each in found]

    def settle(self, row: Row) -> "asyncio.Future[None]":
        """Done when the row is settled, or cannot be. Those of one turn of the loop go together."""
        loop = asyncio.get_running_loop()
        if self._settled is None:
            self._settled = loop.create_future()
            loop.call_soon(self._send_settled)
        self._settling.append(row)
        return self._settled

    async def settle_many(self, rows: Sequence[Row]) -> None:
        """As `settle`."""
        await self._asked(lambda: self._store.settle(rows))

    async def get(self, name: bytes) -> bytes | None:
        """None where nothing is known."""
        return self._readable(await self._asked(lambda: self._store.get(name)))

    def _readable(self, value: bytes | None) -> bytes | None:
        """As it is; None of what this version cannot read, so that one goes by its own memory."""
        if value:
            try:
                unpacked(value)
            except ValueError:
                self._metrics.once_local.inc()
                return None
        return value

    async def with_id(self, id_name: bytes) -> list[bytes]:
        return await self._asked(lambda: self._store.with_id(id_name)) or []

    def _send_settled(self) -> None:
        rows, self._settling = self._settling, []
        done, self._settled = self._settled, None

        async def send() -> None:
            try:
                await self.settle_many(rows)
            finally:
                if done is not None and not done.done():
                    done.set_result(None)

        self.begin(send())

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        if not self.is_asked:
            return None
        try:
            found = await ask()
        except (Retryable, Fatal) as error:
            self._on_away(str(error))
            return None
        if self._is_away:
            self._is_away = False
            log.info("gateways remember transactions together again")
        return found

    def _on_away(self, why: str) -> None:
        self._away_until_s = self._clock.monotonic() + AWAY_S
        if not self._is_away:
            self._is_away = True
            log.warning(
                "each gateway remembers transactions by itself until Redis answers", why=why
            )
