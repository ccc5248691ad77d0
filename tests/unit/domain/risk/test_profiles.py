"""Profiles against a naive computation, tile by tile and label by label; what the declarations may
say.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.profiles import FEATURES, SPANS, TILE

from riskstream.domain.risk.features.declare import (
    CUSTOMER,
    TERMINAL,
    Aggregate,
    Feature,
    FeatureSet,
)
from riskstream.domain.risk.features.handbook import HANDBOOK, HANDBOOK_ADDED
from riskstream.domain.risk.features.profiles.profile_kernel import ADD, LABEL, READ
from riskstream.domain.risk.features.profiles.table import ProfileTable


@dataclass
class Oracle:
    """Every event of a key as [time, amount, frauds]."""

    tile_ms: int
    events: dict[int, list[list[int]]] = field(default_factory=dict)

    def read(self, key: int, at: int) -> list[float]:
        closed = at // self.tile_ms * self.tile_ms
        out = []
        for delay, window in SPANS:
            inside = [
                event
                for event in self.events.get(key, [])
                if closed - delay - window
                < -(-event[0] // self.tile_ms) * self.tile_ms
                <= closed - delay
            ]
            count, total, frauds = len(inside), sum(e[1] for e in inside), sum(e[2] for e in inside)
            out += [
                count,
                total,
                total / count if count else -1,
                frauds,
                frauds / count if count else -1,
            ]
        return [float(each) for each in out]


def _take(table: ProfileTable, steps: list[tuple[int, int, int, int]]) -> Any:
    return table.take(
        np.array([step[0] for step in steps], np.uint8),
        np.array([step[1] for step in steps], np.int32),
        np.array([step[2] for step in steps], np.int64),
        np.array([step[3] for step in steps], np.int64),
    )


STEP = st.tuples(
    st.sampled_from([ADD, ADD, READ, LABEL]),
    st.integers(0, 2),
    st.integers(0, 20_000),
    st.integers(1, 10**13),
)


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(STEP, max_size=80),
    cut=st.integers(1, 40),
    tile_ms=st.sampled_from([1, TILE]),
    in_order=st.booleans(),
)
def test_profiles_equal_a_naive_computation(
    steps: list[Any], cut: int, tile_ms: int, in_order: bool
) -> None:
    if in_order:
        steps = sorted(steps, key=lambda step: step[2])
    table, oracle = ProfileTable(FEATURES, tile_ms, slots=1), Oracle(tile_ms)
    for start in range(0, len(steps), cut):
        part, expected = [], []
        for kind, key, at, amount in steps[start : start + cut]:
            mine = oracle.events.setdefault(key, [])
            if kind == LABEL:  # of an event that is there; else there is nothing to label
                if not mine:
                    continue
                mine[amount % len(mine)][2] += 1
                part.append((LABEL, key, mine[amount % len(mine)][0], 1))
            elif kind == ADD:
                mine.append([at, amount, 0])
                part.append((ADD, key, at, amount))
            else:
                expected.append(oracle.read(key, at))
                part.append((READ, key, at, 0))
        found = _take(table, part)
        np.testing.assert_array_equal(found, np.array(expected).reshape(found.shape))


@settings(max_examples=100, deadline=None)
@given(
    events=st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(1, 10**6), st.booleans()),
        min_size=1,
        max_size=40,
    ),
    seed=st.integers(0, 9),
)
def test_what_a_profile_says_does_not_depend_on_the_order_of_events_and_labels(
    events: list[Any], seed: int
) -> None:
    adds = [(ADD, 0, at, amount) for at, amount, _ in events]
    labels = [(LABEL, 0, at, 1) for at, _, is_fraud in events if is_fraud]
    shuffled = [adds[index] for index in np.random.default_rng(seed).permutation(len(adds))]
    mixed: list[tuple[int, int, int, int]] = []
    for step in shuffled:  # here each label comes at once, there after all events
        mixed.append(step)
        mixed += [
            (LABEL, 0, at, 1)
            for at, amount, is_fraud in events
            if is_fraud and (at, amount) == step[2:]
        ][:1]
    reads = [(READ, 0, at, 0) for at in (0, 3000, 9900, 12_000, 16_000)]
    if len({(at, amount) for at, amount, _ in events}) < len(events):
        return
    one = _take(ProfileTable(FEATURES, TILE), adds + labels + reads)
    other = _take(ProfileTable(FEATURES, TILE), mixed + reads)
    np.testing.assert_array_equal(one, other)


def test_a_label_that_is_taken_back_leaves_nothing() -> None:
    table = ProfileTable(FEATURES, TILE)
    before = [(ADD, 0, 50, 5), (ADD, 0, 250, 7), (READ, 0, 1000, 0)]
    without = _take(ProfileTable(FEATURES, TILE), before)
    taken = _take(table, [before[0], (LABEL, 0, 50, 1), before[1], (LABEL, 0, 50, -1), before[2]])
    np.testing.assert_array_equal(taken, without)


def test_tiles_out_of_reach_are_dropped_and_their_room_is_used_again() -> None:
    table = ProfileTable(FEATURES, TILE)
    day = 86_400_000
    for turn in range(200):
        start = turn * day // 10
        _take(table, [(ADD, key, start + key * TILE, 5) for key in range(1000)])
    assert table.sizes.max() <= 12  # a day of lateness, and the windows
    assert len(table.tiles) < 200_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"aggregate": Aggregate.FRAUD_RATE}, "labels"),
        ({"delay_ms": 1000}, "delay"),
        ({"window_ms": 0}, ("no window")),
        ({"aggregate": Aggregate.SINCE_LAST}, "window"),
        ({"entity": TERMINAL, "window_ms": 1000}, ("whole tiles")),
        (
            {"entity": TERMINAL, "aggregate": Aggregate.OVER_MEAN, "window_ms": 3_600_000},
            ("only owned"),
        ),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    good = Feature(
        name="count", entity=CUSTOMER, aggregate=Aggregate.COUNT, window_ms=3_600_000, reason="R"
    )
    with pytest.raises(ValueError, match=words):
        FeatureSet(name="wrong", version=1, inputs=(), features=(replace(good, **change),))


def test_owned_features_stand_before_profiles() -> None:
    with pytest.raises(ValueError, match="must stand before"):
        replace(HANDBOOK, features=HANDBOOK.features[::-1])
    assert [entity.name for entity in HANDBOOK_ADDED.profiles] == ["terminal", "card"]
    assert len(HANDBOOK.names) == 15
    assert len(HANDBOOK_ADDED.names) == 20


@pytest.mark.parametrize("seed", range(6))
def test_the_arena_holds_whatever_keys_gaps_and_batches_come(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table, clock, keys = ProfileTable(FEATURES, TILE, slots=4), 10**9, int(rng.integers(50, 2000))
    for _ in range(60):
        n = int(rng.integers(1, 3000))
        times = np.sort(clock + rng.integers(0, TILE * int(rng.integers(1, 40)), n)).astype(
            np.int64
        )
        clock = int(times[-1])
        table.take(
            np.full(n, ADD, np.uint8),
            rng.integers(0, keys, n).astype(np.int32),
            times,
            np.ones(n, np.int64),
        )
        assert int(table.arena_used[0]) <= len(table.tiles)
        assert (table.firsts + table.sizes <= table.caps).all()
