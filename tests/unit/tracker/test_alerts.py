"""Alerts of the tracker's core."""

import pytest
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS, score

from riskstream.contracts.codec import codec
from riskstream.contracts.writers import SchemaWait
from riskstream.kafka.ports import Record
from riskstream.telemetry.metrics import TrackerMetrics
from riskstream.tracker.core import ALERTS, TrackerCore


def test_a_review_without_a_score_is_an_alert_as_sure_as_can_be() -> None:
    """The scorer's model gave no number (flag no_score): a human looks, and the contract's float is there."""
    core = TrackerCore(TrackerMetrics(CollectorRegistry()))
    core.resume(0, None)
    core.restore(0, [])
    value = codec("score.v1").encode(score(score=None, decision="REVIEW", flags=["no_score"]))
    record = Record(topic="scores.v1", headers=[], partition=0, offset=0, key=b"c-1", value=value, appended_at=NOW_MS)
    alert = next(each for each in core.take(0, [record], committed=0) if each.topic == ALERTS)
    assert codec("alert.v1").decode(alert.value)["score"] == 1.0
    assert [each.topic for each in core.flush(0)] == ["customer-risk.v1"]


@pytest.mark.parametrize("value", [b"{broken}", None, b"\0\0\0\0\7" + b"x" * 20])
def test_a_score_that_cannot_be_read_holds_the_partition_and_nothing_is_folded_in(value: bytes | None) -> None:
    core = TrackerCore(TrackerMetrics(CollectorRegistry()))
    core.resume(0, None)
    core.restore(0, [])
    good = codec("score.v1").encode(score(decision="REVIEW"))
    records = [
        Record(topic="scores.v1", headers=[], partition=0, offset=at, key=b"c-1", value=each, appended_at=NOW_MS)
        for at, each in enumerate([good, value])
    ]
    with pytest.raises(SchemaWait, match=r"scores\.v1 0:1") as held:
        core.take(0, records, committed=0)
    assert held.value.rows == [1]
    assert not held.value.is_over()
    assert not core.flush(0)
    assert core.take(0, records[:1], committed=0)
