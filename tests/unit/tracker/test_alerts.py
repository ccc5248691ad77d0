"""Alerts of the tracker's core."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS, score
from tests.support.customer_state import CustomerState

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.domain.risk.customer_risk import Standing, whole_after
from riskstream.platform.kafka.record import Output, Record, one_by_one
from riskstream.platform.telemetry.metrics import TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.runtime.errors import Fatal
from riskstream.tracker.core import TrackerCore
from riskstream.tracker.outputs import ALERTS
from riskstream.tracker.settings import TrackerSettings

LARGE = codec("score.v1").encode(score(src=1, prev=0, customer_id="c" * 70_000))
"""A score that a foreign hand wrote."""


def _as_records(outputs: list[Output]) -> list[Record]:
    """Outputs as a reader of their topics finds them."""
    return [
        Record(
            topic=each.topic,
            headers=[],
            partition=0,
            offset=at,
            key=each.key,
            value=each.value,
            appended_at=NOW_MS,
        )
        for at, each in enumerate(outputs)
    ]


def test_a_review_without_a_score_is_an_alert_as_sure_as_can_be() -> None:
    """The scorer's model gave no number (flag no_score): a human looks, and the contract's float is
    there.
    """
    core = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, None)
    core.restore(0, [])
    value = codec("score.v1").encode(score(score=None, decision="REVIEW", flags=["no_score"]))
    record = Record(
        topic="scores.v1",
        headers=[],
        partition=0,
        offset=0,
        key=b"c-1",
        value=value,
        appended_at=NOW_MS,
    )
    made = one_by_one(core.take(0, [record], committed=0))
    alert = next(each for each in made if each.topic == ALERTS)
    assert codec("alert.v1").decode(alert.value)["score"] == 1.0
    assert [each.topic for each in list(one_by_one(core.flush(0)))] == ["customer-risk.v1"]


@pytest.mark.parametrize("value", [b"{broken}", None, b"\0\0\0\0\7" + b"x" * 20, LARGE])
def test_a_score_that_cannot_be_read_holds_the_partition_and_nothing_is_folded_in(
    value: bytes | None,
) -> None:
    core = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, None)
    core.restore(0, [])
    good = codec("score.v1").encode(score(decision="REVIEW"))
    records = [
        Record(
            topic="scores.v1",
            headers=[],
            partition=0,
            offset=at,
            key=b"c-1",
            value=each,
            appended_at=NOW_MS,
        )
        for at, each in enumerate([good, value])
    ]
    with pytest.raises(SchemaWait, match=r"scores\.v1 0:1") as held:
        core.take(0, records, committed=0)
    assert held.value.rows == [1]
    assert not held.value.is_over()
    assert not list(one_by_one(core.flush(0)))
    assert core.take(0, records[:1], committed=0)


def test_a_held_score_is_left_out_where_a_person_says_so_and_the_states_say_what_they_lack() -> (
    None
):
    core = TrackerCore(
        MetricsObserver(metrics := TrackerMetrics(CollectorRegistry()), "tracker"),
        frozenset({(0, 1), (0, 2)}),
    )
    core.resume(0, None)
    core.restore(0, [])
    values = [
        codec("score.v1").encode(score(src=0, prev=-1)),
        b"{broken}",
        codec("score.v1").encode(score(src=2, prev=1, transaction_id="t-2")),
    ]
    records = [
        Record(
            topic="scores.v1",
            headers=[],
            partition=0,
            offset=at,
            key=b"c-1",
            value=each,
            appended_at=NOW_MS,
        )
        for at, each in enumerate(values)
    ]
    core.take(0, records, committed=0)
    [state] = list(one_by_one(core.flush(0)))
    found = codec("customer-risk.v1").decode(state.value)
    assert found["daily"][0]["transactions"] == 2, "one that can be read is never left out"
    assert (found["position"], found["whole_from"]) == (2, whole_after(NOW_MS))
    assert metrics.skipped._value.get() == 1


@pytest.mark.parametrize("given", ["1", "1:x", "1:2,", "1:-2"])
def test_places_to_leave_out_are_checked_at_start(given: str) -> None:
    assert TrackerSettings.load(["--skip-scores", "1:2,0:7"]).skipped() == {(1, 2), (0, 7)}
    with pytest.raises(Fatal, match="skip_scores"):
        TrackerSettings.load(["--skip-scores", given])


def test_lost_group_offsets_double_neither_states_nor_alerts() -> None:
    """The group's offset expired or was deleted: every score that is left is read again, over
    states that hold them.
    """
    scores = [
        Record(
            topic="scores.v1",
            headers=[],
            partition=0,
            offset=at,
            key=b"c-1",
            appended_at=NOW_MS,
            value=codec("score.v1").encode(
                score(
                    src=at,
                    prev=at - 1,
                    transaction_id=f"t-{at}",
                    customer_id=f"c-{at % 3}",
                    decision="REVIEW",
                )
            ),
        )
        for at in range(9)
    ]
    before = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    before.resume(0, None)
    before.restore(0, [])
    assert before.start(0, None) == 0
    assert len(before.take(0, scores[:6], committed=0)) == 6
    states = _as_records(list(one_by_one(before.flush(0))))
    # committed; the process died before the next flush
    alerts = _as_records(list(one_by_one(before.take(0, scores[6:8], committed=0))))
    after = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    after.resume(0, None)
    after.restore(0, [*states, *alerts])
    assert after.start(0, None) == 6
    assert after.take(0, scores[6:8], committed=0) == []
    assert len(list(one_by_one(after.flush(0)))) == 2
    [alert] = list(one_by_one(after.take(0, scores[8:], committed=0)))
    assert codec("alert.v1").decode(alert.value)["src"] == 8
    [state] = list(one_by_one(after.flush(0)))
    assert (
        sum(tile["transactions"] for tile in codec("customer-risk.v1").decode(state.value)["daily"])
        == 3
    )


def test_states_of_an_older_tracker_are_not_doubled_when_the_offsets_are_lost() -> None:
    """They say no offset of scores.v1: what is left is read again, and left out up to the newest
    state's own position.
    """
    scores = [
        Record(
            topic="scores.v1",
            headers=[],
            partition=0,
            offset=at,
            key=b"c-1",
            appended_at=NOW_MS,
            value=codec("score.v1").encode(
                score(src=at, prev=at - 1, transaction_id=f"t-{at}", decision="REVIEW")
            ),
        )
        for at in range(4)
    ]
    before = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    before.resume(0, None)
    before.restore(0, [])
    before.take(0, scores[:3], committed=0)
    [state] = list(one_by_one(before.flush(0)))
    old = {**codec("customer-risk.v1").decode(state.value), "position": -1, "score_offset": -1}
    after = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    after.resume(0, None)
    after.restore(0, _as_records([replace(state, value=codec("customer-risk.v1").encode(old))]))
    assert after.start(0, None) == 0
    [alert] = list(one_by_one(after.take(0, scores, committed=0)))
    assert codec("alert.v1").decode(alert.value)["src"] == 3
    [state] = list(one_by_one(after.flush(0)))
    found = codec("customer-risk.v1").decode(state.value)
    assert (found["position"], found["score_offset"], found["daily"][0]["transactions"]) == (
        3,
        4,
        4,
    )


@pytest.mark.parametrize("first", [5, 0])
def test_a_fresh_tracker_whose_scores_begin_late_says_from_when_its_states_are_whole(
    first: int,
) -> None:
    core = TrackerCore(MetricsObserver(metrics := TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, None)
    core.restore(0, [])
    assert core.start(0, None) == 0
    value = codec("score.v1").encode(score(src=first, prev=first - 1))
    record = Record(
        topic="scores.v1",
        headers=[],
        partition=0,
        offset=9,
        key=b"c-1",
        value=value,
        appended_at=NOW_MS,
    )
    core.take(0, [record], committed=0)
    [state] = list(one_by_one(core.flush(0)))
    expected = 0 if first == 0 else whole_after(codec("score.v1").decode(value)["src_appended_at"])
    assert codec("customer-risk.v1").decode(state.value)["whole_from"] == expected
    assert metrics.whole_from._value.get() == expected / 1000


def test_the_last_state_of_a_flush_says_so() -> None:
    core = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, None)
    core.restore(0, [])
    records = [
        Record(
            topic="scores.v1",
            headers=[],
            partition=0,
            offset=at,
            key=b"c",
            appended_at=NOW_MS,
            value=codec("score.v1").encode(
                score(src=at, prev=at - 1, transaction_id=f"t-{at}", customer_id=f"c-{at}")
            ),
        )
        for at in range(3)
    ]
    core.take(0, records, committed=0)
    ends = [
        codec("customer-risk.v1").decode(each.value)["ends_flush"]
        for each in list(one_by_one(core.flush(0)))
    ]
    assert ends == [False, False, True]


@pytest.mark.parametrize("is_the_only_one", [True, False])
def test_a_state_that_cannot_be_read_is_counted_and_its_windows_are_said_to_lack_scores(
    is_the_only_one: bool,
) -> None:
    core = TrackerCore(MetricsObserver(metrics := TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, "flushed=1;last=0")
    good = codec("customer-risk.v1").encode(
        CustomerState(customer_id="c-2", src=0).record(0, Standing(position=0, score_offset=1))
    )
    broken = Record(
        topic="customer-risk.v1",
        headers=[],
        partition=0,
        offset=0,
        key=b"c-1",
        value=b"no",
        appended_at=NOW_MS,
    )
    core.restore(
        0,
        [broken]
        if is_the_only_one
        else [broken, replace(broken, offset=1, key=b"c-2", value=good)],
    )
    assert core.start(0, 1) == 1
    assert metrics.unreadable_states.labels(topic="customer-risk.v1")._value.get() == 1
    value = codec("score.v1").encode(score(src=1, prev=0, customer_id="c-1"))
    record = Record(
        topic="scores.v1",
        headers=[],
        partition=0,
        offset=1,
        key=b"c-1",
        value=value,
        appended_at=NOW_MS,
    )
    core.take(0, [record], committed=0)
    [state] = list(one_by_one(core.flush(0)))
    found = codec("customer-risk.v1").decode(state.value)
    assert (found["whole_from"], found["daily"][0]["transactions"]) == (whole_after(NOW_MS), 1)


def test_a_state_under_a_schema_that_nobody_knows_is_waited_for() -> None:
    core = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, None)
    value = b"\0\0\0\0\7" + b"x" * 20
    newer = Record(
        topic="customer-risk.v1",
        headers=[],
        partition=0,
        offset=3,
        key=b"c-1",
        value=value,
        appended_at=NOW_MS,
    )
    with pytest.raises(SchemaWait, match=r"customer-risk\.v1 0:3") as held:
        core.restore(0, [newer])
    assert not held.value.is_over()
    core.restore(0, [newer, replace(newer, offset=4, value=None)])
    assert core.start(0, None) == 0, (
        "what took its place is an end: nobody waits for what stood there before"
    )


def test_an_erased_customer_does_not_come_back() -> None:
    """The tombstone stands behind an older state that compaction has not taken yet."""
    core = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, None)
    core.restore(0, [])
    value = codec("score.v1").encode(score(customer_id="c-1"))
    accepted = Record(
        topic="scores.v1",
        headers=[],
        partition=0,
        offset=0,
        key=b"c-1",
        value=value,
        appended_at=NOW_MS,
    )
    core.take(0, [accepted], committed=0)
    [state] = list(one_by_one(core.flush(0)))
    records = [
        Record(
            topic=state.topic,
            headers=[],
            partition=0,
            offset=at,
            key=b"c-1",
            value=each,
            appended_at=NOW_MS,
        )
        for at, each in enumerate([state.value, None])
    ]
    core.drop(0)
    core.resume(0, None)
    core.restore(0, records)
    again = codec("score.v1").encode(score(customer_id="c-1", src=1, prev=0, transaction_id="t-2"))
    core.take(0, [replace(accepted, offset=1, value=again)], committed=0)
    [state] = list(one_by_one(core.flush(0)))
    assert (
        sum(tile["transactions"] for tile in codec("customer-risk.v1").decode(state.value)["daily"])
        == 1
    )
