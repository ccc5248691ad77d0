"""`POST /v1/transactions:batch`: many transactions in one body, a status for each."""

from collections import Counter
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from riskstream.gateway.batch import Batch, BatchReader
from riskstream.gateway.bulk import BulkGate
from riskstream.gateway.handler import Handler
from riskstream.gateway.once.several import Many
from riskstream.gateway.problem import Problem, busy
from riskstream.gateway.rates import Rates
from riskstream.gateway.reading import read_body, spend
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.kafka.clients.produce import Place
from riskstream.platform.telemetry.metrics import GatewayMetrics

_QUICK_BYTES, _QUICK_ITEMS = 32_768, 200
"""A body of more is read, and answered, on another thread: callers of decisions are served
meanwhile.
"""
_TOLD_IN_FULL = 100
"""Refused transactions of one body whose errors are all told."""


class Batches:
    """The route."""

    def __init__(
        self,
        settings: GatewaySettings,
        rates: Rates,
        metrics: GatewayMetrics,
        handler: Handler,
        gate: BulkGate,
    ) -> None:
        self._settings, self._rates, self._metrics = settings, rates, metrics
        self._handler, self._gate = handler, gate
        self._spare: list[BatchReader] = []

    async def accept(self, request: Request) -> Response:
        """200 with a status an item; 503 where Kafka took none of them."""
        most, do = self._settings.max_batch_bytes, "send fewer at a time"
        with self._gate.receiving() as count:
            body = await read_body(request, most, do, count)
            with self._gate.place():
                return await self._accepted(request, body)

    async def _accepted(self, request: Request, body: bytes) -> Response:
        is_quick = len(body) <= _QUICK_BYTES and body.count(b"{") <= _QUICK_ITEMS
        batch = self._read(body) if is_quick else await self._gate.apart(self._read, body)
        self._gate.spend(len(batch))
        await spend(request, len(batch))
        sent = [at for at, frame in enumerate(batch.frames) if frame is not None]
        many = Many.of(batch, sent)
        await self._handler.accept_many(many)
        if sent and not any(many.found):
            raise busy("Kafka took none of them")
        places = {}
        for at, found in zip(sent, many.found, strict=True):
            if isinstance(found, Problem):
                batch.problems[at] = found
            else:
                places[at] = found
        given = batch, places, {sent[at] for at in many.again}
        told = self._told(*given) if is_quick else await self._gate.apart(self._told, *given)
        return Response(told, 200, media_type="application/json")

    def _read(self, body: bytes) -> Batch:
        reader = self._spare.pop() if self._spare else BatchReader(self._rates)
        try:
            now_ms = self._handler.clock.now_ms()
            return reader.read(body, now_ms, self._settings.max_batch_items)
        finally:
            self._spare.append(reader)

    def _told(self, batch: Batch, places: dict[int, Place | None], again: set[int]) -> bytes:
        items: list[dict[str, Any]] = []
        refused = Counter[str]()
        for at, name in enumerate(batch.ids):
            # let go of one by one, on this thread: all at once they hold up the event loop
            problem, place = batch.problems.pop(at, None), places.get(at)
            item: dict[str, Any] = {"index": at}
            if name:
                item["transaction_id"] = name
            if problem is None and place is not None:
                item |= {"status": 202, "partition": place[0], "offset": place[1]}
                if at in again:
                    item["replayed"] = True
            else:
                problem = problem or busy("Kafka did not take it")
                refused[problem.code] += 1
                item |= problem.body()
                if refused.total() > _TOLD_IN_FULL:
                    item.pop("errors", None)
            items.append(item)
        for code, count in refused.items():
            self._metrics.problems.labels(problem=code).inc(count)
        count = refused.total()
        return msgspec.json.encode(
            {"accepted": len(items) - count, "refused": count, "items": items}
        )
