"""Records to Kafka on behalf of callers, who are told where they stand, or that Kafka did not take
them: within two seconds.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Label, Transaction
from riskstream.gateway.problem import busy
from riskstream.gateway.traced import RequestTrace
from riskstream.platform.kafka.clients.produce import AwaitedProducer, Place
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.errors import Fatal, Retryable

TRANSACTIONS, LABELS = "transactions.v1", "labels.v1"
_REPLY_S = 1.8
"""Longest wait for the broker to take a record."""
_AT_ONCE = 1000
"""Records of many that are under way at a time: callers of decisions come between."""
_CLIENT: dict[str, Any] = {
    "message.timeout.ms": 2000,
    "queue.buffering.max.messages": 20_000,
    "queue.buffering.max.kbytes": 16_384,
}
"""What is not taken after that is not taken at all: nothing piles up while the broker is down."""


class Sender:
    """Used from the event loop alone."""

    def __init__(
        self, kafka: str, loop: asyncio.AbstractEventLoop, metrics: GatewayMetrics
    ) -> None:
        self._metrics, self._sending = metrics, metrics.stage_seconds.labels("send")
        self._transactions, self._labels = codec("transaction.v1"), codec("label.v1")
        self.producer = AwaitedProducer(kafka, "gateway", loop, **_CLIENT)

    async def accept(self, transaction: Transaction, trace: RequestTrace | None) -> Place:
        """Where it stands, once the broker has it; Problem where it did not take it in time."""
        frame = self._transactions.encode(transaction)
        return await self._put(TRANSACTIONS, transaction.customer_id, frame, trace)

    async def label(self, label: Label, trace: RequestTrace | None) -> Place:
        """As `accept`."""
        return await self._put(LABELS, label.customer_id, self._labels.encode(label), trace)

    async def accept_many(self, keys: list[bytes], frames: list[bytes]) -> list[Place | None]:
        """Where each transaction stands, once the broker has them; None of one that it did not take
        within the time that a single one has.
        """
        out: list[Place | None] = []
        end = asyncio.get_running_loop().time() + _REPLY_S
        with suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                for at in range(0, len(keys), _AT_ONCE):
                    some = slice(at, at + _AT_ONCE)
                    sent = self.producer.begin_many(TRANSACTIONS, keys[some], frames[some])
                    out += await asyncio.shield(sent)
        self._metrics.appended.labels(TRANSACTIONS).inc(sum(each is not None for each in out))
        return out + [None] * (len(keys) - len(out))

    async def _put(self, topic: str, key: str, frame: bytes, trace: RequestTrace | None) -> Place:
        try:
            sent = self.begin(topic, key.encode(), frame, trace)
            async with asyncio.timeout(_REPLY_S):
                return await asyncio.shield(sent)
        except TimeoutError as error:
            raise busy("Kafka has not answered yet") from error
        except (Retryable, Fatal) as error:
            raise busy(str(error)) from error

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
