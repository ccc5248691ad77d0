"""Records to Kafka on behalf of callers, who are told where they stand, or that Kafka did not take
them: within two seconds.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Label
from riskstream.gateway.once.asks import BROKER_MS
from riskstream.gateway.problem import busy
from riskstream.gateway.traced import RequestTrace
from riskstream.platform.kafka.clients.produce import AwaitedProducer, Place
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.errors import Fatal, Retryable

TRANSACTIONS, LABELS = "transactions.v1", "labels.v1"
REPLY_S = 1.8
"""Longest wait for the broker to take a record."""
_CLIENT: dict[str, Any] = {
    "message.timeout.ms": BROKER_MS,
    "queue.buffering.max.messages": 20_000,
    "queue.buffering.max.kbytes": 16_384,
}
"""What is not taken after that is not taken at all: nothing piles up while the broker is down."""


async def arrives(sent: "asyncio.Future[Place]", seconds: float) -> bool:
    """Whether Kafka says within so long what became of a record, which stays under way if not."""
    if not sent.done():
        # by hand: half of what `timeout` around `shield` costs a record
        loop = sent.get_loop()
        told: asyncio.Future[None] = loop.create_future()

        def tell(*_: object) -> None:
            if not told.done():
                told.set_result(None)

        sent.add_done_callback(tell)
        timer = loop.call_later(seconds, tell)
        try:
            await told
        finally:
            timer.cancel()
    return sent.done()


class Sender:
    """Used from the event loop alone."""

    def __init__(
        self, kafka: str, loop: asyncio.AbstractEventLoop, metrics: GatewayMetrics
    ) -> None:
        self._metrics, self._sending = metrics, metrics.stage_seconds.labels("send")
        self._labels = codec("label.v1")
        self.producer = AwaitedProducer(kafka, "gateway", loop, **_CLIENT)

    async def label(self, label: Label, trace: RequestTrace | None) -> Place:
        """Where it stands, once the broker has it; Problem where it did not take it in time."""
        return await self.put(LABELS, label.customer_id, self._labels.encode(label), trace)

    def begin_many(
        self, keys: list[bytes], frames: list[bytes]
    ) -> "asyncio.Future[list[Place | None]]":
        """Where each of some transactions stands, once the broker has them; None of one that it did
        not take.
        """
        sent = self.producer.begin_many(TRANSACTIONS, keys, frames)
        sent.add_done_callback(self._count)
        return sent

    def _count(self, sent: "asyncio.Future[list[Place | None]]") -> None:
        if not sent.cancelled():
            taken = sum(each is not None for each in sent.result())
            self._metrics.appended.labels(TRANSACTIONS).inc(taken)

    async def put(
        self,
        topic: str,
        key: str,
        frame: bytes,
        trace: RequestTrace | None,
        on_done: Callable[[Place | None], None] = lambda _: None,
    ) -> Place:
        """As `begin`, and wait for it; Problem where Kafka did not take it in time. `on_done` is
        told in the end, whoever waits.
        """
        try:
            sent = self.begin(topic, key.encode(), frame, trace, on_done)
        except BaseException as error:
            on_done(None)
            if isinstance(error, Retryable | Fatal):
                raise busy(str(error)) from error
            raise
        try:
            if await arrives(sent, REPLY_S):
                return sent.result()
        except (Retryable, Fatal) as error:
            raise busy(str(error)) from error
        raise busy("Kafka has not answered yet")

    def begin(
        self,
        topic: str,
        key: bytes,
        frame: bytes,
        trace: RequestTrace | None,
        on_done: Callable[[Place | None], None] = lambda _: None,
    ) -> "asyncio.Future[Place]":
        """Send a record; `on_done` is told where it stands, None where Kafka did not take it."""
        context, started_ns = trace.sending() if trace else None, time.time_ns()

        def done(sent: "asyncio.Future[Place]") -> None:
            is_taken = not sent.cancelled() and sent.exception() is None
            place = sent.result() if is_taken else None
            self._sending.observe((time.time_ns() - started_ns) / 1e9)
            if is_taken:
                self._metrics.appended.labels(topic).inc()
            if trace is not None and context is not None:
                trace.sent(topic, context, started_ns, place)
            on_done(place)

        sent = self.producer.begin(topic, key, frame, context)
        sent.add_done_callback(done)
        return sent
