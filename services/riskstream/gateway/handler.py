"""The one handler behind every door, which knows no transport."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.answer_log import AnswerLog
from riskstream.gateway.asking import LadderQueue
from riskstream.gateway.auth.caller import ANYBODY
from riskstream.gateway.decided import Decided
from riskstream.gateway.deciding import Deciding
from riskstream.gateway.ladder import Ladder
from riskstream.gateway.ladder_rules import follow_rules
from riskstream.gateway.late import LateAlerts
from riskstream.gateway.once.asks import BROKER_MS, MARGIN_MS, ask_of
from riskstream.gateway.once.known import Known
from riskstream.gateway.once.lookup import look_up
from riskstream.gateway.once.many import ManyOnce
from riskstream.gateway.once.opening import open_once
from riskstream.gateway.once.several import Many
from riskstream.gateway.pressure import Pressure
from riskstream.gateway.sending import REPLY_S, TRANSACTIONS, Sender
from riskstream.gateway.settings import GatewaySettings
from riskstream.gateway.spool import Spool, spool_of
from riskstream.gateway.traced import RequestTrace
from riskstream.gateway.waiting import ScoreWaiters
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.clock import Clock, SystemClock

_SWITCH_S = 0.001
"""A thread that reads many transactions gives way to the event loop after so long."""


class Accepted(NamedTuple):
    """Where a transaction stands, and whether it stood there before this request."""

    partition: int
    offset: int
    is_replayed: bool = False


class Handler:
    """Everything between doors and Kafka, from `running` on."""

    def __init__(
        self, settings: GatewaySettings, metrics: GatewayMetrics, clock: Clock | None = None
    ) -> None:
        """`clock`: the machine's, unless it is given. Fatal where the spool cannot be used."""
        self._spool = Spool(settings.spool or spool_of(settings.port), settings.spool_bytes)
        self._settings, self._metrics, self.clock = settings, metrics, clock or SystemClock()
        self._transactions = codec("transaction.v1")
        self._ladder = Ladder(settings.approve_up_to_minor)
        self._once = open_once(settings, metrics, self.clock)
        queue, most = LadderQueue(self._ladder), settings.max_waiting
        self._deciding = Deciding(self._once, queue, metrics, self.clock, most)
        self.pressure = Pressure()
        metrics.bulk_rate.set_function(lambda: self.pressure.rate)
        self.sender: Sender
        self._waiters: ScoreWaiters | None = None

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
        answers, deciding = (
            AnswerLog(self.sender.producer, self._spool, self._metrics),
            self._deciding,
        )
        late = deciding.late = LateAlerts(self.sender.producer, self._metrics)
        self._waiters = await asyncio.to_thread(ScoreWaiters, kafka, loop, deciding.on_late)
        deciding.sender, deciding.waiters, deciding.log = self.sender, self._waiters, answers
        rules = follow_rules(kafka, lambda book: setattr(self._ladder, "next_book", book))
        works = (answers.drain(), late.send(), self.pressure.watch())
        tasks = [asyncio.create_task(each) for each in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            late.close()
            await asyncio.to_thread(rules.stop)
            await asyncio.to_thread(self._waiters.close)
            await asyncio.to_thread(self.sender.producer.close)
            if self._once.shared is not None:
                await self._once.shared.close()
            self._spool.close()

    async def accept(
        self,
        transaction: Transaction,
        trace: RequestTrace | None,
        idempotency_key: str | None = None,
        caller: str = ANYBODY.name,
    ) -> Accepted:
        """Where it stands, once the broker has it: of a repeat, where it stood before. Problem
        where it was not taken in time, and where the key or id came with another body.
        """
        frame = self._transactions.encode(transaction)
        ask = ask_of(transaction, frame, idempotency_key, caller)
        until = asyncio.get_running_loop().time() + REPLY_S
        found = await self._once.begin(ask, until)
        if isinstance(found, Known):
            assert found.place is not None
            self._metrics.replayed.labels("transaction").inc()
            return Accepted(*found.place, is_replayed=True)
        found.sent()
        key = transaction.customer_id
        place = await self.sender.put(TRANSACTIONS, key, frame, trace, found.placed)
        if found.stored is not None:
            await asyncio.wait({found.stored})
        return Accepted(*place)

    async def accept_many(self, many: Many) -> None:
        """Fill in where each stands, or what is wrong with it; None of one that Kafka did not take
        within the time that a single one has.
        """
        door = ManyOnce(self._once, self.sender.begin_many, BROKER_MS + MARGIN_MS)
        await door.accept(many, asyncio.get_running_loop().time() + REPLY_S)
        self._metrics.replayed.labels("transaction").inc(len(many.again))

    async def told(self, transaction_id: str, customer_id: str | None) -> dict[str, Any]:
        """What a caller was told of a transaction. Problem where nothing is known of it."""
        return await look_up(self._once, transaction_id, customer_id)

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
        self.pressure.decides()
        return await self._deciding.decide(
            transaction, deadline_ms, started, trace, idempotency_key, caller
        )
