"""grpc.health.v1.Health, which load balancers ask: its two messages have one field each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

NAME = "grpc.health.v1.Health"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"
_LOOK_S = 0.5
MAX_WATCHERS = 64


class Health:
    """`is_ready`: of all `services`, of which "" is the server."""

    def __init__(self, is_ready: Callable[[], bool], services: tuple[str, ...]) -> None:
        self._is_ready, self._services = is_ready, ("", *services)
        self._watchers = 0

    def handlers(self) -> grpc.GenericRpcHandler:
        methods = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }
        return grpc.method_handlers_generic_handler(NAME, methods)

    def _status(self, body: bytes) -> bytes:
        """Of the service that a request names: its one field is a text of under 128 bytes."""
        size = body[1] if len(body) > 1 else 0
        name = body[2 : 2 + size].decode(errors="replace")
        if name not in self._services:
            return SERVICE_UNKNOWN
        return SERVING if self._is_ready() else NOT_SERVING

    async def _check(self, body: bytes, context: Any) -> bytes:
        found = self._status(body)
        if found == SERVICE_UNKNOWN:
            told = f"no such service; ask for one of {', '.join(self._services[1:])}"
            await context.abort(grpc.StatusCode.NOT_FOUND, told)
        return found

    async def _watch(self, body: bytes, context: Any) -> AsyncIterator[bytes]:
        if self._watchers >= MAX_WATCHERS:
            told = f"{MAX_WATCHERS} callers watch already; use Check"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, told)
        self._watchers += 1
        try:
            last = b""
            while True:
                if (found := self._status(body)) != last:
                    last = found
                    yield found
                await asyncio.sleep(_LOOK_S)
        finally:
            self._watchers -= 1
