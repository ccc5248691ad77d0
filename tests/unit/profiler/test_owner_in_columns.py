"""What the profiler's owner writes as columns is what an oracle writes, one event and one record
after the other.
"""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.support.profile_log import T0, event
from tests.support.profiles_one_by_one import OneByOne, Written

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.declare import TERMINAL, FeatureSet
from riskstream.domain.risk.features.profiles.vector import ProfileVector, vector_of
from riskstream.domain.risk.features.profiles.vectors import VectorReader
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka.record import Made, Record, one_by_one
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler import outputs
from riskstream.profiler.core import ProfilerCore
from riskstream.runtime.durations import DAY_MS, HOUR_MS

KEYS = ("t", "t-1", "ü" * 9, "k" * 256, "a b", " ")
KINDS = ("PURCHASE", "REFUND", "CASH", "TRANSFER", "UNKNOWN")


def _frames(rng: random.Random, count: int) -> list[bytes | None]:
    """Events and labels with repeats of both kinds, gaps, foreign entities and broken frames."""
    out: list[bytes | None] = []
    srcs = [0, 0, 0]
    step = rng.choice([60_000, HOUR_MS // 2, 7 * HOUR_MS])
    for at in range(count):
        of = max(at - rng.choice([0, 1, 3, 40]), 0) if rng.random() < 0.3 else at
        number = rng.randrange(3)
        srcs[number] += rng.choice([0, 1, 1, 1, 2])
        changes: dict[str, Any] = {
            "src_partition": number,
            "entity": rng.choice(["terminal", "terminal", "device", "shop", "terminax"]),
            "key": rng.choice(KEYS),
            "occurred_at": T0 + of * step - rng.choice([0, 0, 0, 3 * DAY_MS, 90 * DAY_MS]),
            "transaction_hash": rng.choice([of, -of, 7]),
            "amount_minor": rng.choice([0, 100, 10**13]),
            "transaction_kind": rng.choice(KINDS),
            "src_index": rng.choice([0, 0, 1]),
        }
        if rng.random() < 0.3:
            changes |= {
                "kind": rng.choice(["LABEL", "LABEL", "LABEL", "UNKNOWN"]),
                "outcome": rng.choice(["FRAUD", "GENUINE"]),
                "source": rng.choice(["CHARGEBACK", "ANALYST", "UNKNOWN"]),
                "known_at": T0 + rng.randrange(99),
            }
        frame = event(srcs[number], **changes)
        if changes.get("kind") == "UNKNOWN":
            frame = event(srcs[number], key="", entity="terminal")
        broken: list[bytes | None] = [None, b"", b"\0nonsense", frame[:-3], frame + b"\0"]
        out.append(rng.choice(broken) if rng.random() < 0.04 else frame)
    return out


def _written(made: list[Made]) -> list[Written]:
    found = list(one_by_one(made))
    assert {each.partition for each in found} <= {2}
    return [(each.topic, each.key, each.value) for each in found]


def _core() -> tuple[ProfilerCore, ProfilerMetrics]:
    metrics = ProfilerMetrics(CollectorRegistry())
    core = ProfilerCore(STANDARD_PROFILES, MetricsObserver(metrics, "profiler"))
    core.resume(2, None)
    core.restore(2, [])
    core.start(2, None)
    return core, metrics


def _records(frames: list[bytes | None], first: int) -> list[Record]:
    return [
        Record(
            topic="profile-events.v1",
            partition=2,
            offset=first + place,
            appended_at=0,
            key=b"k",
            value=frame,
            headers=[],
        )
        for place, frame in enumerate(frames)
    ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 300), at_once=st.sampled_from([1, 3, 2048]))
def test_outputs_are_those_of_one_event_after_the_other(
    seed: int, count: int, at_once: int
) -> None:
    rng = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "_AT_ONCE", at_once)
        (core, metrics), oracle = _core(), OneByOne(STANDARD_PROFILES)
        frames, at = _frames(rng, count), 0
        while at < count:
            taken = frames[at : at + rng.choice([1, 7, 60, 300])]
            assert core.take(2, _records(taken, at), 0) == []
            oracle.take(taken, at)
            at += len(taken)
            if rng.random() < 0.7:
                assert _written(core.settle(2, 0)) == oracle.settle(2)
            if rng.random() < 0.4 or at >= count:
                assert _written(core.flush(2)) == oracle.flush()
    assert metrics.bad._value.get() == oracle.bad
    assert metrics.dropped._value.get() == oracle.repeats


