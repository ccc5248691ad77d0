"""The reporter's core: customers' tiles and control totals in, the report's numbers out. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.customers.kernel import LOAD
from riskstream.domain.risk.customers.state_columns import tile_fields
from riskstream.domain.risk.customers.tiles import TileRows, TileTable
from riskstream.platform.telemetry.context import TraceContext
from riskstream.reporter.sums import sums_of
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
_FAR = int(np.iinfo(np.int64).max)
HISTORIES = {"HOURLY": 0, "DAILY": 1}
TILE = ("start_at", *SUMS, "alert_amount_minor")
"""The columns of a tile."""


class StateRows(NamedTuple):
    """n states of one partition: `tiles`, and int64[n] each. `positions`: the last source offset
    that the partition's states held; instants in ms.
    """

    tiles: TileRows
    positions: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    updated_at: NDArray[np.int64]


@dataclass(slots=True)
class Snapshot:
    """What was read of customer-risk.v1: of each customer and partition the tiles, newest record
    first.

    A customer has one partition, but for records that stood in another than their key's
    (`misplaced`): a state in each. `position`: by partition the last source offset that its states
    hold. `event_time`: by partition the latest event time. `idle`: partitions whose event time is
    not waited for.
    """

    tiles: TileTable = field(default_factory=lambda: TileTable(tile_fields(), TILE))
    position: dict[int, int] = field(default_factory=dict)
    event_time: dict[int, int] = field(default_factory=dict)
    idle: set[int] = field(default_factory=set)
    as_of_ms: int = 0
    base_currency: str = "EUR"

    def whole_from(self, grain: str) -> int:
        """Windows that begin before it are left out: a customer's history no longer holds them or
        lacks what came for them since, or scores had expired before the tracker read them.
        """
        return int(self.tiles.whole_from[HISTORIES[grain]])

    def take(
        self,
        partition: int,
        states: StateRows,
        deeds: NDArray[np.uint8],
        order: NDArray[np.int64],
    ) -> None:
        """Take records in an order, that of the topic: tiles that left the newest one stay from an
        older one. The sums of a customer who was erased stay in the totals, under nobody's name.
        """
        self.tiles.keep(partition, states.tiles, deeds, order)
        rows = order[deeds[order] == LOAD]
        if not len(rows):
            return
        self.position[partition] = max(
            self.position.get(partition, -1), int(states.positions[rows].max())
        )
        self.event_time[partition] = max(
            self.event_time.get(partition, 0), int(states.occurred_at[rows].max())
        )
        self.as_of_ms = max(self.as_of_ms, int(states.updated_at[rows].max()))

    def passed_ms(self) -> int:
        """The event time that every partition has passed; those that are idle are not waited for,
        unless all are.
        """
        busy = [at for partition, at in self.event_time.items() if partition not in self.idle]
        return min(busy) if busy else max(self.event_time.values(), default=0)


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
    whole_from = max(snapshot.whole_from(grain), control.whole_from)
    newest = _FAR if so_far else passed - width
    sums = sums_of(snapshot.tiles, HISTORIES[grain], whole_from, newest)
    if not sums.windows:
        return None
    windows = [
        _window(start, width, passed, each, control.sums[grain])
        for start, each in sums.windows.items()
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
        "customers": sums.customers,
        "totals": totals,
        "control": control_totals,
        "is_reconciled": all(totals[name] == control_totals[name] for name in SUMS)
        and all(window["is_reconciled"] for window in windows),
        "whole_from": whole_from,
        "unreadable": control.unreadable,
        "position": {str(partition): src for partition, src in sorted(snapshot.position.items())},
        "windows": windows,
        "top_customers": sums.top,
    }


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


def _stamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
