"""States that are loaded before their partition is given: the tracker holds what it holds else."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS, score

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.record import Output, Record, RecordParts, Records, one_by_one
from riskstream.platform.telemetry.metrics import TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.runtime.durations import HOUR_MS
from riskstream.tracker.core import TrackerCore
from riskstream.tracker.outputs import STATE


def _core() -> TrackerCore:
    return TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))


def _scores(first: int, count: int) -> list[Record]:
    """Scores of nine customers, an hour after each other."""
    return [
        Record(
            topic="scores.v1",
            headers=[],
            partition=0,
            offset=src,
            key=b"c",
            appended_at=NOW_MS,
            value=codec("score.v1").encode(
                score(
                    src=src,
                    prev=src - 1,
                    transaction_id=f"t-{src}",
                    customer_id=f"c-{src % 9}",
                    occurred_at=NOW_MS + src * HOUR_MS,
                )
            ),
        )
        for src in range(first, first + count)
    ]


def _states() -> list[Output]:
    """As a tracker wrote them, in several flushes."""
    core, out = _core(), list[Output]()
    core.resume(0, None)
    core.restore(0, [])
    for first in range(0, 60, 12):
        out += one_by_one(core.take(0, _scores(first, 12), 0))
        out += one_by_one(core.flush(0))
    return [each for each in out if each.topic == STATE]


def _damaged(state: Output, rng: random.Random) -> bytes | None:
    """Erased, broken, of an unknown schema, or of another customer, partition or currency."""
    said = codec(STATE).decode(state.value)
    other = rng.choice([("customer_id", "c-99"), ("src_partition", 1), ("base_currency", "JPY")])
    made = codec(STATE).encode(said | dict([other]))
    unknown = state.value[:2] + bytes(8) + state.value[10:]
    return rng.choice([None, state.value[:-3], unknown, made, made, made])


def _parts(rng: random.Random, bad: float) -> RecordParts:
    """The states in parts of some records; about so many of them are damaged."""
    parts, states, at = list[Records](), _states(), 0
    frames = [_damaged(each, rng) if rng.random() < bad else each.value for each in states]
    while at < len(states):
        stop = min(at + rng.randint(1, 20), len(states))
        part = Records(
            topic=STATE,
            partition=0,
            offsets=2 * np.arange(at, stop),
            appended_at=NOW_MS + np.arange(at, stop),
            keys=Joined.of([each.key for each in states[at:stop]]),
            values=Joined.of(frames[at:stop]),
        )
        parts.append(part)
        at = stop
    return RecordParts(tuple(parts))


def _held(core: TrackerCore, parts: RecordParts) -> tuple[object, ...]:
    """What a core holds of them: what it writes of later scores, and where it stands."""
    core.drop(0)  # as the lane does
    core.resume(0, None)
    try:
        core.restore(0, parts)
    except SchemaWait as wait:
        core.drop(0)
        return str(wait), core._owned, core._restorer._foreseen
    began = core.start(0, None)
    made = [each.value for each in one_by_one(core.take(0, _scores(60, 18), 0))]
    flushed = [each.value for each in one_by_one(core.flush(0))]
    return began, made, flushed, core.metadata(0)


@pytest.mark.parametrize("bad", [0.0, 0.02, 0.3])
def test_what_is_foreseen_is_held_as_what_is_restored(bad: float) -> None:
    for seed in range(25):
        rng = random.Random(seed)
        parts, core = _parts(rng, bad), _core()
        for part in parts.parts[: rng.randint(1, len(parts.parts))]:
            core.foresee(0, part)
        assert _held(core, parts) == _held(_core(), parts)


def test_only_the_same_records_go_on_behind_what_was_foreseen() -> None:
    parts, core = _parts(random.Random(1), 0.0), _core()
    for part in reversed(parts.parts):
        core.foresee(0, part)
    assert _held(core, parts) == _held(_core(), parts)


def test_what_was_foreseen_is_not_loaded_again() -> None:
    parts, core = _parts(random.Random(1), 0.0), _core()
    for part in parts.parts[:-1]:
        core.foresee(0, part)
    loaded: list[int] = []
    placed = core._restorer._columns.placed

    def seen(partition: int, keys: Sequence[bytes | None], frames: Any) -> Any:
        loaded.append(len(keys))
        return placed(partition, keys, frames)

    core._restorer._columns.placed = seen  # type: ignore[method-assign]
    core.drop(0)
    core.resume(0, None)
    core.restore(0, parts)
    assert loaded == [len(parts.parts[-1])]


def test_what_is_forgotten_is_loaded_anew() -> None:
    parts, core = _parts(random.Random(1), 0.0), _core()
    for part in parts.parts:
        core.foresee(0, part)
    core.forget(0)
    assert not core._restorer._foreseen
    assert _held(core, parts) == _held(_core(), parts)
