"""Alerts of the tracker's core."""

from dataclasses import replace

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


def test_lost_group_offsets_double_neither_states_nor_alerts() -> None:
    """The group's offset expired or was deleted: every score that is left is read again, over states that hold them."""
    scores = [
        Record(
            topic="scores.v1", headers=[], partition=0, offset=at, key=b"c-1", appended_at=NOW_MS,
            value=codec("score.v1").encode(
                score(src=at, prev=at - 1, transaction_id=f"t-{at}", customer_id=f"c-{at % 3}", decision="REVIEW")
            ),
        )
        for at in range(9)
    ]  # fmt: skip
    before = TrackerCore(TrackerMetrics(CollectorRegistry()))
    before.resume(0, None)
    before.restore(0, [])
    assert len(before.take(0, scores[:8], committed=0)) == 8
    states = [
        Record(topic=each.topic, headers=[], partition=0, offset=at, key=each.key, value=each.value, appended_at=NOW_MS)
        for at, each in enumerate(before.flush(0))
    ]
    after = TrackerCore(TrackerMetrics(CollectorRegistry()))
    after.resume(0, None)
    after.restore(0, states)
    assert after.take(0, scores[:8], committed=0) == []
    assert after.flush(0) == []
    [alert] = after.take(0, scores[8:], committed=0)
    assert codec("alert.v1").decode(alert.value)["src"] == 8
    [state] = after.flush(0)
    assert sum(tile["transactions"] for tile in codec("customer-risk.v1").decode(state.value)["daily"]) == 3


def test_an_erased_customer_does_not_come_back() -> None:
    """The tombstone stands behind an older state that compaction has not taken yet."""
    core = TrackerCore(TrackerMetrics(CollectorRegistry()))
    core.resume(0, None)
    core.restore(0, [])
    value = codec("score.v1").encode(score(customer_id="c-1"))
    accepted = Record(topic="scores.v1", headers=[], partition=0, offset=0, key=b"c-1", value=value, appended_at=NOW_MS)
    core.take(0, [accepted], committed=0)
    [state] = core.flush(0)
    records = [
        Record(topic=state.topic, headers=[], partition=0, offset=at, key=b"c-1", value=each, appended_at=NOW_MS)
        for at, each in enumerate([state.value, None])
    ]
    core.drop(0)
    core.resume(0, None)
    core.restore(0, records)
    again = codec("score.v1").encode(score(customer_id="c-1", src=1, prev=0, transaction_id="t-2"))
    core.take(0, [replace(accepted, offset=1, value=again)], committed=0)
    [state] = core.flush(0)
    assert sum(tile["transactions"] for tile in codec("customer-risk.v1").decode(state.value)["daily"]) == 1
