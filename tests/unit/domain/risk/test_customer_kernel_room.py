"""The kernels of customers' states write nowhere but where there is room, and refuse what is not
there.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import NOW_MS

from riskstream.domain.contracts.columns_kernel import rows_kernel
from riskstream.domain.risk.counted import Counts
from riskstream.domain.risk.customers.kernel import COLUMNS, LOAD
from riskstream.domain.risk.customers.table import CustomerTable, EarlyStates, Loaded
from riskstream.domain.risk.features.keys.key_kernel import join_kernel, same_kernel, sort_kernel
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal


def _counts(times: list[int]) -> Counts:
    n = len(times)
    return Counts(
        srcs=np.arange(n),
        appended_at=np.full(n, NOW_MS),
        occurred_at=np.array(times, np.int64),
        amounts=np.full(n, 100),
        scores=np.zeros(n, np.float32),
        decisions=np.ones(n, np.uint8),
        is_refund=np.zeros(n, np.uint8),
        is_correction=np.zeros(n, np.uint8),
        corrected_at=np.zeros(n, np.int64),
        corrected_amounts=np.zeros(n, np.int64),
        corrected_is_refund=np.zeros(n, np.uint8),
    )


def _loaded(items: int, ends: list[int]) -> Loaded:
    n = len(ends)
    tiles = np.zeros((items, COLUMNS), np.int64)
    tiles[:, 0] = np.arange(items)
    return Loaded(
        srcs=np.arange(n),
        updated_at=np.zeros(n, np.int64),
        last_scores=np.zeros(n, np.float32),
        last_decisions=np.zeros(n, np.uint8),
        last_occurred_at=np.zeros(n, np.int64),
        lacks_before=np.zeros((n, 2), np.int64),
        hours=tiles,
        hour_ends=np.array(ends),
        days=np.zeros((0, COLUMNS), np.int64),
        day_ends=np.zeros(n, np.int64),
    )


@pytest.mark.parametrize("slot", [-1, 64])
def test_a_score_without_a_slot_is_refused_before_any_is_applied(slot: int) -> None:
    table = CustomerTable(approve=1, block=3, slots=64)
    slots = np.array([0, slot], np.int32)
    with pytest.raises(Fatal, match="no room"):
        table.apply(slots, _counts([NOW_MS] * 2), EarlyStates(), pytest.fail)
    assert not table.sizes.any()


@pytest.mark.parametrize("column", Counts._fields)
def test_a_column_of_too_few_scores_is_refused(column: str) -> None:
    table, counts = CustomerTable(approve=1, block=3), _counts([NOW_MS] * 2)
    short: Any = counts._replace(**{column: getattr(counts, column)[:1]})
    with pytest.raises(Fatal, match="no room"):
        table.apply(np.zeros(2, np.int32), short, EarlyStates(), pytest.fail)


@pytest.mark.parametrize("ends", [[49], [3, 1], [-1], [60]])
def test_a_history_that_is_not_there_or_is_too_long_is_not_loaded(ends: list[int]) -> None:
    table, n = CustomerTable(approve=1, block=3), len(ends)
    slots = np.arange(n, dtype=np.int32)
    with pytest.raises(Fatal, match="no room"):
        table.load(np.full(n, LOAD, np.uint8), slots, _loaded(50, ends))


def test_blocks_that_were_outgrown_are_used_again() -> None:
    """200 customers grow to full histories one after the other: small blocks are handed on."""
    table = CustomerTable(approve=1, block=3, slots=200)
    days = [NOW_MS + day * DAY_MS for day in range(40)]
    for slot in range(200):
        slots = np.full(40, slot, np.int32)
        table.apply(slots, _counts(days), early := EarlyStates(), early.clear)
    assert int(table._tiles_used[0]) < 200 * (64 + 48) * 1.1
    assert set(table.sizes[:, 0].tolist()) == {40}
    assert set(table.sizes[:, 1].tolist()) == {35}


def test_items_past_their_place_are_not_read() -> None:
    data = np.array([4, 2, 4, 6, 8, 0], np.uint8)  # two items of two longs
    starts, lengths = np.zeros(1, np.int64), np.array([6], np.int32)
    out, ends = np.full((3, 2), 7), np.zeros(1, np.int64)
    assert rows_kernel(data, starts, lengths, out, ends) == 2
    assert out.tolist() == [[1, 2], [3, 4], [7, 7]]
    assert rows_kernel(data, starts, lengths, out[:1], ends) == -1
    assert rows_kernel(data, starts, lengths, out, ends[:0]) == -1
    assert rows_kernel(data, starts, lengths + np.int32(1), out, ends) == 0


def test_texts_past_their_bytes_are_not_the_same() -> None:
    data, at = np.frombuffer(b"abab", np.uint8), np.array([0, 2])
    two, same = np.array([2, 2], np.int32), np.ones(2, np.bool_)
    assert same_kernel(data, at, two, data, at[::-1].copy(), two, same)
    assert same.all()
    assert not same_kernel(data, at, two + np.int32(1), data, at, two + np.int32(1), same)
    assert same.tolist() == [True, False]
    assert not same_kernel(data, at, two, data, at[:1], two[:1], same)
    assert not same.any()


@given(st.lists(st.binary(max_size=3), max_size=40))
def test_keys_are_sorted_by_their_bytes(keys: list[bytes]) -> None:
    lengths = np.array([len(key) for key in keys], np.int32)
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    data = np.frombuffer(b"".join(keys) + b"!", np.uint8)
    order = np.arange(len(keys))
    assert sort_kernel(data, starts, lengths, order, np.empty_like(order))
    assert [keys[at] for at in order] == sorted(keys)
    out = np.full(len(data), 7, np.uint8)
    assert join_kernel(data, starts, lengths, order, out)
    assert out.tobytes() == b"".join(sorted(keys)) + b"\x07"


@pytest.mark.parametrize(("place", "length"), [(2, 2), (-1, 2), (1, 3), (1, -1)])
def test_keys_past_their_bytes_are_not_moved(place: int, length: int) -> None:
    data, starts = np.frombuffer(b"abcd", np.uint8), np.array([0, 2])
    lengths, order = np.array([2, length], np.int32), np.array([place, 0])
    spare, out = np.full(2, 7), np.full(4, 7, np.uint8)
    assert not sort_kernel(data, starts, lengths, order, spare)
    assert not join_kernel(data, starts, lengths, order, out)
    assert not sort_kernel(data, starts, lengths, np.array([0, 0]), spare[:1])
    assert not join_kernel(data, starts, lengths, np.array([0]), out[:1])
    assert set(spare.tolist()) | set(out.tolist()) == {7}
