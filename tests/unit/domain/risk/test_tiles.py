"""Windows in tiles against a naive computation of what is stated, and against the exact windows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.stream import Stream
from tests.support.vectors import by_name

from riskstream.domain.risk.features.declare import CUSTOMER, Aggregate, Feature, FeatureSet
from riskstream.domain.risk.features.owned.repeats_kernel import DUPLICATE
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_TILES
from riskstream.runtime.durations import DAY_MS, MINUTE_MS

WINDOWS = (10 * MINUTE_MS, 60 * MINUTE_MS, 600 * MINUTE_MS)
WIDTHS = (2 * MINUTE_MS, 10 * MINUTE_MS, 120 * MINUTE_MS)

TILED = FeatureSet(
    name="tiled",
    version=1,
    inputs=(),
    tiles_ms=WIDTHS,
    features=(
        *(
            Feature(
                name=f"{kind.name}_{w}", entity=CUSTOMER, aggregate=kind, window_ms=w, reason="R"
            )
            for w in WINDOWS
            for kind in (Aggregate.COUNT, Aggregate.SUM)
        ),
        Feature(
            name="since", entity=CUSTOMER, aggregate=Aggregate.SINCE_LAST, window_ms=0, reason="R"
        ),
    ),
)
EXACT = replace(TILED, tiles_ms=())
EVENT = st.tuples(st.sampled_from("ab"), st.integers(0, 40_000_000), st.integers(0, 10**13))


def _named(events: list[Any]) -> list[tuple[str, int, int, str]]:
    return [(key, at, amount, f"{key}{index}") for index, (key, at, amount) in enumerate(events)]


def _windows(rows: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """Count and sum of each window of one vector."""
    found = by_name(TILED, rows[index])
    return np.array(
        [found[f"{kind}_{w}"] for w in WINDOWS for kind in ("COUNT", "SUM")], np.float32
    )


def _end(at: int, level: int) -> int:
    return (at // WIDTHS[level] + 1) * WIDTHS[level]


def _level(at: int, newest: int) -> int:
    """The finest level at which the tile of `at` is not past the window of that level."""
    inside = [level for level in range(3) if _end(at, level) > newest - WINDOWS[level]]
    return inside[0] if inside else 3


@settings(max_examples=150, deadline=None)
@given(events=st.lists(EVENT, min_size=1, max_size=80), cut=st.integers(1, 40))
def test_an_event_in_order_sees_the_tiles_that_reach_into_each_window(
    events: list[Any], cut: int
) -> None:
    events = _named(sorted(events, key=lambda event: event[1]))
    stream, exact = Stream(TILED), Stream(EXACT)
    seen: dict[str, list[tuple[int, int]]] = {}
    for start in range(0, len(events), cut):
        part = events[start : start + cut]
        _, out = stream.apply(part)
        _, least = exact.apply(part)
        for index, (key, at, amount, _) in enumerate(part):
            mine = seen.setdefault(key, [])
            since = (at - mine[-1][0]) / 1000 if mine else np.nan
            mine.append((at, amount))
            expected = []
            for w in range(3):
                inside = [a for t, a in mine if _level(t, at) <= w]
                assert sum(t > at - WINDOWS[w] for t, _ in mine) <= len(inside)
                assert len(inside) <= sum(t > at - WINDOWS[w] - WIDTHS[w] for t, _ in mine)
                expected += [float(len(inside)), float(sum(inside))]
            np.testing.assert_array_equal(out[index], np.array([*expected, since], np.float32))
            assert (_windows(out, index) >= _windows(least, index)).all()


@settings(max_examples=100, deadline=None)
@given(events=st.lists(EVENT, min_size=2, max_size=60), seed=st.integers(0, 9))
def test_what_is_kept_does_not_depend_on_the_order_of_arrival(events: list[Any], seed: int) -> None:
    named = _named(events)
    shuffled = [named[index] for index in np.random.default_rng(seed).permutation(len(named))]
    first, second = Stream(TILED), Stream(TILED)
    first.apply(named)
    second.apply(shuffled)
    for at in (0, 20_000_000, 39_000_000, 41_000_000):  # late ones see the same as well
        probe = [(key, at, 1, f"probe{key}{at}") for key in "ab"]
        np.testing.assert_array_equal(first.apply(probe)[1][:, :-1], second.apply(probe)[1][:, :-1])


@settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENT, min_size=1, max_size=60), at=st.integers(0, 60))
def test_a_row_that_was_packed_and_loaded_goes_on_as_if_nothing_was(
    events: list[Any], at: int
) -> None:
    named = _named(events)
    straight, broken = Stream(TILED), Stream(TILED)
    straight.apply(named[:at] or named[:1])
    broken.apply(named[:at] or named[:1])
    again = broken.packed_and_loaded()
    if rest := named[at:]:
        np.testing.assert_array_equal(straight.apply(rest)[1], again.apply(rest)[1])


def test_a_late_event_sees_what_reached_into_its_own_windows() -> None:
    stream = Stream(TILED)
    stream.apply([("a", minute * MINUTE_MS, 100, f"n{minute}") for minute in range(0, 30)])
    _, out = stream.apply([("a", 15 * MINUTE_MS, 7, "late")])
    found = by_name(TILED, out[0])
    count, total = found[f"COUNT_{WINDOWS[0]}"], found[f"SUM_{WINDOWS[0]}"]
    # minutes 6..15 and itself; what moved up counts by its coarser tile
    assert 11 <= count <= 13 + 10
    assert total == (count - 1) * 100 + 7
    assert np.isnan(found["since"])
    _, out = stream.apply([("a", -5 * 600 * MINUTE_MS, 7, "ancient")])
    assert _windows(out, 0).tolist() == [1, 7, 1, 7, 1, 7]


def test_a_repeat_of_the_newest_event_sees_the_windows_of_its_original() -> None:
    stream = Stream(TILED)
    stream.apply([("a", 1000, 50, "before")])
    _, original = stream.apply([("a", 2_000_000, 70, "x")])
    verdicts, repeat = stream.apply([("a", 2_000_000, 70, "x")])
    assert verdicts[0] == DUPLICATE
    np.testing.assert_array_equal(repeat[:, :-1], original[:, :-1])


def test_dropping_a_partition_keeps_the_tiles_of_the_others() -> None:
    stream = Stream(TILED)
    stream.apply([("a", n * 13 * MINUTE_MS, 5, f"x{n}") for n in range(40)], partition=0)
    stream.apply([("a", n * 13 * MINUTE_MS, 7, f"y{n}") for n in range(40)], partition=1)
    alone = Stream(TILED)
    alone.apply([("a", n * 13 * MINUTE_MS, 7, f"y{n}") for n in range(40)], partition=1)
    stream.table.drop(0)
    event = [("a", 40 * 13 * MINUTE_MS, 7, "next")]
    np.testing.assert_array_equal(
        stream.apply(event, partition=1)[1], alone.apply(event, partition=1)[1]
    )


def test_a_key_with_two_events_a_day_takes_at_most_512_bytes() -> None:
    stream = Stream(STANDARD_TILES)
    rng = np.random.default_rng(3)
    keys = [f"customer-{n:05d}" for n in range(2000)]
    events = [
        (keys[n % 2000], int(at), 1000, str(n))
        for n, at in enumerate(np.sort(rng.integers(0, 60 * DAY_MS, 2000 * 120)))
    ]
    for start in range(0, len(events), 2048):
        stream.apply(events[start : start + 2048])
    assert stream.table.hot_bytes() / stream.table.used <= 512


def test_widths_that_do_not_nest_are_refused() -> None:
    for widths in ((MINUTE_MS,), (MINUTE_MS, 3 * MINUTE_MS, 10 * MINUTE_MS), (500, 1000, 2000)):
        with pytest.raises(ValueError, match="tile width"):
            replace(TILED, tiles_ms=widths)
    with pytest.raises(ValueError, match="tile width"):  # more tiles than a ring holds
        replace(STANDARD, name="fine", tiles_ms=(MINUTE_MS,) * 5)
