"""A gateway's gRPC server around a handler that needs no Kafka: real sockets, all else of ours."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import structlog.testing
import uvloop
from prometheus_client import CollectorRegistry

from riskstream.domain.contracts.records import Label, Transaction
from riskstream.gateway.auth.guard import Access, Gate
from riskstream.gateway.auth.limits import Limits
from riskstream.gateway.decided import Decided
from riskstream.gateway.handler import Accepted, Handler
from riskstream.gateway.ladder import Step
from riskstream.gateway.once.lookup import unknown_decision
from riskstream.gateway.once.several import Many
from riskstream.gateway.pressure import Pressure
from riskstream.gateway.problem import busy
from riskstream.gateway.rates import read_rates
from riskstream.gateway.rpc.door import NAME, RpcDoor
from riskstream.gateway.rpc.messages import message_class
from riskstream.gateway.rpc.server import serving
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import AccessMetrics, GatewayMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER
from riskstream.runtime.clock import SystemClock
from riskstream.workbench.local.server import free_port


@dataclass
class Taken:
    """Stands for the handler and its sender: what doors gave it. `is_busy`: Kafka takes nothing;
    `wait_s`: until it does, and until a decision; `again`: all are repeats, and were told this.
    """

    records: list[Transaction | Label] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    deadlines: list[int] = field(default_factory=list)
    origins: list[tuple[str | None, str]] = field(default_factory=list)
    again: dict[str, Any] | None = None
    is_busy: bool = False
    wait_s: float = 0.0
    clock: SystemClock = field(default_factory=SystemClock)
    pressure: Pressure = field(default_factory=Pressure)

    @property
    def sender(self) -> "Taken":
        return self

    async def label(self, record: Transaction | Label, _: Any) -> tuple[int, int]:
        if self.is_busy:
            raise busy("Kafka has not answered yet")
        if record.customer_id == "boom":
            raise ValueError("a fault of ours")
        self.records.append(record)
        return 3, len(self.records)

    async def accept(
        self, record: Transaction, trace: Any, key: str | None, caller: str
    ) -> Accepted:
        self.origins.append((key, caller))
        return Accepted(*await self.label(record, trace), self.again is not None)

    async def accept_many(self, many: Many) -> None:
        await asyncio.sleep(self.wait_s)
        self.frames += many.frames
        many.found = [None if self.is_busy else (1, at) for at in range(len(many.frames))]
        assert len(many.names) == len(many.bodies) == len(many.keys) == len(many.frames)

    async def told(self, transaction_id: str, customer_id: str | None) -> dict[str, Any]:
        if self.again is None:
            raise unknown_decision()
        return {"transaction_id": f"{transaction_id}/{customer_id}", **self.again}

    async def decide(
        self,
        transaction: Transaction,
        deadline_ms: int,
        _: float,
        __: Any,
        key: str | None,
        caller: str,
    ) -> Decided:
        self.origins.append((key, caller))
        self.deadlines.append(deadline_ms)
        await asyncio.sleep(self.wait_s)
        step = Step(decision="REVIEW", rung="AMOUNT", reasons=("amount",), rules_version=None)
        return Decided(
            transaction=transaction,
            place=None,
            score=None,
            step=step,
            deadline_ms=deadline_ms,
            elapsed_ms=1.5,
            replayed=self.again,
        )


@dataclass
class RunningRpc:
    """`taken`: what reached the handler; `events`: what was logged."""

    port: int
    taken: Taken
    registry: CollectorRegistry
    events: list[Any] = field(default_factory=list)
    is_ready: bool = True

    def channel(self, **options: int) -> grpc.Channel:
        given = [(name.replace("__", "."), value) for name, value in options.items()]
        return grpc.insecure_channel(f"127.0.0.1:{self.port}", options=given)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"riskstream_gateway_{name}", labels) or 0.0


def method(channel: grpc.Channel, name: str, reply: str) -> Any:
    """A unary method: messages or raw bytes in, a message out."""
    return channel.unary_unary(
        f"/{NAME}/{name}",
        request_serializer=_raw,
        response_deserializer=message_class(reply).FromString,
    )


def stream(channel: grpc.Channel) -> Any:
    """AcceptStream."""
    return channel.stream_stream(
        f"/{NAME}/AcceptStream",
        request_serializer=_raw,
        response_deserializer=message_class("ReceiptBatch").FromString,
    )


def _raw(message: Any) -> bytes:
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())


@contextmanager
def rpc_running(access: Access | None = None, **settings: Any) -> Iterator[RunningRpc]:
    """A server with these settings, until the block ends."""
    registry, port = CollectorRegistry(), free_port()
    chosen = GatewaySettings(grpc_port=port, **settings)
    metrics, taken = GatewayMetrics(registry), Taken()
    limits = Limits(
        taken.clock,
        AccessMetrics(registry),
        rate_per_s=chosen.rate_per_s,
        burst=chosen.rate_burst,
    )
    running = RunningRpc(port, taken, registry)
    started, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        gate = Gate(access, limits, metrics)
        door = RpcDoor(chosen, read_rates(None), cast(Handler, taken), gate, NO_TRACER)
        loops.append(asyncio.get_running_loop())
        async with serving(chosen, door, lambda: running.is_ready):
            started.set()
            await stop.wait()

    stack = ExitStack()
    running.events = stack.enter_context(structlog.testing.capture_logs())
    thread = threading.Thread(target=lambda: uvloop.run(main()), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield running
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(30)
        stack.close()
        assert not thread.is_alive()


def until(is_so: Any, seconds: float = 10.0) -> None:
    """Return when it is so; AssertionError where that does not come."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)
