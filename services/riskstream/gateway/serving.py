"""The HTTP server's process: its limits, and how it goes: it drains first."""

import resource
import time
from functools import partial
from signal import SIGTERM
from socket import socket
from types import FrameType
from typing import Any

import structlog
import uvicorn

from riskstream.gateway.auth.tls import Certificates, certificates_of
from riskstream.gateway.either import EitherProtocol
from riskstream.gateway.problem import Problem
from riskstream.gateway.protocol import SPARE_CONNECTIONS, GuardedProtocol, Limits
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.exits import Exit
from riskstream.runtime.run import stop_event

log = structlog.get_logger("gateway")
_FILES = 256
"""Files that the process needs beside its connections: Kafka's, the telemetry port's, libraries."""
_RENEW_TICKS = 100
"""Ticks of uvicorn, ten a second, between two looks for a new certificate."""
_STOP_S = 5
"""Seconds for an answer to leave, over the longest deadline."""


class DrainingServer(uvicorn.Server):
    """On SIGTERM it says that it is not ready, answers on for `drain_s`, then closes; on a second
    one, or Ctrl-C, at once.
    """

    def __init__(
        self, config: uvicorn.Config, drain_s: float, certificates: Certificates | None = None
    ) -> None:
        super().__init__(config)
        self._drain_s, self._certificates = drain_s, certificates
        self._ends_at: float | None = None

    @property
    def is_draining(self) -> bool:
        return self._ends_at is not None or self.should_exit

    def serve_on(self, listening: socket) -> Exit:
        """Serve a bound socket until a signal ends it; what the process ends with."""
        # uvicorn drains on a signal, then raises it again: that must not end us before our own end
        stop_event()
        self.run(sockets=[listening])
        return self.exit_code

    @property
    def exit_code(self) -> Exit:
        """What the process ends with."""
        return Exit.DONE if self.started else Exit.NO

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != SIGTERM or self._ends_at is not None or not self.started:
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        self._ends_at = time.monotonic() + self._drain_s

    async def on_tick(self, counter: int) -> bool:
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        if self._certificates is not None and counter % _RENEW_TICKS == 0:
            self._certificates.renew()
        return await super().on_tick(counter)


def http_server(app: Any, settings: GatewaySettings, metrics: GatewayMetrics) -> DrainingServer:
    """A server of the ASGI application, with the settings' limits."""

    def on_refused(problem: Problem) -> None:
        metrics.problems.labels(problem=problem.code).inc()
        metrics.requests.labels(route="none", status=str(problem.status)).inc()

    def is_draining() -> bool:
        return server.is_draining

    limits = Limits(
        max_connections=_connections(settings.max_connections),
        max_head_bytes=settings.max_head_bytes,
        max_body_bytes=max(settings.max_body_bytes, settings.max_batch_bytes),
        receive_s=settings.receive_timeout_s,
        max_streams=settings.max_streams,
    )
    given: dict[str, Any] = {"limits": limits, "on_refused": on_refused}
    protocol: Any = partial(GuardedProtocol, **given)
    if settings.http2:
        protocol = partial(EitherProtocol, is_draining=is_draining, **given)
    certificates = certificates_of(settings, ["h2", "http/1.1"] if settings.http2 else None)
    longest_s = max(settings.max_deadline_ms, settings.deadline_ms) / 1000
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol,
        ws="none",
        access_log=False,
        log_config=None,
        log_level="error",
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=settings.idle_timeout_s,
        timeout_graceful_shutdown=int(longest_s) + _STOP_S,
        ssl_context_factory=None if certificates is None else lambda *_: certificates.context,
    )
    server: DrainingServer = DrainingServer(config, settings.drain_s, certificates)
    metrics.connections.set_function(lambda: len(server.server_state.connections))
    return server


def _connections(wanted: int) -> int:
    """As many connections as are wanted, and as the process may open files: its soft limit is
    raised, never its hard one.
    """
    needed = wanted + SPARE_CONNECTIONS + _FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        allowed = max(most - SPARE_CONNECTIONS - _FILES, 1)
        log.warning("fewer connections than set", wanted=wanted, allowed=allowed, open_files=hard)
        return allowed
    return wanted
