"""A gateway's HTTP server around a small application: real sockets, no Kafka."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog.testing
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from riskstream.gateway.answers import problem_handlers
from riskstream.gateway.edge import Edge
from riskstream.gateway.listening import bound
from riskstream.gateway.reading import read_body
from riskstream.gateway.serving import DrainingServer, http_server
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER


@dataclass
class Running:
    """`lag_s`: the most CPU time that the event loop took to come round; `events` what was
    logged.
    """

    port: int
    server: DrainingServer
    registry: CollectorRegistry
    lag_s: float = 0.0
    events: list[Any] = field(default_factory=list)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"riskstream_gateway_{name}", labels) or 0.0

    def connect(self) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def send(self, *parts: bytes, quiet_s: float = 0.3) -> bytes:
        """All that comes back on a connection of its own until the server closes it or says nothing
        for a while.
        """
        with self.connect() as peer:
            for part in parts:
                peer.sendall(part)
            return read_all(peer, quiet_s)


def read_all(peer: socket.socket, quiet_s: float = 1.0) -> bytes:
    """What comes until the end of the stream, or until nothing comes for a while."""
    peer.settimeout(quiet_s)
    out = b""
    try:
        while part := peer.recv(65_536):
            out += part
    except (TimeoutError, ConnectionResetError):
        pass
    return out


@contextmanager
def http_running(**settings: Any) -> Iterator[Running]:
    """POST /echo answers the size of the body, POST /slow after half a second, GET /boom fails."""
    registry = CollectorRegistry()
    metrics, chosen = GatewayMetrics(registry), GatewaySettings(**settings)
    listening = bound("127.0.0.1", 0)

    async def echo(request: Request) -> Response:
        return Response(str(len(await read_body(request, chosen.max_body_bytes))))

    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.5)
        return await echo(request)

    async def boom(_: Request) -> Response:
        raise ValueError("a fault of ours")

    async def tick() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            running.lag_s = max(running.lag_s, time.thread_time() - before)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(tick())
        yield
        task.cancel()

    routes = [
        Route("/echo", echo, methods=["POST"]),
        Route("/slow", slow, methods=["POST"]),
        Route("/boom", boom),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=problem_handlers(metrics))
    edge = Edge(app, {"/echo": "echo"}, metrics, NO_TRACER, lambda: server.is_draining)
    server = http_server(edge, chosen, metrics)
    running = Running(listening.getsockname()[1], server, registry)
    stack = ExitStack()
    running.events = stack.enter_context(structlog.testing.capture_logs())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield running
    finally:
        server.should_exit = True
        thread.join()
        stack.close()
