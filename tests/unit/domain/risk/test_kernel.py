"""The kernel against a naive oracle, and its rows."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.stream import Stream
from tests.support.vectors import by_name, column

from riskstream.domain.risk.features.declare import CUSTOMER, Aggregate, Feature, FeatureSet
from riskstream.domain.risk.features.keys.key_kernel import UNKNOWN
from riskstream.domain.risk.features.owned.kernel import RING_CAP, TOTAL_BITS
from riskstream.domain.risk.features.owned.repeats_kernel import DUPLICATE, GOOD, REPLAY
from riskstream.domain.risk.features.standard import STANDARD

WINDOWS = (1000, 10_000, 100_000)


def _feature(kind: Aggregate, window_ms: int) -> Feature:
    return Feature(
        name=f"{kind.name}_{window_ms}",
        entity=CUSTOMER,
        aggregate=kind,
        window_ms=window_ms,
        reason="R",
    )


SMALL = FeatureSet(
    name="small",
    version=1,
    inputs=(),
    features=(
        *(
            _feature(kind, w)
            for w in WINDOWS
            for kind in (Aggregate.COUNT, Aggregate.SUM, Aggregate.MEAN, Aggregate.OVER_MEAN)
        ),
        _feature(Aggregate.SINCE_LAST, 0),
    ),
)


@dataclass
class Oracle:
    """Keeps every event; drops what is older than the longest window behind the newest, as the
    kernel states.
    """

    events: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)

    def apply(self, key: str, at: int, amount: int, name: str) -> tuple[bool, list[float]]:
        mine = self.events.setdefault(key, [])
        seen = self.ids.setdefault(key, [])
        is_duplicate = name in seen  # all within a day
        if not is_duplicate:
            seen.append(name)
            mine.append((at, amount))
            newest = max(t for t, _ in mine)
            kept = sorted(
                ((t, a) for t, a in mine if t > newest - WINDOWS[-1]), key=lambda event: event[0]
            )
            self.events[key] = kept
            own = [] if (at, amount) in kept else [(at, amount)]
        else:
            own = [] if (at, amount) in mine else [(at, amount)]
        inside = [(t, a) for t, a in self.events[key] + own if t <= at]
        out = []
        for window in WINDOWS:
            amounts = [a for t, a in inside if t > at - window]
            count, total = len(amounts), sum(amounts)
            others = total - amount
            out += [
                float(count),
                float(total),
                total / count if count else np.nan,
                amount * (count - 1) / others if count > 1 and others > 0 else np.nan,
            ]
        before = [event for event in self.events[key] if event[0] <= at]
        # the event itself, or the original that it repeats: the last one that is equal
        if (at, amount) in before:
            before = before[: len(before) - 1 - before[::-1].index((at, amount))]
        out.append((at - before[-1][0]) / 1000 if before else np.nan)
        return is_duplicate, out


EVENT = st.tuples(
    st.sampled_from("abc"),
    st.integers(0, 300_000),
    st.integers(0, 10**13),
    st.integers(0, 60).map(str),
)


@settings(max_examples=150, deadline=None)
@given(
    events=st.lists(EVENT, min_size=1, max_size=80), cut=st.integers(1, 40), in_order=st.booleans()
)
def test_windows_equal_a_naive_computation(events: list[Any], cut: int, in_order: bool) -> None:
    if in_order:
        events = sorted(events, key=lambda event: event[1])
    stream, oracle = Stream(SMALL), Oracle()
    for start in range(0, len(events), cut):
        verdicts, out = stream.apply(events[start : start + cut])
        for index, event in enumerate(events[start : start + cut]):
            is_duplicate, expected = oracle.apply(*event)
            assert verdicts[index] == (DUPLICATE if is_duplicate else GOOD)
            np.testing.assert_array_equal(out[index], np.array(expected, np.float32))


@settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENT, min_size=1, max_size=60), at=st.integers(0, 60))
def test_a_row_that_was_packed_and_loaded_goes_on_as_if_nothing_was(
    events: list[Any], at: int
) -> None:
    straight, broken = Stream(SMALL), Stream(SMALL)
    straight.apply(events[:at] or events[:1])
    broken.apply(events[:at] or events[:1])
    again = broken.packed_and_loaded()
    if rest := events[at:]:
        np.testing.assert_array_equal(straight.apply(rest)[1], again.apply(rest)[1])


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(EVENT, min_size=2, max_size=40, unique_by=lambda event: event[3]),
    seed=st.integers(0, 9),
)
def test_the_final_state_does_not_depend_on_the_order_of_arrival(
    events: list[Any], seed: int
) -> None:
    events = [(key, at % WINDOWS[-1], amount, name) for key, at, amount, name in events]
    shuffled = [events[index] for index in np.random.default_rng(seed).permutation(len(events))]
    probe = [(key, 150_000, 1, "probe" + key) for key in "abc"]
    first, second = Stream(SMALL), Stream(SMALL)
    first.apply(events)
    second.apply(shuffled)
    np.testing.assert_array_equal(first.apply(probe)[1][:, :-1], second.apply(probe)[1][:, :-1])


def test_past_the_cap_counts_and_sums_are_off_by_at_most_one_tile() -> None:
    stream = Stream(SMALL)
    n = 3000
    events = [("a", index * 20, 100, str(index)) for index in range(n)]
    _, out = stream.apply(events)
    for index in (RING_CAP - 1, RING_CAP, 1000, n - 1):
        found = by_name(SMALL, out[index])
        for window in WINDOWS:
            exact = min(index + 1, -(-window // 20))
            tile = -(-window // 64) // 20 + 1
            assert exact <= found[f"COUNT_{window}"] <= exact + tile
            assert found[f"SUM_{window}"] == 100 * found[f"COUNT_{window}"]


def test_a_hot_key_survives_its_row() -> None:
    stream = Stream(SMALL)
    stream.apply([("a", index * 20, 100, str(index)) for index in range(1000)])
    again = stream.packed_and_loaded()
    event = [("a", 20_500, 100, "next")]
    np.testing.assert_array_equal(stream.apply(event)[1], again.apply(event)[1])


def test_a_replayed_record_at_or_below_the_rows_offset_is_left() -> None:
    stream = Stream(SMALL)
    stream.apply([("a", 10, 5, "x"), ("a", 20, 5, "y")])
    stream.offset = 0
    stream.apply([("a", 10, 5, "x"), ("a", 20, 5, "y")], mode=REPLAY)
    _, out = stream.apply([("a", 30, 5, "z")])
    assert by_name(SMALL, out[0])[f"COUNT_{WINDOWS[0]}"] == 3


def test_a_row_of_another_layout_or_a_broken_one_is_unknown() -> None:
    stream = Stream(SMALL)
    stream.apply([("a", 10, 5, "x")])
    row = stream.table.pack(stream.table.changed_slots(0))[0]
    other = (99).to_bytes(8, "little") + row[8:]
    for broken in (other, row[:-8], row + b"\0" * 8, b"abc", b""):
        assert not stream.table.load(0, broken)
        assert stream.table.statuses[0] == UNKNOWN
    assert len(stream.table.changed_slots(0)) == 0  # an unknown row is never written


def test_dropping_a_partition_forgets_its_keys_and_keeps_the_others() -> None:
    stream = Stream(SMALL)
    stream.apply([("a", 10, 5, "x"), ("b", 10, 5, "y")], partition=0)
    stream.apply([("a", 10, 7, "x2"), ("c", 10, 7, "z")], partition=1)
    stream.table.drop(0)
    _, kept = stream.apply([("a", 20, 7, "x3")], partition=1)
    _, fresh = stream.apply([("a", 20, 5, "x4")], partition=0)
    kept_now, fresh_now = (by_name(SMALL, out[0]) for out in (kept, fresh))
    assert [kept_now[f"{kind}_{WINDOWS[0]}"] for kind in ("COUNT", "SUM")] == [2.0, 14.0]
    assert [fresh_now[f"{kind}_{WINDOWS[0]}"] for kind in ("COUNT", "SUM")] == [1.0, 5.0]


def test_many_keys_grow_the_table() -> None:
    stream = Stream(SMALL)
    events = [(f"key-{index % 5000}", index, 1, str(index)) for index in range(20_000)]
    for start in range(0, len(events), 3000):
        stream.apply(events[start : start + 3000])
    _, out = stream.apply([(f"key-{index}", 20_000, 1, f"last-{index}") for index in range(5000)])
    assert (column(SMALL, out, f"COUNT_{WINDOWS[-1]}") == 5).all()


def test_the_standard_set_has_the_windows_and_names_that_models_rely_on() -> None:
    assert STANDARD.windows_ms == (600_000, 3_600_000, 86_400_000, 604_800_000, 2_592_000_000)
    assert len(STANDARD.names) == len(set(STANDARD.names)) == len(STANDARD.reasons) == 23


def test_money_is_exact_at_the_largest_amounts() -> None:
    stream = Stream(SMALL)
    _, out = stream.apply([("a", index, 10**13, str(index)) for index in range(200)])
    stream.apply([("a", 500_000, 3, "later")])
    assert by_name(SMALL, out[199])[f"SUM_{WINDOWS[-1]}"] == np.float32(200 * 10**13)
    assert stream.table.sums[0].tolist() == [3 << TOTAL_BITS | 1] * 3  # a sum of 3, of one event


@pytest.mark.parametrize("others", [15, 16, 5000])
def test_a_transaction_id_is_remembered_whatever_came_after(others: int) -> None:
    stream = Stream(SMALL)
    stream.apply([("a", 1, 1, "first"), *(("a", 1, 1, str(index)) for index in range(others))])
    verdicts, _ = stream.apply([("a", 1, 1, "first")])
    assert verdicts[0] == DUPLICATE


def test_a_repeat_gets_the_features_of_its_original() -> None:
    stream = Stream(SMALL)
    stream.apply([("a", 1000, 50, "before")])
    _, original = stream.apply([("a", 2000, 70, "x")])
    verdicts, repeat = stream.apply([("a", 2000, 70, "x")])
    assert verdicts[0] == DUPLICATE
    np.testing.assert_array_equal(repeat, original)
