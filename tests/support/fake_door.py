"""The gateway's HTTP door around a handler without Kafka: it keeps what it is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from prometheus_client import CollectorRegistry

from riskstream.domain.contracts.records import Label, Transaction
from riskstream.gateway.app import HttpDoor
from riskstream.gateway.auth.guard import Access, Guard
from riskstream.gateway.auth.limits import Limits
from riskstream.gateway.decided import Decided
from riskstream.gateway.edge import Edge
from riskstream.gateway.handler import Handler
from riskstream.gateway.pressure import Pressure
from riskstream.gateway.rates import read_rates
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import AccessMetrics, GatewayMetrics
from riskstream.runtime.clock import Clock, SystemClock

SCORE: dict[str, Any] = {
    "decision": "APPROVE",
    "score": 0.25,
    "reasons": (),
    "flags": (),
    "verdict": "GOOD",
    "reason": "",
    "model_version": "m-1",
    "partition": 1,
    "src": 7,
}


class FakeSender:
    """Takes every record."""

    def __init__(self) -> None:
        self.taken: list[Transaction | Label | bytes] = []

    async def accept(self, transaction: Transaction, _: object) -> tuple[int, int]:
        self.taken.append(transaction)
        return 0, len(self.taken)

    async def label(self, label: Label, _: object) -> tuple[int, int]:
        self.taken.append(label)
        return 0, len(self.taken)

    async def accept_many(self, keys: list[bytes], frames: list[bytes]) -> list[tuple[int, int]]:
        self.taken += frames
        return [(0, at) for at in range(len(keys))]


class FakeHandler:
    """Decides at once, by `score`."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.sender, self.score = clock, FakeSender(), dict(SCORE)
        self.pressure = Pressure()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    async def decide(
        self, transaction: Transaction, deadline_ms: int, _started: float, _trace: object
    ) -> Decided:
        ids = {"transaction_id": transaction.transaction_id}
        return Decided(
            transaction=transaction,
            place=(1, 7),
            score=self.score | ids,
            step=None,
            deadline_ms=deadline_ms,
            elapsed_ms=1.0,
        )


def fake_door(
    access: Access | None = None, clock: Clock | None = None, **settings: Any
) -> tuple[Edge, FakeHandler]:
    """The ASGI application and its handler; without `access` anybody may call."""
    registry, clock = CollectorRegistry(), clock or SystemClock()
    metrics, handler = GatewayMetrics(registry), FakeHandler(clock)
    limits = Limits(clock, AccessMetrics(registry), rate_per_s=0, burst=0)
    door = HttpDoor(GatewaySettings(**settings), read_rates(None), metrics, cast(Handler, handler))
    return door.app(around=lambda app: Guard(app, access, limits, metrics)), handler