WIDE = len(STANDARD_PROFILES.profiles[TERMINAL])
FLOATS = st.lists(st.floats(width=32), min_size=0, max_size=WIDE + 1)
VECTOR = st.fixed_dictionaries(
    {
        "terminal_id": st.sampled_from(KEYS),
        "as_of_partition": st.sampled_from([2, 2, 2, 1]),
        "as_of_offset": st.integers(-1, 2**40),
        "closed_at": st.integers(0, 2**40),
        "vector": st.one_of(st.lists(st.floats(width=32), min_size=WIDE, max_size=WIDE), FLOATS),
        "previous_closed_at": st.one_of(st.none(), st.integers(0, 2**40)),
        "previous_as_of_offset": st.integers(-1, 2**40),
        "previous_vector": st.one_of(
            st.just([]), st.lists(st.floats(width=32), min_size=WIDE, max_size=WIDE), FLOATS
        ),
        "feature_set": st.sampled_from([STANDARD_PROFILES.label] * 3 + ["other.v1"]),
    }
)


def _in_blocks(frame: bytes, record: dict[str, Any]) -> bytes:
    """The frame with the vector's floats in a block each, as other writers may have them."""
    raw = np.array(record["vector"], np.float32).tobytes()
    whole = bytes([2 * len(record["vector"])]) + raw + b"\0"
    apart = b"".join(b"\2" + raw[at : at + 4] for at in range(0, len(raw), 4)) + b"\0"
    return frame.replace(whole, apart, 1)


@settings(max_examples=150, deadline=None)
@given(records=st.lists(VECTOR, max_size=8), seed=st.integers(0, 99))
def test_vectors_are_read_as_one_after_the_other(records: list[dict[str, Any]], seed: int) -> None:
    rng = random.Random(seed)
    frames: list[bytes | None] = [b"", None]
    for record in records:
        frame = codec("terminal-risk.v1").encode(record)
        if record["vector"] and rng.random() < 0.3:
            frame = _in_blocks(frame, record)
        frames.append(rng.choice([frame] * 9 + [frame[:-1]]))
    rng.shuffle(frames)
    wanted: list[ProfileVector] = []
    for each in frames:
        try:
            found = vector_of(decoded(codec("terminal-risk.v1"), each), TERMINAL)
        except Exception:
            continue
        is_whole = found.partition == 2 and found.vectors.shape[1] == WIDE
        if is_whole and found.feature_set == STANDARD_PROFILES.label:
            wanted.append(found)
    read = VectorReader(TERMINAL, WIDE, STANDARD_PROFILES.label).read(2, frames)
    assert read.keys == [each.key for each in wanted]
    assert read.packed(2) == [each.packed() for each in wanted]


def test_a_set_of_many_features_is_read_too() -> None:
    [first, *_] = STANDARD_PROFILES.profiles[TERMINAL]
    many = tuple(replace(first, name=f"f{number}") for number in range(70))
    wide = FeatureSet(name="wide", version=1, inputs=(), features=many)
    values = np.arange(140, dtype=np.float32).reshape(2, 70)
    vector = ProfileVector(
        entity=TERMINAL,
        key=b"t",
        partition=2,
        as_of=np.array([5, 4]),
        closed=np.array([7, 6]),
        vectors=values,
        feature_set=wide.label,
    )
    frame = codec("terminal-risk.v1").encode(vector.record())
    assert VectorReader(TERMINAL, 70, wide.label).read(2, [frame]).packed(2) == [vector.packed()]


def test_when_the_newest_record_of_the_last_ones_arrived() -> None:
    core, _ = _core()
    for first, times, newest in ((0, (5, 9, 7), 9), (3, (6, 2), 6)):
        frames = [event(first + at, src_appended_at=T0 + ms) for at, ms in enumerate(times)]
        core.take(2, _records([*frames, b"broken"], first), 0)
        assert core.arrived_at(2) == T0 + newest
