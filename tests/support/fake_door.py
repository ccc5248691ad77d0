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
from riskstream.gateway.handler import Accepted, Handler
from riskstream.gateway.once.lookup import unknown_decision, which_customer
from riskstream.gateway.once.several import Many
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

    async def label(self, label: Label, _: object) -> tuple[int, int]:
        self.taken.append(label)
        return 0, len(self.taken)


class FakeHandler:
    """Decides at once, by `score`; of decisions it knows the one of `t-1`."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.sender, self.score = clock, FakeSender(), dict(SCORE)
        self.pressure = Pressure()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    async def accept(self, transaction: Transaction, *_: object) -> Accepted:
        self.sender.taken.append(transaction)
        return Accepted(0, len(self.sender.taken))

    async def accept_many(self, many: Many) -> None:
        self.sender.taken += many.frames
        many.found = [(0, at) for at in range(len(many.frames))]

    async def decide(self, transaction: Transaction, deadline_ms: int, *_: object) -> Decided:
        ids = {"transaction_id": transaction.transaction_id}
        return Decided(
            transaction=transaction,
            place=(1, 7),
            score=self.score | ids,
            step=None,
            deadline_ms=deadline_ms,
            elapsed_ms=1.0,
        )

    async def told(self, transaction_id: str, customer_id: str | None) -> dict[str, Any]:
        if transaction_id != "t-1":
            raise unknown_decision()
        if customer_id is None:
            raise which_customer()
        names = ("decision", "score", "reasons", "flags", "verdict", "model_version")
        told = {"transaction_id": transaction_id, "rung": "SCORE"}
        place = {"partition": 1, "offset": 7, "elapsed_ms": 1.0}
        return told | {name: self.score[name] for name in names} | place


def fake_door(
    access: Access | None = None, clock: Clock | None = None, **settings: Any
) -> tuple[Edge, FakeHandler]:
    """The ASGI application and its handler; without `access` anybody may call."""
    registry, clock = CollectorRegistry(), clock or SystemClock()
    metrics, handler = GatewayMetrics(registry), FakeHandler(clock)
    limits = Limits(clock, AccessMetrics(registry), rate_per_s=0, burst=0)
    door = HttpDoor(GatewaySettings(**settings), read_rates(None), metrics, cast(Handler, handler))
    return door.app(around=lambda app: Guard(app, access, limits, metrics)), handler
