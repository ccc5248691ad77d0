"""Kernels look at the room where they take it: a slot or an array that is not there is refused, and
nothing is written.
"""

from typing import Any

import numpy as np
import pytest
from tests.support.builders import frame

from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.contracts.columns_kernel import UNKNOWN_SCHEMA, decode_kernel
from riskstream.domain.risk.features.keys.key_kernel import SHORT, resolve_kernel
from riskstream.domain.risk.features.owned.events import Events
from riskstream.domain.risk.features.owned.row_kernel import pack_kernel
from riskstream.domain.risk.features.owned.table import KeyTable
from riskstream.domain.risk.features.profiles.profile_kernel import (
    last_hashes_kernel,
    parts_kernel,
    repeat_kernel,
)
from riskstream.domain.risk.features.sets import SETS
from riskstream.runtime.errors import Fatal

EXACT_AND_TILED = [each for each in SETS.values() if each.features][:6]


COLUMNS = ("times", "amounts", "ids", "offsets", "modes", "verdicts", "out")


def _batch(table: KeyTable, slots: list[int], cut: str = "") -> tuple[Events, Any]:
    """A batch and its vectors; of `cut`, a column of them, two records alone."""
    n = len(slots)
    longs = np.arange(1, n + 1)
    columns: dict[str, Any] = {
        "times": longs + 1_700_000_000_000,
        "amounts": longs,
        "ids": longs.astype(np.uint64),
        "offsets": longs,
        "modes": np.zeros(n, np.uint8),
        "verdicts": np.zeros(n, np.uint8),
        "out": np.zeros((n, table.base + len(table.program)), np.float32),
    }
    if cut:
        columns[cut] = columns[cut][:2].copy()
    out = columns.pop("out")
    return Events(slots=np.array(slots, np.int32), **columns), out


def _resolved(table: KeyTable) -> None:
    table.resolve(
        np.frombuffer(b"abc", np.uint8),
        np.arange(3),
        np.ones(3, np.int32),
        np.zeros(3, np.int32),
        np.ones(3, np.uint8),
    )


@pytest.mark.parametrize("features", EXACT_AND_TILED, ids=lambda each: each.label)
@pytest.mark.parametrize("slot", [-1, -(2**31), 1 << 20, 2**31 - 1])
def test_a_slot_that_is_not_there_is_refused(features: Any, slot: int) -> None:
    table = KeyTable(features)
    _resolved(table)
    with pytest.raises(Fatal, match=r"not there|no room"):
        table.apply(*_batch(table, [0, slot, 1]))
    with pytest.raises((Fatal, IndexError)):
        table.pack(np.array([0, slot], np.int32))
    table.apply(*_batch(table, [0, 1, 2]))


@pytest.mark.parametrize("features", EXACT_AND_TILED, ids=lambda each: each.label)
@pytest.mark.parametrize("which", COLUMNS)
def test_an_array_of_a_batch_that_is_too_short_is_refused(features: Any, which: str) -> None:
    table = KeyTable(features)
    _resolved(table)
    with pytest.raises(Fatal):
        table.apply(*_batch(table, [0, 1, 2], cut=which))


def test_keys_of_arrays_of_different_lengths_are_refused() -> None:
    table = KeyTable(next(iter(SETS.values())))
    with pytest.raises(Fatal, match="columns of 3"):
        table.resolve(
            np.frombuffer(b"abc", np.uint8),
            np.arange(3),
            np.ones(3, np.int32),
            np.zeros(2, np.int32),
            np.ones(3, np.uint8),
        )
    answer = resolve_kernel(
        np.zeros(3, np.int64),
        np.frombuffer(b"abc", np.uint8),
        np.arange(3),
        np.ones(3, np.int32),
        np.zeros(3, np.int32),
        np.ones(3, np.uint8),
        np.zeros(2, np.int32),
        table.buckets,
        table.hashes,
        table.key_starts,
        table.key_lengths,
        table.key_bytes,
        table.partitions,
        table.statuses,
    )
    assert answer == SHORT


def test_rows_are_neither_packed_nor_unpacked_where_a_slot_is_not_there() -> None:
    table = KeyTable(next(iter(SETS.values())))
    out, ends = np.full(1000, 7, np.int64), np.full(1, 7, np.int64)
    held = (
        table.layout,
        table.ats,
        table.offs,
        table.caps,
        table.firsts,
        table.sizes,
        table.newests,
        table.repeats.heads,
        table.repeats.entries,
        table.ring,
        table.blocks,
        table.tile_numbers,
        table.tile_counts,
        table.tile_sums,
    )
    for slots in ([table.capacity], [-1], [0, 1]):  # two rows, room for one end
        assert pack_kernel(np.array(slots, np.int32), *held, out, ends) == -1
    assert set(out.tolist()) == {7}


