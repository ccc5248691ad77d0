"""The kernels of kept tiles write nowhere but where there is room, and refuse what is not there."""

from typing import Any

import numpy as np
import pytest

from riskstream.domain.risk.customers.kernel import ERASE, LOAD
from riskstream.domain.risk.customers.tiles import TileRows, TileTable
from riskstream.domain.risk.customers.tiles_kernel import (
    rows_in_order_kernel,
    sums_kernel,
)
from riskstream.runtime.errors import Fatal

NAMES = ("start_at", "transactions")


def _rows(starts: list[list[int]], slots: list[int]) -> TileRows:
    """Records of one hour's item a start, without days."""
    items = [[start, 1] for each in starts for start in each]
    n = len(slots)
    return TileRows(
        np.array(slots, np.int32),
        np.zeros((n, 2), np.int64),
        np.array(items, np.int64).reshape(-1, 2),
        np.cumsum([len(each) for each in starts]),
        np.zeros((0, 2), np.int64),
        np.zeros(n, np.int64),
    )


def _keep(table: TileTable, rows: TileRows, deed: int = LOAD) -> None:
    n = len(rows.slots)
    table.keep(0, rows, np.full(n, deed, np.uint8), np.arange(n))


@pytest.mark.parametrize("slot", [-1, 64])
def test_a_record_without_a_slot_is_refused_before_any_is_taken(slot: int) -> None:
    table = TileTable(NAMES, NAMES)
    with pytest.raises(Fatal, match="no room"):
        _keep(table, _rows([[1], [2]], [0, slot]))
    assert not table.held.any()


@pytest.mark.parametrize(
    "change",
    [
        {"hour_ends": np.array([1, 3])},
        {"hour_ends": np.array([2, 1])},
        {"hour_ends": np.array([-1, 1])},
        {"day_ends": np.array([0, 1])},
        {"day_ends": np.array([0])},
        {"hours": np.zeros((2, 1), np.int64)},
        {"lacks_before": np.zeros((1, 2), np.int64)},
    ],
)
def test_items_that_are_not_there_are_refused(change: dict[str, Any]) -> None:
    table = TileTable(NAMES, NAMES)
    with pytest.raises(Fatal, match="no room"):
        _keep(table, _rows([[1], [2]], [0, 1])._replace(**change))
    assert not table.held.any()


def test_blocks_that_were_outgrown_or_erased_are_used_again() -> None:
    table = TileTable(NAMES, NAMES, slots=200)
    for slot in range(200):
        for start in range(40):
            _keep(table, _rows([[start]], [slot]))
        assert table.sizes[slot, 0] == 40
        _keep(table, _rows([[]], [slot]), ERASE)
    assert int(table._tiles_used[0]) < 3 * 48 * 2
    assert len(table.tiles) < 1000


def test_rows_and_sums_stop_where_there_is_no_room() -> None:
    table = TileTable(NAMES, NAMES)
    _keep(table, _rows([[1, 2], [2, 3]], [0, 1]))
    order, begins = np.arange(2), np.ones(2, np.bool_)
    out, owners, used = np.full((4, 2), 7), np.full(4, 7), np.zeros(1, np.int64)
    held = table.firsts, table.sizes, table.tiles, np.zeros(1, np.int64)
    given = order, begins, 0, 0, 9, *held
    assert rows_in_order_kernel(0, *given, out[:3], owners, used) == 1
    assert rows_in_order_kernel(0, *given, out, owners[:3], used) == 1
    assert rows_in_order_kernel(0, *given, out[:1], owners, used) == 0
    assert not used[0]
    assert rows_in_order_kernel(0, np.array([0, 64]), *given[1:], out, owners, used) == -1
    together = np.array([True, False])  # of one owner, and a cursor for one slot
    assert rows_in_order_kernel(0, order, together, *given[2:], out, owners, used) == 0
    assert out[3].tolist() == [7, 7]
    assert rows_in_order_kernel(0, *given, out, owners, used) == 2
    assert out.tolist() == [[1, 1], [2, 1], [2, 1], [3, 1]]
    windows, totals = np.full((3, 3), 0), np.full((2, 1), 0)
    whose, both = np.zeros(2, np.int64), np.zeros(2, np.int64)
    assert sums_kernel(0, 4, out, owners, 1, windows[:2], totals, whose, both) == 3
    assert not windows[2].any()
    both[:] = 0
    assert sums_kernel(0, 4, out, owners, 1, windows, totals[:1], whose, both) == 2
    both[:] = 0
    assert sums_kernel(0, 4, out, owners, 1, windows, totals, whose, both) == 4
    assert windows.tolist() == [[1, 1, 1], [2, 2, 2], [3, 1, 1]]
    assert totals.tolist() == [[2], [2]]
    assert sums_kernel(0, 5, out, owners, 1, windows, totals, whose, both) == -1
    assert sums_kernel(0, 4, out, owners, 2, windows, totals, whose, both) == -1
