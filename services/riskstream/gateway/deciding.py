"""Decisions: 1 wait for the score, 2 send, 3 at the deadline step down the ladder, 4 record the
answer, 5 answer. A transaction that came before is answered as it was then (`once/`).
"""

import asyncio
import secrets
from dataclasses import dataclass, replace
from typing import Any

import structlog

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.answer_log import AnswerLog
from riskstream.gateway.asking import LadderQueue
from riskstream.gateway.auth.caller import ANYBODY
from riskstream.gateway.decided import Decided, with_late
from riskstream.gateway.ladder import Step
from riskstream.gateway.late import LateAlerts
from riskstream.gateway.once.asks import ask_of
from riskstream.gateway.once.flight import Flight
from riskstream.gateway.once.identity import name_of, near
from riskstream.gateway.once.known import Known
from riskstream.gateway.once.once import Once
from riskstream.gateway.sending import TRANSACTIONS, Sender
from riskstream.gateway.traced import RequestTrace
from riskstream.gateway.waiting import Call, ScoreWaiters
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.clock import Clock
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("gateway")
_TELL_S = 0.1
"""Between two log lines on late scores: they come by the thousand when a scorer comes back."""
_RECORDING_S, _RECORDING_SHARE = 0.03, 0.25
"""Kept of a deadline to record the answer: so long, and at most that share of it."""
_PATIENCE_S = 0.05
"""How long the memory that gateways share is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A decision that a caller waits for: by when (`until`, in the loop's time), and its trace."""

    transaction: Transaction
    deadline_ms: int
    until: float
    trace: RequestTrace | None


class Deciding:
    """Used from the event loop alone, from the handler's `running` on."""

    def __init__(
        self, once: Once, ladder: LadderQueue, metrics: GatewayMetrics, clock: Clock, most: int
    ) -> None:
        """`most`: callers that wait; those over it are answered by the ladder."""
        self._once, self._asked, self._metrics, self._clock = once, ladder, metrics, clock
        self._most = most
        self._scoring = metrics.stage_seconds.labels("wait")
        self._transactions, self._answers = codec("transaction.v1"), codec("answer.v1")
        self._tells_at = 0.0
        self.sender: Sender
        self.waiters: ScoreWaiters
        self.log: AnswerLog
        self.late: LateAlerts

    async def decide(
        self,
        transaction: Transaction,
        deadline_ms: int,
        started: float,
        trace: RequestTrace | None,
        idempotency_key: str | None = None,
        caller: str = ANYBODY.name,
    ) -> Decided:
        """The decision, recorded, within `deadline_ms` of `started` (the clock's monotonic time,
        s): of a repeat, what the first one was told. Problem where the key or id came with another
        body, and where the first one is not answered by then.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_ms / 1000 - (self._clock.monotonic() - started)
        kept = min(_RECORDING_S, _RECORDING_SHARE * deadline_ms / 1000)
        frame = self._transactions.encode(transaction)
        ask = ask_of(transaction, frame, idempotency_key, caller, deadline_ms)
        patience_s = min(_PATIENCE_S, _RECORDING_SHARE * deadline_ms / 1000)
        found = await self._once.begin(ask, end - kept, patience_s)
        if isinstance(found, Known):
            self._metrics.replayed.labels("decision").inc()
            return Decided.of(found, transaction, deadline_ms)
        try:
            wanted = Wanted(
                transaction=transaction, deadline_ms=deadline_ms, until=end - kept, trace=trace
            )
            decided = await self._decide(wanted, found)
            decided = replace(decided, elapsed_ms=(self._clock.monotonic() - started) * 1000)
            await self._record(decided, end, trace)
            decided = replace(decided, elapsed_ms=(self._clock.monotonic() - started) * 1000)
            await self._remember(decided, found, end)
        finally:
            found.leave()
        return decided

    async def _decide(self, wanted: Wanted, flight: Flight) -> Decided:
        """By the score, or by the ladder where there is none in time."""
        loop, waiters = asyncio.get_running_loop(), self.waiters
        transaction, frame, trace = wanted.transaction, flight.ask.frame, wanted.trace
        ids = (transaction.customer_id, transaction.transaction_id)
        is_full = len(waiters) >= self._most
        # 1
        call = waiters.call(*ids)
        self._metrics.waiting.set(len(waiters))
        timer = loop.call_at(wanted.until, call.give_up)
        step: Step | None = None
        try:
            # 2
            self._send(call, flight, trace)
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
        if score is not None:
            self._see(score, trace)
        return Decided(
            transaction=transaction,
            place=call.place,
            score=score,
            step=step,
            deadline_ms=wanted.deadline_ms,
            elapsed_ms=0,
        )

    async def _record(self, decided: Decided, end: float, trace: RequestTrace | None) -> None:
        """4 record the answer."""
        record = decided.record(secrets.token_hex(16), self._clock.now_ms())
        self._metrics.answers.labels(record["rung"].lower()).inc()
        context = trace.context if trace else None
        key, answer = decided.transaction.customer_id.encode(), self._answers.encode(record)
        await self.log.write(key, answer, end, context)

    async def _remember(self, decided: Decided, flight: Flight, end: float) -> None:
        """What is replayed was recorded before."""
        score = decided.score
        if score is not None and score["reason"] == "id_reused":
            flight.drop()  # the id is another body's, which the scorer knows and we did not
            return
        stored = flight.tell(decided.kept())
        if stored is not None:
            left = end - asyncio.get_running_loop().time()
            await asyncio.wait({stored}, timeout=max(left, 0))

    def _send(self, call: Call, flight: Flight, trace: RequestTrace | None) -> None:
        """Send the caller's transaction. The call gives up where Kafka does not take it."""
        key = call.key[0].encode()

        def on_done(place: tuple[int, int] | None) -> None:
            flight.placed(place)
            if place is None:
                call.give_up()
            else:
                self.waiters.sent(call, place)

        try:
            self.sender.begin(TRANSACTIONS, key, flight.ask.frame, trace, on_done)
            flight.sent()
        except (Retryable, Fatal):
            flight.placed(None)
            call.give_up()

    def _see(self, score: dict[str, Any], trace: RequestTrace | None) -> None:
        self._metrics.event_age_seconds.observe(
            max(score["read_at_ns"] / 1e9 - score["src_appended_at"] / 1e3, 0)
        )
        if trace is not None:
            trace.scored(score)

    def on_late(self, call: Call, score: dict[str, Any]) -> None:
        """A score came after its caller was told a decision without it."""
        name = near(name_of(call.key[0].encode(), call.key[1].encode()))
        known = self._once.memory.get(name, self._clock.now_ms())
        if known is not None and known.told is not None:
            self._once.memory.late(name, with_late(known.told, score))
        is_same = score["decision"] == call.told
        self._metrics.late_scores.labels("agrees" if is_same else "disagrees").inc()
        if is_same or call.told is None:
            return
        self.late.raise_on(score, call.told, score["appended_at"])
        now = self._clock.monotonic()
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
