"""`POST /v1/transactions:batch`: many transactions in one body, a status for each."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from riskstream.gateway.batch import Batch, BatchReader
from riskstream.gateway.handler import Handler
from riskstream.gateway.problem import busy, overloaded
from riskstream.gateway.rates import Rates
from riskstream.gateway.reading import read_body
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import GatewayMetrics

_READ_APART = 65_536
"""A body of more bytes is read on another thread, so that callers of decisions are served
meanwhile.
"""


class BulkGate:
    """Lets in `most` bodies of many transactions at a time; more are shed."""

    def __init__(self, most: int) -> None:
        self._most, self._under_way = most, 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one body; Problem where there is none."""
        if self._under_way >= self._most:
            raise overloaded(self._most)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


class Batches:
    """The route."""

    def __init__(
        self, settings: GatewaySettings, rates: Rates, metrics: GatewayMetrics, handler: Handler
    ) -> None:
        self._settings, self._rates, self._metrics = settings, rates, metrics
        self._handler = handler
        self._spare: list[BatchReader] = []

    async def accept(self, request: Request) -> Response:
        """200 with a status an item; 503 where Kafka took none of them."""
        body = await read_body(request, self._settings.max_batch_bytes)
        batch = await self._read(body)
        sent = [at for at, frame in enumerate(batch.frames) if frame is not None]
        places = await self._handler.sender.accept_many(
            [batch.keys[at] or b"" for at in sent], [batch.frames[at] or b"" for at in sent]
        )
        if sent and not any(places):
            raise busy("Kafka took none of them")
        told = self._told(batch, dict(zip(sent, places, strict=True)))
        return Response(msgspec.json.encode(told), 200, media_type="application/json")

    async def _read(self, body: bytes) -> Batch:
        reader = self._spare.pop() if self._spare else BatchReader(self._rates)
        given = body, self._handler.clock.now_ms(), self._settings.max_batch_items
        try:
            if len(body) < _READ_APART:
                return reader.read(*given)
            return await asyncio.to_thread(reader.read, *given)
        finally:
            self._spare.append(reader)

    def _told(self, batch: Batch, places: dict[int, tuple[int, int] | None]) -> dict[str, Any]:
        items: list[dict[str, Any]] = []
        accepted = 0
        for at, name in enumerate(batch.ids):
            problem, place = batch.problems.get(at), places.get(at)
            if problem is None and place is not None:
                accepted += 1
                where = {"partition": place[0], "offset": place[1]}
                items.append({"status": 202, "transaction_id": name, **where})
                continue
            if problem is None:
                problem = busy("Kafka did not take it")
            self._metrics.problems.labels(problem=problem.code).inc()
            items.append(problem.body() | ({"transaction_id": name} if name else {}))
        return {"accepted": accepted, "refused": len(items) - accepted, "items": items}
