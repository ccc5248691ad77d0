"""Alerts on late scores, over a producer that a test rules."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.support.builders import score

from riskstream.domain.contracts.codec import codec
from riskstream.gateway import late
from riskstream.gateway.late import FIELDS, LateAlerts
from riskstream.platform.telemetry.metrics import GatewayMetrics


class _Producer:
    """Takes records of the keys that are not in `refused`."""

    def __init__(self) -> None:
        self.refused: set[bytes] = set()
        self.taken: list[dict[str, Any]] = []

    async def begin_many(self, topic: str, keys: list[bytes], frames: list[bytes]) -> list[Any]:
        assert topic == "alerts.v1"
        places: list[Any] = []
        for key, frame in zip(keys, frames, strict=True):
            is_taken = key not in self.refused
            places.append((0, 1) if is_taken else None)
            if is_taken:
                self.taken.append(codec("alert.v1").decode(frame))
        return places


def _alerts(monkeypatch: pytest.MonkeyPatch) -> tuple[LateAlerts, _Producer, GatewayMetrics]:
    monkeypatch.setattr(late, "_REST_S", 0.0)
    producer, metrics = _Producer(), GatewayMetrics(CollectorRegistry())
    return LateAlerts(producer, metrics), producer, metrics  # type: ignore[arg-type]


def _late(**changes: Any) -> dict[str, Any]:
    whole = score(**changes)
    return {name: whole[name] for name in FIELDS} | {"partition": 3}


async def _sent(alerts: LateAlerts) -> None:
    task = asyncio.create_task(alerts.send())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()


def test_an_alert_says_what_was_told_and_what_the_score_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        alerts, producer, _ = _alerts(monkeypatch)
        alerts.raise_on(_late(src=7, decision="BLOCK"), "APPROVE", 5)
        await _sent(alerts)
        found = producer.taken[0]
        assert (found["kind"], found["told"], found["decision"]) == (
            "late_score",
            "APPROVE",
            "BLOCK",
        )
        assert (found["src_partition"], found["src"], found["raised_at"]) == (3, 7, 5)
        assert found["alert_id"] == "late-transactions.v1-3-7"

    asyncio.run(run())


def test_what_kafka_does_not_take_is_sent_again_and_the_oldest_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        monkeypatch.setattr(late, "_MOST", 3)
        alerts, producer, metrics = _alerts(monkeypatch)
        producer.refused = {b"c-1", b"c-2", b"c-3"}
        for number in range(4):
            alerts.raise_on(_late(customer_id=f"c-{number}", decision="BLOCK"), "APPROVE", 0)
        await _sent(alerts)
        assert producer.taken == []
        producer.refused = {b"c-3"}
        await _sent(alerts)
        assert [each["customer_id"] for each in producer.taken] == ["c-1", "c-2"]
        alerts.close()
        count = {
            sample.labels["outcome"]: sample.value
            for sample in next(iter(metrics.late_alerts.collect())).samples
            if sample.name.endswith("_total")
        }
        assert count == {"sent": 2, "lost": 2}

    asyncio.run(run())


def test_a_rejected_late_score_raises_none(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts, _, _ = _alerts(monkeypatch)
    alerts.raise_on(_late(verdict="REJECTED", decision=None), "APPROVE", 0)
    assert not alerts._waiting
