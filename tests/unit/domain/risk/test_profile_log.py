"""One partition of profile events: repeats, labels, order of arrival, and going on from what was
written.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.support.profile_log import NAMES, T0, event, label, taken, vector

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.declare import TERMINAL
from riskstream.domain.risk.features.profiles.log import ProfileLog
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka.record import Record, one_by_one
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler.core import ProfilerCore
from riskstream.runtime.durations import HOUR_MS


def test_an_event_is_counted_once_its_tile_is_closed() -> None:
    log = taken(event(1), event(2))
    assert vector(log, T0)["terminal_count_1d"] == 0
    assert vector(log, T0 + HOUR_MS)["terminal_count_1d"] == 2


def test_a_record_that_was_taken_is_dropped_and_so_is_a_transaction_that_upstream_repeats() -> None:
    log = taken(event(1), event(2), event(1), event(2), event(3, transaction_hash=2))
    assert log.repeats == 2
    assert vector(log)["terminal_count_1d"] == 2


@pytest.mark.parametrize("first", ["FRAUD", "GENUINE"])
def test_of_two_labels_the_one_of_the_stronger_source_stands_whichever_came_first(
    first: str,
) -> None:
    other = "GENUINE" if first == "FRAUD" else "FRAUD"
    strong = label(1, 1, outcome=first, source="CHARGEBACK")
    weak = label(2, 1, outcome=other, source="CUSTOMER", known_at=T0 + 10**9)
    again = [
        label(1, 1, outcome=other, source="CUSTOMER", known_at=T0 + 10**9),
        label(2, 1, outcome=first, source="CHARGEBACK"),
    ]
    for labels in ([strong, weak], again):
        assert vector(taken(event(1), *labels))["terminal_fraud_rate_7d"] == (first == "FRAUD")


def test_a_label_taken_back_by_its_own_source_is_gone() -> None:
    log = taken(event(1), label(1, 1), label(2, 1, outcome="GENUINE"))
    assert vector(log)["terminal_fraud_rate_7d"] == 0


def test_a_label_may_come_before_its_transaction() -> None:
    assert vector(taken(label(1, 1), event(1)))["terminal_fraud_rate_7d"] == 1


def test_what_cannot_be_read_is_left_out_and_counted() -> None:
    log = ProfileLog(STANDARD_PROFILES)
    assert log.take([event(1), b"\0nonsense", None, event(2)]) == 2
    assert vector(log)["terminal_count_1d"] == 2


STEPS = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(0, 11),
        st.integers(0, 40),
        st.sampled_from(["FRAUD", "GENUINE"]),
        st.sampled_from(["CHARGEBACK", "ANALYST", "UNKNOWN"]),
    ),
    min_size=1,
    max_size=40,
)


def _frames(steps: list[Any]) -> list[bytes]:
    """Each step from a source partition of its own, so that any order is one that a log may
    have.
    """
    out = []
    for number, (is_label, of, hours, outcome, source) in enumerate(steps):
        at = T0 + of * 3 * HOUR_MS + of
        common = {
            "src_partition": number,
            "key": f"t{of % 3}",
            "occurred_at": at,
            "transaction_hash": of,
        }
        if is_label:
            out.append(
                event(
                    1,
                    **common,
                    kind="LABEL",
                    outcome=outcome,
                    source=source,
                    known_at=at + hours,
                    amount_minor=0,
                )
            )
        else:
            out.append(event(1, **common, amount_minor=of))
    return out


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 10**6), cut=st.integers(1, 9))
def test_the_final_vectors_do_not_depend_on_the_order_of_arrival(
    steps: list[Any], seed: int, cut: int
) -> None:
    frames = _frames(steps)
    shuffled = [frames[at] for at in np.random.default_rng(seed).permutation(len(frames))]
    one, other = taken(*frames), ProfileLog(STANDARD_PROFILES)
    for start in range(0, len(shuffled), cut):
        other.take(shuffled[start : start + cut])
    assert one.clock_ms == other.clock_ms
    for key in (b"t0", b"t1", b"t2"):
        for hour in range(0, 60, 7):
            at = T0 + hour * HOUR_MS
            np.testing.assert_array_equal(
                one.profiles[TERMINAL].read(key, at), other.profiles[TERMINAL].read(key, at)
            )


def _core() -> ProfilerCore:
    return ProfilerCore(
        STANDARD_PROFILES, MetricsObserver(ProfilerMetrics(CollectorRegistry()), "profiler")
    )


def _records(frames: list[bytes], first: int) -> list[Record]:
    return [
        Record(
            topic="profile-events.v1",
            partition=0,
            offset=first + at,
            appended_at=0,
            key=b"k",
            value=frame,
            headers=[],
        )
        for at, frame in enumerate(frames)
    ]


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, share=st.floats(0.1, 0.9), is_lost=st.booleans())
def test_an_owner_that_takes_over_goes_on_as_the_one_before_would_have(
    steps: list[Any], share: float, is_lost: bool
) -> None:
    """Where the group's offsets are lost (`is_lost`), the shuffle may have written everything once
    more as well.
    """
    frames = _frames(steps)
    split = int(len(frames) * share)
    alone, before, after = _core(), _core(), _core()
    written = {}
    for core in (alone, before):
        core.resume(0, None)
        core.restore(0, [])
    for part in (frames[:split], frames[split:]):
        if part:
            alone.take(0, _records(part, 0 if part is frames[:split] else split), 0)
            alone.settle(0, 0)
    if split:
        before.take(0, _records(frames[:split], 0), 0)
    for output in one_by_one([*before.settle(0, 0), *before.flush(0)]):
        written[output.topic, output.key] = output
    after.resume(0, None if is_lost else f"flushed={split};" + before.metadata(0))
    after.restore(
        0,
        [
            Record(
                topic=each.topic,
                partition=0,
                offset=0,
                appended_at=0,
                key=each.key,
                value=each.value,
                headers=[],
            )
            for each in written.values()
        ],
    )
    assert after.start(0, None if is_lost else split) == split
    if is_lost and split:
        after.take(0, _records(frames[:split], split), 0)
    if frames[split:]:
        after.take(0, _records(frames[split:], split), 0)
        after.settle(0, 0)
    assert after.metadata(0) == alone.metadata(0)
    for key in (b"t0", b"t1", b"t2"):
        one, other = (core._partitions[0].log.profiles[TERMINAL] for core in (alone, after))
        for hour in range(0, 60, 7):
            np.testing.assert_array_equal(
                one.read(key, T0 + hour * HOUR_MS), other.read(key, T0 + hour * HOUR_MS)
            )


def test_nothing_is_written_twice_while_what_was_committed_is_taken_again() -> None:
    core = _core()
    core.resume(0, None)
    core.restore(0, [])
    core.take(0, _records([event(1), event(200)], 0), 2)
    assert core.settle(0, 5) == []
    assert [output.topic for output in one_by_one(core.settle(0, 2))] == ["terminal-risk.v1"]
    assert core.settle(0, 2) == []


def test_a_vector_is_kept_with_the_one_before_it_and_is_written_when_a_tile_leaves_a_window() -> (
    None
):
    core = _core()
    core.resume(0, None)
    core.restore(0, [])
    seen = []
    for number, frame in enumerate([event(1), event(61, key="u"), event(60 * 26, key="u")]):
        core.take(0, _records([frame], number), 0)
        vectors = one_by_one(core.settle(0, 0))
        seen += [codec("terminal-risk.v1").decode(output.value) for output in vectors]
    mine = [each for each in seen if each["terminal_id"] == "t"]
    at = NAMES.index("terminal_count_1d")
    assert [each["vector"][at] for each in mine] == [1, 0], (
        "in the day's window, then out of it, by events of others alone"
    )
    assert mine[1]["previous_vector"][at] == 1
    assert (mine[1]["previous_closed_at"], mine[1]["previous_as_of_offset"]) == (T0 + HOUR_MS, 1)
