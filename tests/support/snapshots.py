"""Snapshots of the reporter: as records of customer-risk.v1 make them, and their oracle in plain
Python.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.customer_risk import (
    DAILY_KEPT,
    HOURLY_KEPT,
    check_place,
    check_sums,
)
from riskstream.domain.risk.customers.state_columns import STATE
from riskstream.platform.kafka.record import Records
from riskstream.reporter.core import SUMS, WIDTH_MS, Control, Snapshot
from riskstream.reporter.states import States
from riskstream.reporter.write import tables
from riskstream.runtime.errors import Rejected

Pair = tuple[bytes | None, bytes | None]
"""Key and value of a record."""
Tiles = dict[int, dict[str, int]]
"""Sums by the start of a tile."""
_NAMES = (*SUMS, "alert_amount_minor")


def records_of(partition: int, pairs: Sequence[Pair]) -> Records:
    """Records of customer-risk.v1."""
    return Records(
        topic=STATE,
        partition=partition,
        offsets=np.arange(len(pairs)),
        appended_at=np.zeros(len(pairs), np.int64),
        keys=Joined.of([key for key, _ in pairs]),
        values=Joined.of([value for _, value in pairs]),
    )


def frame_of(state: dict[str, Any]) -> Pair:
    return state["customer_id"].encode(), codec(STATE).encode(state)


def add(snapshot: Snapshot, *states: dict[str, Any]) -> None:
    """States as their records bring them, each in a flush of its own."""
    for state in states:
        taken = States(snapshot, state["base_currency"])
        assert not taken.take(records_of(state["src_partition"], [frame_of(state)]))


def erase(snapshot: Snapshot, customer_id: str, partition: int) -> None:
    taken = States(snapshot, snapshot.base_currency)
    assert not taken.take(records_of(partition, [(customer_id.encode(), None)]))


def rows_of(grain: str, snapshot: Snapshot, windows: Iterable[int]) -> list[dict[str, Any]]:
    """Rows of the Parquet file."""
    starts = list(windows)
    found = tables(grain, snapshot, min(starts), max(starts))
    return [row for table in found for row in table.to_pylist()]


@dataclass
class PlainStates:
    """What `States` and `Snapshot` do, one record and one tile after the other."""

    base_currency: str
    tiles: dict[str, dict[tuple[str, int], Tiles]] = field(
        default_factory=lambda: {"HOURLY": {}, "DAILY": {}}
    )
    position: dict[int, int] = field(default_factory=dict)
    event_time: dict[int, int] = field(default_factory=dict)
    whole_from: dict[str, int] = field(default_factory=lambda: {"HOURLY": 0, "DAILY": 0})
    as_of_ms: int = 0
    half: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def take(self, partition: int, pairs: Iterable[Pair]) -> int:
        """How many cannot be read."""
        unread = 0
        for key, value in pairs:
            if value is None:
                self._erase((key or b"").decode(errors="replace"), partition)
                continue
            try:
                state = decoded(codec(STATE), value)
                check_place(state, key, partition)
                check_sums(state, self.base_currency)
            except Rejected:
                unread += 1
                continue
            self.half[partition].append(state)
            if state["ends_flush"]:
                for each in self.half.pop(partition):
                    self._add(each)
        return unread

    def _add(self, state: dict[str, Any]) -> None:
        partition = state["src_partition"]
        for grain, name, kept in (
            ("HOURLY", "hourly", HOURLY_KEPT),
            ("DAILY", "daily", DAILY_KEPT),
        ):
            key = (state["customer_id"], partition)
            if key not in self.tiles[grain] and len(state[name]) >= kept:
                # older tiles have left, and no older record that holds them was read
                self._is_whole_from(grain, min(tile["start_at"] for tile in state[name]))
            self._is_whole_from(grain, max(state["whole_from"], state[f"{name}_lacks_before"]))
            mine = self.tiles[grain].setdefault(key, {})
            for tile in state[name]:
                mine[tile["start_at"]] = tile
        self.position[partition] = max(
            self.position.get(partition, -1), state["src"], state["position"]
        )
        self.event_time[partition] = max(
            self.event_time.get(partition, 0), state["last_occurred_at"]
        )
        self.as_of_ms = max(self.as_of_ms, state["updated_at"])

    def _erase(self, customer_id: str, partition: int) -> None:
        for mine in self.tiles.values():
            if (gone := mine.pop((customer_id, partition), None)) is not None:
                before = mine.get(("(erased)", partition))
                mine["(erased)", partition] = _added_up([before, gone]) if before else dict(gone)

    def forget(self, before_ms: int) -> None:
        for grain, mine in self.tiles.items():
            self._is_whole_from(grain, before_ms)
            for tiles in mine.values():
                for start in [each for each in tiles if each < before_ms]:
                    del tiles[start]

    def _is_whole_from(self, grain: str, at_ms: int) -> None:
        self.whole_from[grain] = max(self.whole_from[grain], at_ms)

    def _by_customer(self, grain: str) -> Iterator[tuple[str, Tiles]]:
        mine = self.tiles[grain]
        for customer_id, keys in groupby(sorted(mine), key=itemgetter(0)):
            tiles, *others = (mine[key] for key in keys)
            yield customer_id, _added_up([tiles, *others]) if others else tiles

    def report(
        self, grain: str, control: Control, *, grace_ms: int, so_far: bool
    ) -> dict[str, Any] | None:
        """What of a report comes of the tiles."""
        width, busy = WIDTH_MS[grain], list(self.event_time.values())
        passed = (min(busy) if busy else 0) - grace_ms
        whole_from = max(self.whole_from[grain], control.whole_from)
        windows: dict[int, dict[str, int]] = {}
        customers: dict[str, dict[str, int]] = {}
        for customer_id, tiles in self._by_customer(grain):
            for start, tile in tiles.items():
                if start < whole_from or (start + width > passed and not so_far):
                    continue
                window = windows.setdefault(start, dict.fromkeys(("customers", *_NAMES), 0))
                window["customers"] += tile["transactions"] > 0
                total = customers.setdefault(customer_id, dict.fromkeys(_NAMES, 0))
                for name in _NAMES:
                    window[name] += tile[name]
                    total[name] += tile[name]
        if not windows:
            return None
        alerted = [(name, sums) for name, sums in customers.items() if sums["alerts"]]
        alerted.sort(key=lambda item: (-item[1]["alert_amount_minor"], item[0]))
        return {
            "as_of": self.as_of_ms,
            "customers": sum(total["transactions"] > 0 for total in customers.values()),
            "totals": {name: sum(each[name] for each in windows.values()) for name in _NAMES},
            "whole_from": whole_from,
            "position": {str(partition): src for partition, src in sorted(self.position.items())},
            "windows": [
                {
                    "start_at": start,
                    "end_at": start + width,
                    **windows[start],
                    "is_complete": start + width <= passed,
                }
                for start in sorted(windows)
            ],
            "top_customers": [{"customer_id": name, **sums} for name, sums in alerted[:20]],
        }

    def rows(self, grain: str, windows: Iterable[int]) -> list[dict[str, Any]]:
        wanted = set(windows)
        return [
            {
                "customer_id": customer_id,
                **{name: tile[name] for name in ("start_at", *_NAMES)},
            }
            for customer_id, tiles in self._by_customer(grain)
            for start, tile in sorted(tiles.items())
            if start in wanted
        ]


def _added_up(parts: list[Tiles]) -> Tiles:
    """The tiles of one customer in several partitions as one."""
    out: Tiles = {}
    for start, tile in (item for part in parts for item in part.items()):
        before = out.get(start, dict.fromkeys(_NAMES, 0))
        out[start] = {
            "start_at": start,
            **{name: before[name] + tile[name] for name in _NAMES},
        }
    return out
