"""Around every route: the request's id, its trace, its metrics, and what to do with an exception
nobody expected.
"""

import random
import re
import time
from collections.abc import Callable, Iterable
from functools import cache

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riskstream.gateway.auth.cards import holds_card_number
from riskstream.gateway.traced import RequestTrace
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.platform.telemetry.tracing import Tracer

log = structlog.get_logger("gateway")
_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_BEGINNINGS = (
    ("/v1/decisions/", "decisions/{id}"),
    ("/schemas", "registry"),
    ("/subjects", "registry"),
)
"""Of paths that no POST route has, and their names in metrics."""


class Edge:
    """The ASGI application around `app`. `routes`: the paths of POST routes and their names in
    metrics.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: dict[str, str],
        metrics: GatewayMetrics,
        tracer: Tracer,
        is_draining: Callable[[], bool],
    ) -> None:
        self._app, self._routes, self._metrics, self._tracer = app, routes, metrics, tracer
        self._is_draining = is_draining
        # to find a metric by its labels takes longer than to count
        self._counted = cache(lambda route, status: metrics.requests.labels(route, str(status)))
        self._timed = cache(metrics.request_seconds.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, path = time.perf_counter(), scope["path"]
        answer = _Answer(send, request_id_of(scope["headers"]), is_last=self._is_draining())
        trace = None
        if path in self._routes:
            trace = RequestTrace.begin(
                self._tracer, path, _header(scope["headers"], b"traceparent")
            )
        scope.setdefault("state", {}).update(
            trace=trace, request_id=answer.request_id.decode(), started=time.monotonic()
        )
        if trace is None:
            await self._answered(scope, receive, answer)
        else:
            with structlog.contextvars.bound_contextvars(**trace.context.logged()):
                await self._answered(scope, receive, answer)
                trace.end(answer.status)
                log.info("answered", path=path, status=answer.status)
        route = self._routes.get(path) or next(
            (name for begin, name in _BEGINNINGS if path.startswith(begin)), "other"
        )
        exemplar = {"trace_id": trace.context.trace_id} if trace else None
        self._counted(route, answer.status).inc()
        self._timed(route).observe(time.perf_counter() - started, exemplar)

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            # the edge of the loop: one line, counted; Starlette has sent the answer of `answers`
            request_id = answer.request_id.decode()
            log.exception(
                "request failed",
                path=scope["path"][:200],
                method=scope["method"],
                request_id=request_id,
            )
            self._metrics.problems.labels(problem="internal").inc()


class _Answer:
    """The sending side of one request, its id and its status, 0 before there is one."""

    def __init__(self, send: Send, request_id: bytes, *, is_last: bool) -> None:
        self._send, self.request_id, self._is_last = send, request_id, is_last
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"].append((b"x-request-id", self.request_id))
            if self._is_last:
                message["headers"].append((b"connection", b"close"))
        await self._send(message)


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The caller's X-Request-Id where it has 1 to 128 characters that a log line can hold, and no
    card number in them; else a new one.
    """
    for name, value in headers:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return value if not holds_card_number(value.decode()) else new_id()
    return new_id()


def new_id() -> bytes:
    """16 hexadecimal digits; nobody keeps them secret, so the system need not be asked for them."""
    return b"%016x" % random.getrandbits(64)


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name == wanted), None)
