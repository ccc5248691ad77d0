"""The one handler behind every door, which knows no transport. What is only to be accepted goes to
its `sender`.

A decision: 1 wait for the score, 2 send, 3 at the deadline step down the ladder, 4 record the
answer, 5 answer.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import structlog

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.answer_log import AnswerLog
from riskstream.gateway.asking import LadderQueue
from riskstream.gateway.decided import Decided
from riskstream.gateway.ladder import Ladder, Step
from riskstream.gateway.ladder_rules import follow_rules
from riskstream.gateway.late import LateAlerts
from riskstream.gateway.pressure import Pressure
from riskstream.gateway.sending import TRANSACTIONS, Sender
from riskstream.gateway.settings import GatewaySettings
from riskstream.gateway.spool import Spool, spool_of
from riskstream.gateway.traced import RequestTrace
from riskstream.gateway.waiting import Call, ScoreWaiters
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.clock import Clock, SystemClock
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("gateway")
_SWITCH_S = 0.001
"""A thread that reads many transactions gives way to the event loop after so long."""
_TELL_S = 0.1
"""Between two log lines on late scores: they come by the thousand when a scorer comes back."""
_RECORDING_S, _RECORDING_SHARE = 0.03, 0.25
"""Kept of a deadline to record the answer: so long, and at most that share of it."""


class Handler:
    """Everything between doors and Kafka, from `running` on."""

    def __init__(
        self, settings: GatewaySettings, metrics: GatewayMetrics, clock: Clock | None = None
    ) -> None:
        """`clock`: the machine's, unless it is given. Fatal where the spool cannot be used."""
        self._spool = Spool(settings.spool or spool_of(settings.port), settings.spool_bytes)
        self._settings, self._metrics, self.clock = settings, metrics, clock or SystemClock()
        self._scoring = metrics.stage_seconds.labels("wait")
        self._transactions, self._answers = codec("transaction.v1"), codec("answer.v1")
        self._ladder = Ladder(settings.approve_up_to_minor)
        self._asked = LadderQueue(self._ladder)
        self._tells_at = 0.0
        self.pressure = Pressure()
        metrics.bulk_rate.set_function(lambda: self.pressure.rate)
        self.sender: Sender
        self._waiters: ScoreWaiters | None = None
        self._log: AnswerLog
        self._late: LateAlerts

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
        sys.setswitchinterval(_SWITCH_S)
        self.sender = Sender(kafka, loop, self._metrics)
        self._log = AnswerLog(self.sender.producer, self._spool, self._metrics)
        self._late = LateAlerts(self.sender.producer, self._metrics)
        self._waiters = await asyncio.to_thread(ScoreWaiters, kafka, loop, self._on_late)
        rules = follow_rules(kafka, lambda book: setattr(self._ladder, "next_book", book))
        tasks = [
            asyncio.create_task(each)
            for each in (self._log.drain(), self._late.send(), self.pressure.watch())
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            self._late.close()
            await asyncio.to_thread(rules.stop)
            await asyncio.to_thread(self._waiters.close)
            await asyncio.to_thread(self.sender.producer.close)
            self._spool.close()

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
        self.pressure.decides()
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
        return replace(decided, elapsed_ms=(self.clock.monotonic() - started) * 1000)

    def _send(self, call: Call, frame: bytes, trace: RequestTrace | None) -> None:
        """Send the caller's transaction. The call gives up where Kafka does not take it."""
        key = call.key[0].encode()

        def on_done(place: tuple[int, int] | None) -> None:
            if place is None:
                call.give_up()
            elif self._waiters is not None:
                self._waiters.sent(call, place)

        try:
            self.sender.begin(TRANSACTIONS, key, frame, trace, on_done)
        except (Retryable, Fatal):
            call.give_up()

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
        if is_same or call.told is None:
            return
        self._late.raise_on(score, call.told, score["appended_at"])
        now = self.clock.monotonic()
        if now >= self._tells_at:
            self._tells_at = now + _TELL_S
            log.warning(
                "a late score disagrees with what the caller was told",
                transaction_id=call.key[1],
                told=call.told,
                decision=score["decision"],
                partition=score["partition"],
                src=score["src"],
            )
