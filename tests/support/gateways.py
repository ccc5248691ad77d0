"""Some gateways that let each transaction through once, without Kafka: a log of what they sent."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.once.asks import ask_of
from riskstream.gateway.once.flight import Ask, Flight
from riskstream.gateway.once.known import Known
from riskstream.gateway.once.memory import Memory
from riskstream.gateway.once.once import Once
from riskstream.gateway.once.shared import Shared
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.clock import ManualClock
from tests.support.builders import transaction
from tests.support.shared_memory import SharedMemory

KEEP_MS = 86_400_000
T = TypeVar("T")


class Gateways:
    """`published`: name and frame of each transaction that Kafka got, at (0, index)."""

    def __init__(self, count: int = 1, *, is_shared: bool = False) -> None:
        self._runner = asyncio.Runner()
        self.clock, self.registry = ManualClock(), CollectorRegistry()
        self._metrics = GatewayMetrics(self.registry)
        self.store = SharedMemory(self.clock, KEEP_MS) if is_shared else None
        self.each = [self._made() for _ in range(count)]
        self.published: list[tuple[bytes, bytes]] = []

    def _made(self) -> Once:
        shared = Shared(self.store, self.clock, self._metrics) if self.store else None
        return Once(Memory(10_000, 10**7, KEEP_MS), self.clock, shared)

    def restart(self, at: int) -> None:
        """Kill a gateway, and start it again without a memory of its own."""
        self.each[at] = self._made()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def begin(self, ask: Ask, at: int = 0, within_s: float = 0.0) -> Known | Flight:
        until = asyncio.get_running_loop().time() + within_s
        return await self.each[at].begin(ask, until)

    def publish(self, flight: Flight) -> tuple[int, int]:
        """Its transaction is in Kafka, which has not said so yet."""
        self.published.append((flight.ask.name, flight.ask.frame))
        flight.sent()
        return 0, len(self.published) - 1

    async def accept(self, ask: Ask, at: int = 0, within_s: float = 0.0) -> tuple[int, int] | None:
        """Where the transaction stands."""
        found = await self.begin(ask, at, within_s)
        if isinstance(found, Known):
            return found.place
        place = self.publish(found)
        found.placed(place)
        if found.stored is not None:
            await found.stored
        return place

    def close(self) -> None:
        self._runner.close()


def asked(
    key: str | None = None, caller: str = "c", deadline_ms: int | None = None, **changes: Any
) -> Ask:
    """A request for a transaction."""
    row = Transaction(**transaction(**changes))
    frame = codec("transaction.v1").encode(row)
    return ask_of(row, frame, key, caller, deadline_ms)
