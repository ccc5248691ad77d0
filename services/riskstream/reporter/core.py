"""The reporter's core: customers' tiles and control totals in, the report's numbers out. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from riskstream.domain.risk.customer_risk import DAILY_KEPT, HOURLY_KEPT
from riskstream.platform.telemetry.context import TraceContext
from riskstream.runtime.durations import DAY_MS, HOUR_MS

SUMS = (
    "transactions",
    "amount_minor",
    "alerts",
    "blocked",
    "refunds",
    "refund_amount_minor",
    "corrected",
    "corrected_amount_minor",
)
WIDTH_MS = {"HOURLY": HOUR_MS, "DAILY": DAY_MS}
TILES = {"HOURLY": "hourly", "DAILY": "daily"}
KEPT = {"HOURLY": HOURLY_KEPT, "DAILY": DAILY_KEPT}
TOP_CUSTOMERS = 20
ERASED = "(erased)"
"""Stands for every customer whose state was erased."""
Tiles = dict[int, dict[str, int]]
"""Sums by the start of a tile."""


@dataclass(slots=True)
class Snapshot:
    """What was read of customer-risk.v1: per grain, customer and partition the sums of each tile,
    newest record first.

    A customer has one partition, but for records that stood in another than their key's
    (`misplaced`): a state in each. `position`: by partition the last source offset that its states
    hold. `event_time`: by partition the latest event time. `whole_from`: by grain, windows that
    begin before it are left out: a customer's history no longer holds them or lacks what came for
    them since, or scores had expired before the tracker read them. `idle`: partitions whose event
    time is not waited for.
    """

    tiles: dict[str, dict[tuple[str, int], Tiles]] = field(
        default_factory=lambda: {"HOURLY": {}, "DAILY": {}}
    )
    position: dict[int, int] = field(default_factory=dict)
    event_time: dict[int, int] = field(default_factory=dict)
    whole_from: dict[str, int] = field(default_factory=lambda: {"HOURLY": 0, "DAILY": 0})
    idle: set[int] = field(default_factory=set)
    as_of_ms: int = 0
    base_currency: str = "EUR"

    def add(self, state: dict[str, Any]) -> None:
        """Take one record, in the order of the topic; tiles that left the newest record stay from
        an older one.
        """
        partition = state["src_partition"]
        for grain, name in TILES.items():
            key = (state["customer_id"], partition)
            if key not in self.tiles[grain] and len(state[name]) >= KEPT[grain]:
                # Older tiles have left, and no older record that holds them was read. Later ones
                # are written before they leave.
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
        self.base_currency = state["base_currency"]

    def erase(self, customer_id: str, partition: int) -> None:
        """A customer's state was erased: its sums stay in the totals, under nobody's name."""
        for mine in self.tiles.values():
            if (gone := mine.pop((customer_id, partition), None)) is not None:
                before = mine.get((ERASED, partition))
                mine[ERASED, partition] = _added_up([before, gone]) if before else dict(gone)

    def passed_ms(self) -> int:
        """The event time that every partition has passed; those that are idle are not waited for,
        unless all are.
        """
        busy = [at for partition, at in self.event_time.items() if partition not in self.idle]
        return min(busy) if busy else max(self.event_time.values(), default=0)

    def forget(self, before_ms: int) -> None:
        """Let go of tiles that begin before an instant: no report asks for them again."""
        for grain, mine in self.tiles.items():
            self._is_whole_from(grain, before_ms)
            for tiles in mine.values():
                for start in [each for each in tiles if each < before_ms]:
                    del tiles[start]

    def _is_whole_from(self, grain: str, at_ms: int) -> None:
        self.whole_from[grain] = max(self.whole_from[grain], at_ms)

    def by_customer(self, grain: str) -> Iterator[tuple[str, Tiles]]:
        """Each customer's tiles, in order of customers; those of several partitions are added
        up.
        """
        mine = self.tiles[grain]
        for customer_id, keys in groupby(sorted(mine), key=itemgetter(0)):
            tiles, *others = (mine[key] for key in keys)
            yield customer_id, _added_up([tiles, *others]) if others else tiles


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedAlert:
    """An alert whose trace is sampled: where it stands in alerts.v1, whose score it is of, and its
    context.
    """

    partition: int
    offset: int
    src_partition: int
    src: int
    occurred_at: int
    context: TraceContext


@dataclass(slots=True)
class Control:
    """The reporter's own sums over accepted scores (transactions, amount) and alerts, by grain and
    window start.

    Windows that begin before `whole_from` may lack some that had expired before they were counted.
    """

    sums: dict[str, dict[int, list[int]]] = field(
        default_factory=lambda: {"HOURLY": {}, "DAILY": {}}
    )
    whole_from: int = 0
    alerts: int = 0
    """How many alerts were read in this round."""
    traced: list[TracedAlert] = field(default_factory=list)
    unreadable: int = 0
    """How many records of states, scores and alerts could not be read since this process began."""

    def add_score(self, occurred_at: int, amount_minor: int, *, is_refund: bool = False) -> None:
        self.add(occurred_at, sums_of_score(amount_minor, is_refund=is_refund))

    def take_out(self, corrected_at: int, amount_minor: int, *, is_refund: bool = False) -> None:
        self.add(corrected_at, sums_taken_out(amount_minor, is_refund=is_refund))

    def add_alert(self, occurred_at: int, is_block: bool) -> None:
        self.alerts += 1
        self.add(occurred_at, sums_of_alert(is_block))

    def add(self, at_ms: int, sums: tuple[int, ...]) -> None:
        """Add sums, in the order of SUMS, to the windows of an instant."""
        for grain, width in WIDTH_MS.items():
            row = self.sums[grain].setdefault(at_ms - at_ms % width, [0] * len(SUMS))
            for index, value in enumerate(sums):
                row[index] += value


def sums_of_score(amount_minor: int, *, is_refund: bool) -> tuple[int, ...]:
    """What a good score adds, in the order of SUMS: a refund is no spending."""
    return (0, 0, 0, 0, 1, amount_minor, 0, 0) if is_refund else (1, amount_minor, 0, 0, 0, 0, 0, 0)


def sums_taken_out(amount_minor: int, *, is_refund: bool) -> tuple[int, ...]:
    """What a record that a correction takes out adds to its own window, in the order of SUMS."""
    added = sums_of_score(amount_minor, is_refund=is_refund)
    return (*(-each for each in added[:6]), 1, amount_minor)


def sums_of_alert(is_block: bool) -> tuple[int, ...]:
    """What an alert adds, in the order of SUMS."""
    return (0, 0, 1, int(is_block), 0, 0, 0, 0)


def report(
    grain: str, snapshot: Snapshot, control: Control, *, grace_ms: int, so_far: bool
) -> dict[str, Any] | None:
    """The numbers of one report, all JSON values; None where there is no window to report."""
    width = WIDTH_MS[grain]
    passed = snapshot.passed_ms() - grace_ms
    whole_from = max(snapshot.whole_from[grain], control.whole_from)
    by_window: dict[int, dict[str, int]] = {}
    customers: dict[str, dict[str, int]] = {}
    for customer_id, tiles in snapshot.by_customer(grain):
        for start, tile in tiles.items():
            if start < whole_from or (start + width > passed and not so_far):
                continue
            window = by_window.setdefault(
                start, dict.fromkeys(("customers", *SUMS, "alert_amount_minor"), 0)
            )
            window["customers"] += tile["transactions"] > 0
            total = customers.setdefault(
                customer_id, dict.fromkeys((*SUMS, "alert_amount_minor"), 0)
            )
            for name in (*SUMS, "alert_amount_minor"):
                window[name] += tile[name]
                total[name] += tile[name]
    if not by_window:
        return None
    windows = [
        _window(start, width, passed, by_window[start], control.sums[grain])
        for start in sorted(by_window)
    ]
    counted = [
        row
        for start, row in control.sums[grain].items()
        if start >= whole_from and (start + width <= passed or so_far)
    ]
    totals = {
        name: sum(window[name] for window in windows) for name in (*SUMS, "alert_amount_minor")
    }
    control_totals = {name: sum(row[index] for row in counted) for index, name in enumerate(SUMS)}
    return {
        "report_id": f"{grain.lower()}-{_stamp(snapshot.as_of_ms)}",
        "grain": grain,
        "as_of": snapshot.as_of_ms,
        "window_start_at": windows[0]["start_at"],
        "window_end_at": windows[-1]["end_at"],
        "is_complete": all(window["is_complete"] for window in windows),
        "base_currency": snapshot.base_currency,
        "customers": sum(total["transactions"] > 0 for total in customers.values()),
        "totals": totals,
        "control": control_totals,
        "is_reconciled": all(totals[name] == control_totals[name] for name in SUMS)
        and all(window["is_reconciled"] for window in windows),
        "whole_from": whole_from,
        "unreadable": control.unreadable,
        "position": {str(partition): src for partition, src in sorted(snapshot.position.items())},
        "windows": windows,
        "top_customers": _top(customers),
    }


def rows(grain: str, snapshot: Snapshot, windows: Iterable[int]) -> list[dict[str, Any]]:
    """One row a customer and window, in order: what goes into the Parquet file."""
    wanted = set(windows)
    return [
        {
            "customer_id": customer_id,
            **{name: tile[name] for name in ("start_at", *SUMS, "alert_amount_minor")},
        }
        for customer_id, tiles in snapshot.by_customer(grain)
        for start, tile in sorted(tiles.items())
        if start in wanted
    ]


def _added_up(parts: list[Tiles]) -> Tiles:
    """The tiles of one customer in several partitions as one."""
    out: Tiles = {}
    for start, tile in (item for part in parts for item in part.items()):
        before = out.get(start, dict.fromkeys((*SUMS, "alert_amount_minor"), 0))
        out[start] = {
            "start_at": start,
            **{name: before[name] + tile[name] for name in (*SUMS, "alert_amount_minor")},
        }
    return out


def _window(
    start: int, width: int, passed: int, sums: dict[str, int], control: dict[int, list[int]]
) -> dict[str, Any]:
    expected = control.get(start, [0] * len(SUMS))
    return {
        "start_at": start,
        "end_at": start + width,
        **sums,
        "is_complete": start + width <= passed,
        "is_reconciled": [sums[name] for name in SUMS] == expected,
    }


def _top(customers: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    alerted = [(customer_id, sums) for customer_id, sums in customers.items() if sums["alerts"]]
    alerted.sort(key=lambda item: (-item[1]["alert_amount_minor"], item[0]))
    return [{"customer_id": customer_id, **sums} for customer_id, sums in alerted[:TOP_CUSTOMERS]]


def _stamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