def test_events_of_a_profile_without_a_slot_are_refused() -> None:
    hashes, counts = np.zeros((2, 16), np.int64), np.zeros(2, np.int32)
    for slots, out in (([0, 2], 2), ([0, -1], 2), ([0, 1], 1)):
        given = (np.array(slots, np.int32), np.array([5, 6]), np.ones(2, np.uint8))
        assert not repeat_kernel(*given, hashes, counts, np.zeros(out, np.uint8))


def test_parts_without_a_slot_or_room_are_refused() -> None:
    slots, hashes = np.array([0, 2]), np.zeros((2, 16), np.int64)
    held = (np.zeros(2, np.int64), np.zeros(2, np.int32), np.array([3, 9], np.int32))
    tiles = np.zeros((4, 4), np.int64)
    tiles[:, 0] = range(1, 5)
    totals, ends = np.zeros((2, 3), np.int64), np.zeros(2, np.int64)
    for slot, room, done in ((2, 9, 1), (-1, 9, 1), (1, 9, 1), (0, 5, 1), (0, 6, 2)):
        out = np.full((room + 1, 4), 7)
        given = (np.array([0, slot]), np.zeros(2, np.int64), np.full(2, 9), *held, totals, tiles)
        assert parts_kernel(*given, out[:room], ends) == done
        assert set(out[room].tolist()) == {7}
    for slot, count, room, is_done in ((2, 1, 9, False), (-1, 1, 9, False), (1, 3, 2, False)):
        slots[1] = slot
        kept = (slots, hashes, np.array([0, count], np.int32), np.zeros(room, np.int64))
        assert last_hashes_kernel(*kept, ends) == is_done
    assert not last_hashes_kernel(slots, hashes, np.zeros(2, np.int32), ends, ends[:1])


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, -1), (5, 1), (0, 3)])
def test_floats_that_are_not_there_are_not_encoded(start: int, count: int) -> None:
    encoder = ColumnEncoder("terminal-risk.v1", capacity=1, from_input=("vector",))
    starts, lengths = encoder.spans("vector")
    starts[0], lengths[0] = start, count
    with pytest.raises(Fatal, match="no room"):
        encoder.encode(1, np.zeros(8, np.uint8))


def test_frames_past_the_bytes_or_the_banks_stay_unread() -> None:
    decoder = ColumnDecoder("transaction.v1")
    whole = decoder.decode([frame(), frame()])
    [plan] = [plan for known, plan in decoder._plans.items() if known == decoder.contract.id]
    length = len(frame())
    for ends in ([length, 2 * length + 1], [length, -1], [1 << 40, 2 * length]):
        status = np.full(2, UNKNOWN_SCHEMA, np.uint8)
        banks = (
            whole.ints,
            whole.floats.view(np.uint8),
            whole.doubles.view(np.uint8),
            whole.starts,
            whole.lengths,
            whole.nulls,
        )
        decode_kernel(
            whole.data,
            np.array(ends),
            plan.ops,
            plan.symbol_map,
            decoder.contract.id,
            status,
            *banks,
        )
        assert status[1] == UNKNOWN_SCHEMA
    short = (np.zeros((len(whole.ints), 1), np.int64), *banks[1:])
    status = np.full(2, UNKNOWN_SCHEMA, np.uint8)
    decode_kernel(
        whole.data,
        np.array([length, 2 * length]),
        plan.ops,
        plan.symbol_map,
        decoder.contract.id,
        status,
        *short,
    )
    assert status.tolist() == [0, UNKNOWN_SCHEMA]


@pytest.mark.parametrize(("start", "length"), [(0, 11), (10, 1), (-1, 1), (0, -1)])
def test_a_text_past_the_bytes_is_not_encoded(start: int, length: int) -> None:
    encoder = ColumnEncoder("profile-event.v1", capacity=2, from_input=("key",))
    starts, lengths = encoder.spans("key")
    starts[:], lengths[:] = 0, 1
    data = np.frombuffer(b"0123456789", np.uint8)
    assert len(encoder.encode(2, data)) == 2
    starts[1], lengths[1] = start, length
    with pytest.raises(Fatal, match="record 1"):
        encoder.encode(2, data)


def test_more_records_than_an_encoder_has_places_for_are_refused() -> None:
    with pytest.raises(Fatal, match="record 3"):
        ColumnEncoder("profile-event.v1", capacity=2, from_input=("key",)).encode(
            3, np.zeros(1, np.uint8)
        )
