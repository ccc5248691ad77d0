"""Alerts on late scores: what callers were told without a score, and what the score says."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

import structlog

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Alert
from riskstream.domain.risk.decision import LATE_SCORE
from riskstream.platform.kafka.clients.produce import AwaitedProducer
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("gateway")
TOPIC = "alerts.v1"
FIELDS = (
    "src",
    "transaction_id",
    "customer_id",
    "score",
    "decision",
    "verdict",
    "reasons",
    "base_amount_minor",
    "base_currency",
    "occurred_at",
    "model_version",
)
"""What an alert takes of its score."""
_MOST, _AT_ONCE, _REST_S = 50_000, 100, 0.05
"""Most alerts that wait; how many are sent together, and the pause behind them: they come by the
thousand when a scorer comes back, and callers wait for the same event loop.
"""


class LateAlerts:
    """Used from the event loop alone. They wait while Kafka is away, the newest ones."""

    def __init__(self, producer: AwaitedProducer, metrics: GatewayMetrics) -> None:
        self._producer, self._metrics = producer, metrics
        self._codec = codec("alert.v1")
        self._waiting: deque[tuple[bytes, bytes]] = deque()

    def raise_on(self, score: dict[str, Any], told: str, appended_at: int) -> None:
        """Of an accepted score with `FIELDS` and `partition`, that came at `appended_at`, ms; one
        that decides nothing raises none.
        """
        if score["decision"] is None or score["base_currency"] is None:
            return
        alert = Alert(
            alert_id=f"late-transactions.v1-{score['partition']}-{score['src']}",
            kind=LATE_SCORE,
            transaction_id=score["transaction_id"],
            customer_id=score["customer_id"],
            score=score["score"] or 0.0,
            decision=score["decision"],
            told=told,  # type: ignore[arg-type]
            reasons=tuple(score["reasons"]),
            base_amount_minor=score["base_amount_minor"],
            base_currency=score["base_currency"],
            occurred_at=score["occurred_at"],
            src_partition=score["partition"],
            src=score["src"],
            model_version=score["model_version"],
            raised_at=appended_at,
        )
        if len(self._waiting) == _MOST:
            self._waiting.popleft()
            self._metrics.late_alerts.labels("lost").inc()
        self._waiting.append((alert.customer_id.encode(), self._codec.encode(alert)))

    async def send(self) -> None:
        """Send what waits, again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(_REST_S)
            if self._waiting:
                with suppress(Retryable, Fatal):
                    await self._send_some()

    async def _send_some(self) -> None:
        some = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
        try:
            places = await self._producer.begin_many(TOPIC, *map(list, zip(*some, strict=True)))
        except BaseException:
            self._waiting.extendleft(reversed(some))
            raise
        left = [each for each, place in zip(some, places, strict=True) if place is None]
        self._waiting.extendleft(reversed(left))
        self._metrics.late_alerts.labels("sent").inc(len(some) - len(left))

    def close(self) -> None:
        """Say how many alerts are lost, as the process ends before Kafka has them."""
        if self._waiting:
            self._metrics.late_alerts.labels("lost").inc(len(self._waiting))
            count = len(self._waiting)
            log.error("alerts on late scores are lost: Kafka did not take them", alerts=count)
