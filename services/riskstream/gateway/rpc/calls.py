"""Around every call: who calls, its id, its trace, its metrics, and its problem as a status."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog
from cryptography import x509

from riskstream.gateway.auth.caller import ANYBODY, Caller
from riskstream.gateway.auth.credentials import credential_of
from riskstream.gateway.auth.guard import Gate
from riskstream.gateway.auth.problems import missing_scope
from riskstream.gateway.edge import request_id_of
from riskstream.gateway.problem import Problem, failed
from riskstream.gateway.rpc.problems import DETAILS, code_of, details_of, message_of
from riskstream.gateway.rpc.traced import RpcTrace
from riskstream.platform.telemetry.tracing import Tracer

log = structlog.get_logger("gateway")
_NEEDED = ("x-api-key", "authorization", "traceparent", "x-request-id", "idempotency-key")
_GONE = 499


@dataclass(slots=True)
class Call:
    """One call. `started`: the clock's monotonic time, s; `status`: that of HTTP, for metrics;
    `caller`: who was let in.
    """

    context: Any
    metadata: list[tuple[bytes, bytes]]
    request_id: bytes
    trace: RpcTrace | None
    started: float
    status: int = 200
    caller: Caller = ANYBODY

    def headers(self, wanted: bytes) -> list[str]:
        """All values of that name."""
        return [value.decode("latin-1") for name, value in self.metadata if name == wanted]


class Calls:
    """Begins and ends calls of a service; `gate` lets callers in."""

    def __init__(self, service: str, gate: Gate, tracer: Tracer) -> None:
        self._service, self._gate, self._tracer = service, gate, tracer
        self.metrics = gate.metrics

    @asynccontextmanager
    async def call(self, method: str, context: Any) -> AsyncIterator[Call]:
        """A call from its beginning to its end; a Problem inside ends it with its status."""
        began = time.perf_counter()
        call = self._begin(f"/{self._service}/{method}", context)
        try:
            yield call
        except Problem as problem:
            call.status = problem.status
            self.count(problem)
            await _abort(call, problem)
        except asyncio.CancelledError:
            call.status = _GONE
            raise
        except Exception:
            # the edge of the loop: one line, counted; the caller is told its id
            call.status = 500
            log.exception("call failed", method=method, request_id=call.request_id.decode())
            self.metrics.problems.labels(problem="internal").inc()
            await _abort(call, failed(call.request_id.decode()))
        finally:
            self._end(method, call, began)

    def count(self, problem: Problem) -> None:
        self.metrics.problems.labels(problem=problem.code).inc()

    async def admit(self, call: Call, scope: str, *, is_counted: bool = True) -> Caller:
        """Who calls; Problem where it is nobody, or may not. `is_counted`: as a request."""
        auth = call.context.auth_context() or {}
        certificates = auth.get("x509_pem_cert") or [None]
        credential = credential_of(call.metadata)
        caller = await self._gate.caller_of(credential, _subject(certificates[0]))
        if is_counted:
            await self.take(caller)
        if scope not in caller.scopes:
            raise missing_scope(scope)
        call.caller = caller
        return caller

    async def take(self, caller: Caller) -> None:
        """As of the gate."""
        await self._gate.take(caller)

    async def spend(self, caller: Caller, count: int) -> None:
        """Let a caller pay for so many transactions: one is paid for."""
        await self._gate.limits.spend(caller, count - 1)

    def _begin(self, path: str, context: Any) -> Call:
        metadata = [
            (key.encode(), value if isinstance(value, bytes) else value.encode("latin-1"))
            for key, value in context.invocation_metadata() or ()
            if key in _NEEDED
        ]
        call = Call(context, metadata, request_id_of(metadata), None, time.monotonic())
        parents = call.headers(b"traceparent")
        found = RpcTrace.begin(self._tracer, path, parents[0] if parents else None)
        call.trace = found if isinstance(found, RpcTrace) else None
        return call

    def _end(self, method: str, call: Call, began: float) -> None:
        route, trace = f"grpc {method}", call.trace
        self.metrics.requests.labels(route=route, status=str(call.status)).inc()
        exemplar = {"trace_id": trace.context.trace_id} if trace else None
        took_s = time.perf_counter() - began
        self.metrics.request_seconds.labels(route=route).observe(took_s, exemplar)
        if trace is not None:
            trace.end(call.status)
            log.info("answered", path=trace.path, status=call.status, **trace.context.logged())


async def _abort(call: Call, problem: Problem) -> None:
    """End a call with the status of its problem; raises."""
    told = ((DETAILS, details_of(problem)), ("x-request-id", call.request_id.decode()))
    await call.context.abort(code_of(problem), message_of(problem), told)


@lru_cache(maxsize=1024)
def _subject(pem: bytes | None) -> str | None:
    """The subject of a caller's certificate, as RFC 4514 writes it."""
    return None if pem is None else x509.load_pem_x509_certificate(pem).subject.rfc4514_string()
