"""The gateway's HTTP shell: routes, deadlines, problems; the numbered steps of a decision."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Transaction
from riskstream.gateway import registry
from riskstream.gateway.answers import problem_handlers
from riskstream.gateway.core import read_label, read_transaction
from riskstream.gateway.decided import decided, outcome
from riskstream.gateway.edge import Edge
from riskstream.gateway.problem import busy, late, rejected
from riskstream.gateway.rates import Rates
from riskstream.gateway.reading import deadline_ms_of, read_body
from riskstream.gateway.settings import GatewaySettings
from riskstream.gateway.traced import RequestTrace
from riskstream.gateway.waiting import ScoreWaiters
from riskstream.platform.kafka.clients.produce import AwaitedProducer
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer
from riskstream.runtime.clock import Clock
from riskstream.runtime.errors import Retryable

log = structlog.get_logger("gateway")
Handler = Callable[[Request], Awaitable[Response]]


class Gateway:
    """State of a running gateway: producer, waiters, metrics."""

    def __init__(
        self,
        settings: GatewaySettings,
        rates: Rates,
        clock: Clock,
        metrics: GatewayMetrics,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._settings, self._rates, self._clock, self._metrics = settings, rates, clock, metrics
        self._tracer = tracer
        self._reading, self._sending, self._scoring = map(
            metrics.stage_seconds.labels, ("read", "send", "wait")
        )
        self._transactions, self._answers, self._labels = (
            codec("transaction.v1"),
            codec("answer.v1"),
            codec("label.v1"),
        )
        self._producer: AwaitedProducer | None = None
        self._waiters: ScoreWaiters | None = None

    @property
    def is_ready(self) -> bool:
        return self._waiters is not None and self._waiters.is_reading

    @property
    def is_alive(self) -> bool:
        """False once scores are read no more: a restart is the cure."""
        return self._waiters is None or self._waiters.is_reading

    def app(
        self,
        is_draining: Callable[[], bool] = lambda: False,
        around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    ) -> Edge:
        """The ASGI application. While it `is_draining`, each answer is a connection's last.
        `around` the routes stands who lets callers in (`auth/guard.py`).
        """
        posted: dict[str, Handler] = {
            "/v1/transactions": self._accept,
            "/v1/decisions": self._decide,
            "/v1/labels": self._label,
        }
        app = Starlette(
            routes=[
                *(Route(path, handler, methods=["POST"]) for path, handler in posted.items()),
                *registry.routes(),
            ],
            lifespan=self._lifespan,
            exception_handlers=problem_handlers(self._metrics),
        )
        app.router.redirect_slashes = False  # a redirect would name whatever host the caller names
        names = {path: path.removeprefix("/v1/") for path in posted}
        return Edge(around(app), names, self._metrics, self._tracer, is_draining)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        self._producer = AwaitedProducer(self._settings.kafka, "gateway", loop)
        self._waiters = await asyncio.to_thread(ScoreWaiters, self._settings.kafka, loop)
        log.info("serving", host=self._settings.host, port=self._settings.port)
        yield
        await asyncio.to_thread(self._waiters.close)
        await asyncio.to_thread(self._producer.close)

    async def _accept(self, request: Request) -> Response:
        """POST /v1/transactions: 202 once the broker has the record."""
        transaction = await self._transaction(request)
        partition, offset = await self._send(transaction, request.state.trace)
        return _json(
            202,
            {
                "transaction_id": transaction.transaction_id,
                "partition": partition,
                "offset": offset,
            },
        )

    async def _label(self, request: Request) -> Response:
        """POST /v1/labels: 202 once the broker has the record."""
        with self._reading.time():
            body = await read_body(request, self._settings.max_body_bytes)
            label = read_label(body, self._clock.now_ms(), self._rates.base)
        trace = request.state.trace
        partition, offset = await self._put(
            "labels.v1", label.customer_id, self._labels.encode(label), trace
        )
        return _json(202, {"label_id": label.label_id, "partition": partition, "offset": offset})

    async def _decide(self, request: Request) -> Response:
        """POST /v1/decisions: 1 wait for the score, 2 send, 3 answer or 504 at the deadline, 4
        record the answer.
        """
        started = self._clock.monotonic()
        deadline_ms = deadline_ms_of(request, self._settings)
        transaction = await self._transaction(request)
        trace: RequestTrace | None = request.state.trace
        assert self._waiters is not None
        if len(self._waiters) >= self._settings.max_waiting:
            raise busy(f"{len(self._waiters)} callers wait already")
        ids = (transaction.customer_id, transaction.transaction_id)
        future = self._waiters.wait_for(*ids, by_place=True)
        self._metrics.waiting.set(len(self._waiters))
        place: tuple[int, int] | None = None
        score: dict[str, Any] | None = None
        try:
            async with asyncio.timeout(
                max(deadline_ms / 1000 - (self._clock.monotonic() - started), 0)
            ):
                place = await self._send(transaction, trace)
                self._waiters.sent(*ids, future, place)
                with self._scoring.time():
                    score = await future
        except TimeoutError:
            pass
        finally:
            self._waiters.forget(*ids, future)
            self._metrics.waiting.set(len(self._waiters))
        elapsed_ms = (self._clock.monotonic() - started) * 1000
        if score is not None:
            self._metrics.event_age_seconds.observe(
                max(score["read_at_ns"] / 1e9 - score["src_appended_at"] / 1e3, 0)
            )
            if trace is not None:
                trace.scored(score)
        self._record(transaction, score, place, deadline_ms, elapsed_ms, trace)
        if score is None:
            raise late(transaction.transaction_id, deadline_ms)
        if score["verdict"] == "REJECTED":
            raise rejected(score)
        return _json(200, decided(transaction, score, elapsed_ms))

    async def _transaction(self, request: Request) -> Transaction:
        with self._reading.time():
            return read_transaction(
                await read_body(request, self._settings.max_body_bytes),
                self._rates,
                self._clock.now_ms(),
            )

    async def _send(self, transaction: Transaction, trace: RequestTrace | None) -> tuple[int, int]:
        frame = self._transactions.encode(transaction)
        return await self._put("transactions.v1", transaction.customer_id, frame, trace)

    async def _put(
        self, topic: str, key: str, frame: bytes, trace: RequestTrace | None
    ) -> tuple[int, int]:
        assert self._producer is not None
        context, started_ns = trace.sending() if trace else None, time.time_ns()
        place: tuple[int, int] | None = None
        try:
            with self._sending.time():
                place = await self._producer.send(topic, key.encode(), frame, context)
            self._metrics.appended.labels(topic).inc()
            return place
        except Retryable as error:
            raise busy(str(error)) from error
        finally:
            if trace is not None and context is not None:
                trace.sent(topic, context, started_ns, place)

    def _record(
        self,
        transaction: Transaction,
        score: dict[str, Any] | None,
        place: tuple[int, int] | None,
        deadline_ms: int,
        elapsed_ms: float,
        trace: RequestTrace | None,
    ) -> None:
        """What was answered, to answers.v1."""
        assert self._producer is not None
        answer = {
            **outcome(transaction, score, place),
            "deadline_ms": deadline_ms,
            "elapsed_ms": elapsed_ms,
            "answered_at": self._clock.now_ms(),
        }
        logged = trace.context.logged() if trace else {}
        self._producer.post(
            "answers.v1",
            transaction.customer_id.encode(),
            self._answers.encode(answer),
            lambda why: log.error(
                "answer not recorded", transaction_id=transaction.transaction_id, why=why, **logged
            ),
            trace.context if trace else None,
        )


def _json(status: int, value: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
