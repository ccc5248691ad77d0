"""Exceptions of the routes to answers, each in the shape of a problem."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from riskstream.gateway.problem import Problem, failed
from riskstream.platform.telemetry.metrics import GatewayMetrics

ROUTES = (
    "POST /v1/decisions, /v1/transactions, /v1/transactions:batch, /v1/iso20022, /v1/labels; GET "
    "/v1/decisions/{transaction_id}, /subjects, /schemas, /docs, /openapi.json (docs/http.md)"
)
Handlers = dict[Any, Callable[[Request, Exception], Awaitable[Response]]]


def answer(problem: Problem) -> Response:
    """A problem as a response."""
    body = msgspec.json.encode(problem.body())
    return Response(
        body, problem.status, dict(problem.headers), media_type="application/problem+json"
    )


def problem_handlers(metrics: GatewayMetrics) -> Handlers:
    """Starlette's `exception_handlers`. Problems are counted; what nobody expected is raised on, to
    the edge.
    """

    async def on_problem(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, Problem)
        metrics.problems.labels(problem=problem.code).inc()
        return answer(problem)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405 and request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        detail = f"allowed: {headers['Allow']}" if "Allow" in headers else ROUTES
        found = Problem(
            status=error.status_code,
            code="http",
            title=str(error.detail),
            detail=detail,
            headers=tuple(headers.items()),
        )
        return await on_problem(request, found)

    async def on_failure(request: Request, _: Exception) -> Response:
        return answer(failed(request.state.request_id))

    async def on_disconnect(_: Request, __: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it; the metrics do

    return {
        Problem: on_problem,
        HTTPException: on_http,
        ClientDisconnect: on_disconnect,
        Exception: on_failure,
    }
