"""The HTTP door: routes, bodies and headers to the handler, what it gives to responses."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from riskstream.domain.contracts.records import Transaction
from riskstream.gateway import public, registry
from riskstream.gateway.answers import problem_handlers
from riskstream.gateway.batches import Batches
from riskstream.gateway.bulk import BulkGate
from riskstream.gateway.core import read_label, read_transaction
from riskstream.gateway.edge import Edge
from riskstream.gateway.handler import Handler
from riskstream.gateway.iso_door import IsoDoor
from riskstream.gateway.posted import Answering, Posted
from riskstream.gateway.problem import Problem, rejected
from riskstream.gateway.rates import Rates
from riskstream.gateway.reading import deadline_ms_of, origin_of, read_body
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER, Tracer

log = structlog.get_logger("gateway")


class HttpDoor:
    """The ASGI application over a handler."""

    def __init__(
        self,
        settings: GatewaySettings,
        rates: Rates,
        metrics: GatewayMetrics,
        handler: Handler,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._settings, self._rates, self._metrics = settings, rates, metrics
        self._handler, self._clock, self._tracer = handler, handler.clock, tracer
        self._bulk = BulkGate(
            settings.max_batches,
            handler.pressure,
            settings.max_batches * settings.max_batch_bytes,
        )
        self._batches = Batches(settings, rates, metrics, handler, self._bulk)
        self._iso = IsoDoor.of(settings, rates, handler, self._bulk)
        self._reading = metrics.stage_seconds.labels("read")

    def app(
        self,
        is_draining: Callable[[], bool] = lambda: False,
        around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
        beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> Edge:
        """The ASGI application. While it `is_draining`, each answer is a connection's last.
        `around` the routes stands who lets callers in (`auth/guard.py`), `beside` them what
        else the handler serves.
        """
        self._beside = beside
        posted: dict[str, Answering] = {
            "/v1/transactions": self._accept,
            "/v1/transactions:batch": self._batches.accept,
            "/v1/iso20022": self._iso.post,
            "/v1/decisions": self._decide,
            "/v1/labels": self._label,
        }
        handlers = problem_handlers(self._metrics)
        app = Starlette(
            routes=[
                *(Route(path, handler, methods=["POST"]) for path, handler in posted.items()),
                Route("/v1/decisions/{transaction_id:path}", self._told, methods=["GET"]),
                *registry.routes(),
                *public.routes(),
            ],
            lifespan=self._lifespan,
            exception_handlers=handlers,
        )
        app.router.redirect_slashes = False  # a redirect would name whatever host the caller names
        names = {path: path.removeprefix("/v1/") for path in posted}
        return Edge(
            around(Posted(posted, app, handlers)), names, self._metrics, self._tracer, is_draining
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self._handler.running(), self._beside():
            log.info("serving", host=self._settings.host, port=self._settings.port)
            yield

    async def _accept(self, request: Request) -> Response:
        """POST /v1/transactions: 202 once the broker has the record."""
        origin = origin_of(request)
        transaction = await self._transaction(request)
        accepted = await self._handler.accept(transaction, request.state.trace, *origin)
        body = {
            "transaction_id": transaction.transaction_id,
            "partition": accepted.partition,
            "offset": accepted.offset,
        }
        return _json(202, body, is_replayed=accepted.is_replayed)

    async def _label(self, request: Request) -> Response:
        """POST /v1/labels: 202 once the broker has the record."""
        with self._reading.time():
            body = await read_body(request, self._settings.max_body_bytes)
            label = read_label(body, self._clock.now_ms(), self._rates.base)
        partition, offset = await self._handler.sender.label(label, request.state.trace)
        return _json(202, {"label_id": label.label_id, "partition": partition, "offset": offset})

    async def _decide(self, request: Request) -> Response:
        """POST /v1/decisions: 200 with the decision, within the deadline."""
        started: float = request.state.started
        deadline_ms, origin = deadline_ms_of(request, self._settings), origin_of(request)
        transaction = await self._transaction(request)
        decided = await self._handler.decide(
            transaction, deadline_ms, started, request.state.trace, *origin
        )
        if decided.score is not None and decided.score["verdict"] == "REJECTED":
            raise rejected(decided.score)
        return _json(200, decided.body(), is_replayed=decided.replayed is not None)

    async def _told(self, request: Request) -> Response:
        """GET /v1/decisions/{transaction_id}: 200 with what the caller was told."""
        named = request.query_params.getlist("customer_id")
        if len(named) > 1:
            raise Problem(
                status=400,
                code="bad-customer",
                title="The customer is given more than once",
                detail=f"customer_id is given {len(named)} times; give it once",
            )
        transaction_id = request.path_params["transaction_id"]
        return _json(200, await self._handler.told(transaction_id, named[0] if named else None))

    async def _transaction(self, request: Request) -> Transaction:
        with self._reading.time():
            return read_transaction(
                await read_body(request, self._settings.max_body_bytes),
                self._rates,
                self._clock.now_ms(),
            )


def _json(status: int, value: dict[str, Any], *, is_replayed: bool = False) -> Response:
    headers = {"Idempotent-Replayed": "true"} if is_replayed else None
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")
