"""The one handler behind every door: a transaction or label in, an answer out. It knows no
transport.

A decision: 1 wait for the score, 2 send, 3 at the deadline step down the ladder, 4 record the
answer, 5 answer.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Label, Transaction
from riskstream.gateway.answer_log import AnswerLog
from riskstream.gateway.asking import LadderQueue
from riskstream.gateway.decided import Decided
from riskstream.gateway.ladder import Ladder, Step
from riskstream.gateway.ladder_rules import follow_rules
from riskstream.gateway.problem import busy
from riskstream.gateway.settings import GatewaySettings
from riskstream.gateway.spool import Spool, spool_of
from riskstream.gateway.traced import RequestTrace
from riskstream.gateway.waiting import Call, ScoreWaiters
from riskstream.platform.kafka.clients.produce import AwaitedProducer
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.clock import Clock, SystemClock
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("gateway")
TRANSACTIONS, LABELS = "transactions.v1", "labels.v1"
_REPLY_S = 1.8
"""Longest wait for the broker to take a record: a 503 comes within two seconds."""
_RECORDING_S, _RECORDING_SHARE = 0.015, 0.25
"""Kept of a deadline to record the answer: so long, and at most that share of it."""
_CLIENT: dict[str, Any] = {
    "message.timeout.ms": 2000,
    "queue.buffering.max.messages": 20_000,
    "queue.buffering.max.kbytes": 16_384,
}
"""What is not taken after that is not taken at all: nothing piles up while the broker is away."""


class Handler:
    """Everything between doors and Kafka, from `running` on."""

    def __init__(
        self, settings: GatewaySettings, metrics: GatewayMetrics, clock: Clock | None = None
    ) -> None:
        """`clock`: the machine's, unless it is given."""
        self._settings, self._metrics, self.clock = settings, metrics, clock or SystemClock()
        self._sending, self._scoring = map(metrics.stage_seconds.labels, ("send", "wait"))
        self._transactions, self._answers, self._labels = (
            codec("transaction.v1"),
            codec("answer.v1"),
            codec("label.v1"),
        )
        self._ladder = Ladder(settings.approve_up_to_minor)
        self._asked = LadderQueue(self._ladder)
        self._producer: AwaitedProducer
        self._waiters: ScoreWaiters | None = None
        self._log: AnswerLog

    @property
    def is_ready(self) -> bool:
        return self._waiters is not None and self._waiters.is_reading

    @property
    def is_alive(self) -> bool:
        """False once scores are read no more: a restart is the cure."""
        return self._waiters is None or self._waiters.is_reading

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The clients, from the doors' opening to their closing."""
        loop, kafka = asyncio.get_running_loop(), self._settings.kafka
        where = self._settings.spool or spool_of(self._settings.port)
        spool = Spool(where, self._settings.spool_bytes)
        self._producer = AwaitedProducer(kafka, "gateway", loop, **_CLIENT)
        self._log = AnswerLog(self._producer, spool, self._metrics)
        self._waiters = await asyncio.to_thread(ScoreWaiters, kafka, loop, self._on_late)
        rules = follow_rules(kafka, lambda book: setattr(self._ladder, "next_book", book))
        draining = asyncio.create_task(self._log.drain())
        try:
            yield
        finally:
            draining.cancel()
            await asyncio.to_thread(rules.stop)
            await asyncio.to_thread(self._waiters.close)
            await asyncio.to_thread(self._producer.close)
            spool.close()

    async def accept(self, transaction: Transaction, trace: RequestTrace | None) -> tuple[int, int]:
        """(partition, offset) once the broker has the transaction; Problem where it did not take
        it in time.
        """
        frame = self._transactions.encode(transaction)
        return await self._put(TRANSACTIONS, transaction.customer_id, frame, trace)

    async def label(self, label: Label, trace: RequestTrace | None) -> tuple[int, int]:
        """As `accept`."""
        return await self._put(LABELS, label.customer_id, self._labels.encode(label), trace)

    async def decide(
        self,
        transaction: Transaction,
        deadline_ms: int,
        started: float,
        trace: RequestTrace | None,
    ) -> Decided:
        """The decision, recorded, within `deadline_ms` of `started` (the clock's monotonic time,
        s).
        """
        loop, waiters = asyncio.get_running_loop(), self._waiters
        assert waiters is not None
        end = loop.time() + deadline_ms / 1000 - (self.clock.monotonic() - started)
        kept = min(_RECORDING_S, _RECORDING_SHARE * deadline_ms / 1000)
        frame = self._transactions.encode(transaction)
        ids = (transaction.customer_id, transaction.transaction_id)
        is_full = len(waiters) >= self._settings.max_waiting
        # 1
        call = waiters.call(*ids)
        self._metrics.waiting.set(len(waiters))
        timer = loop.call_at(end - kept, call.give_up)
        step: Step | None = None
        try:
            # 2
            self._send(call, frame, trace)
            if is_full:
                call.give_up()
            with self._scoring.time():
                score = await call.future
            # 3
            if score is None:
                step = await self._asked.ask(frame, transaction.base_amount_minor)
                waiters.watch(call, step.decision)
        finally:
            timer.cancel()
            if call.told is None:
                waiters.forget(call)
            self._metrics.waiting.set(len(waiters))
        # 4
        if score is not None:
            self._see(score, trace)
        decided = Decided(
            transaction=transaction,
            place=call.place,
            score=score,
            step=step,
            deadline_ms=deadline_ms,
            elapsed_ms=(self.clock.monotonic() - started) * 1000,
        )
        record = decided.record(secrets.token_hex(16), self.clock.now_ms())
        self._metrics.answers.labels(record["rung"].lower()).inc()
        context = trace.context if trace else None
        key, answer = transaction.customer_id.encode(), self._answers.encode(record)
        await self._log.write(key, answer, end, context)
        return decided

    def _send(self, call: Call, frame: bytes, trace: RequestTrace | None) -> None:
        """Send the caller's transaction. The call gives up where Kafka does not take it."""
        key = call.key[0].encode()

        def on_done(place: tuple[int, int] | None) -> None:
            if place is None:
                call.give_up()
            elif self._waiters is not None:
                self._waiters.sent(call, place)

        try:
            self._begin(TRANSACTIONS, key, frame, trace, on_done)
        except (Retryable, Fatal):
            call.give_up()

    async def _put(
        self, topic: str, key: str, frame: bytes, trace: RequestTrace | None
    ) -> tuple[int, int]:
        try:
            sent = self._begin(topic, key.encode(), frame, trace)
            async with asyncio.timeout(_REPLY_S):
                return await asyncio.shield(sent)
        except TimeoutError as error:
            raise busy("Kafka has not answered yet") from error
        except (Retryable, Fatal) as error:
            raise busy(str(error)) from error

    def _begin(
        self,
        topic: str,
        key: bytes,
        frame: bytes,
        trace: RequestTrace | None,
        on_done: Callable[[tuple[int, int] | None], None] = lambda _: None,
    ) -> "asyncio.Future[tuple[int, int]]":
        """Send a record; `on_done` is told where it stands, None where Kafka did not take it."""
        context, started_ns = trace.sending() if trace else None, time.time_ns()

        def done(sent: "asyncio.Future[tuple[int, int]]") -> None:
            is_taken = not sent.cancelled() and sent.exception() is None
            place = sent.result() if is_taken else None
            self._sending.observe((time.time_ns() - started_ns) / 1e9)
            if is_taken:
                self._metrics.appended.labels(topic).inc()
            if trace is not None and context is not None:
                trace.sent(topic, context, started_ns, place)
            on_done(place)

        sent = self._producer.begin(topic, key, frame, context)
        sent.add_done_callback(done)
        return sent

    def _see(self, score: dict[str, Any], trace: RequestTrace | None) -> None:
        self._metrics.event_age_seconds.observe(
            max(score["read_at_ns"] / 1e9 - score["src_appended_at"] / 1e3, 0)
        )
        if trace is not None:
            trace.scored(score)

    def _on_late(self, call: Call, score: dict[str, Any]) -> None:
        """A score came after its caller was told a decision without it."""
        is_same = score["decision"] == call.told
        self._metrics.late_scores.labels("agrees" if is_same else "disagrees").inc()
        if not is_same:
            log.warning(
                "a late score disagrees with what the caller was told",
                transaction_id=call.key[1],
                told=call.told,
                decision=score["decision"],
                partition=score["partition"],
                src=score["src"],
            )
