"""Control totals that outlive the scores: counted once, by position, and carried forward from round
to round. Pure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.counted import Counts, Series
from riskstream.domain.risk.customer_risk import whole_after
from riskstream.domain.risk.hours_kernel import hours_kernel
from riskstream.platform.kafka.positions import AcceptedReader
from riskstream.platform.kafka.record import Record
from riskstream.reporter.alerts import Alerts
from riskstream.reporter.core import SUMS, Control, sums_of_alert
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.runtime.errors import Rejected

TOPIC = "report-totals.v1"
_KEY = re.compile(rb"([0-9]{1,9})(?:\|([1-9][0-9]{0,17}))?")
KEPT_MS = 62 * DAY_MS
"""Hours that begin so long before the newest one are forgotten: no history of a customer reaches as
far.
"""

_NOTHING = [0] * len(SUMS)


@dataclass(slots=True)
class PartitionTotals:
    """One partition. `hours`: sums in the order of SUMS by the start of the hour; `position`: the
    last score counted.

    `is_behind`: scores stand behind the states' position. `heard_at`: when the newest score that
    was read was appended, ms.
    """

    position: int = -1
    score_offset: int = 0
    alert_offset: int = 0
    alert_src: int = -1
    whole_from: int = 0
    hours: dict[int, list[int]] = field(default_factory=dict)
    is_behind: bool = False
    heard_at: int = 0
    changed: set[int] = field(default_factory=set)
    is_moved: bool = False

    def begin(self, first_score: int, first_alert: int, appended_at: int) -> None:
        """Begin a round at what the topics still hold; where they begin later than we had come,
        hours up to then may lack some.

        `appended_at`: when the first record that is left was appended, now where there is none; ms.
        """
        self.is_behind = False
        if first_score > self.score_offset or first_alert > self.alert_offset:
            self.whole_from = max(self.whole_from, whole_after(appended_at))
            self.score_offset = max(self.score_offset, first_score)
            self.alert_offset = max(self.alert_offset, first_alert)
            self.is_moved = True

    def take_scores(self, scores: Series, until: int) -> None:
        """Count new scores up to source offset `until`, where the states stand; what comes behind
        it waits.

        Sums are of one currency: good scores of another one are passed over, as the tracker does.
        """
        srcs = scores.counts.srcs
        self.heard_at = max(self.heard_at, int(scores.counts.appended_at.max(initial=0)))
        behind = np.flatnonzero(srcs > until)
        stop = 0 if self.is_behind else int(behind[0]) if len(behind) else len(srcs)
        self.is_behind = self.is_behind or stop < len(srcs)
        if not stop:
            return
        self.is_moved = True
        self.score_offset = int(scores.offsets[stop - 1]) + 1
        rule = AcceptedReader({0: self.position} if self.position >= 0 else {})
        is_accepted = rule.accept_all(0, srcs[:stop], scores.prevs[:stop])
        self.position = rule.last[0]
        self._add_scores(scores.counts, np.flatnonzero(is_accepted & scores.is_counted[:stop]))

    def _add_scores(self, counts: Counts, rows: NDArray[np.int64]) -> None:
        """Add those of some rows to their hours, and take out what leaves with them, in order."""
        hours = np.stack([counts.occurred_at[rows], counts.corrected_at[rows]], axis=1)
        hours -= hours % HOUR_MS
        leaves = counts.is_correction[rows]
        is_there = np.stack([np.ones(len(rows), np.bool_), leaves != 0], axis=1)
        starts, firsts, places = np.unique(hours[is_there], return_index=True, return_inverse=True)
        if not len(starts):
            return
        mine = np.full(hours.shape, -1)
        mine[is_there] = places
        sums = np.array([self.hours.get(start, _NOTHING) for start in starts.tolist()], np.int64)
        done = hours_kernel(
            np.ascontiguousarray(mine[:, 0]),
            counts.amounts[rows],
            counts.is_refund[rows],
            np.ascontiguousarray(mine[:, 1]),
            counts.corrected_amounts[rows],
            counts.corrected_is_refund[rows],
            sums,
        )
        assert done == len(rows), "each hour has a row of sums"
        for at in np.argsort(firsts).tolist():  # new hours in the order of their scores
            self.hours[int(starts[at])] = sums[at].tolist()
        self.changed.update(starts.tolist())

    def take_alerts(self, alerts: Alerts, until: int) -> NDArray[np.int64]:
        """Count new alerts up to `until`; the rows of those that were counted."""
        behind = np.flatnonzero(alerts.srcs > until)
        srcs = alerts.srcs[: int(behind[0])] if len(behind) else alerts.srcs
        if not len(srcs):
            return np.zeros(0, np.int64)
        self.is_moved = True
        self.alert_offset = int(alerts.offsets[len(srcs) - 1]) + 1
        newest = np.maximum.accumulate(np.concatenate([[self.alert_src], srcs]))
        rows = np.flatnonzero(srcs > newest[:-1])
        self.alert_src = int(newest[-1])
        hours = alerts.occurred_at[rows] - alerts.occurred_at[rows] % HOUR_MS
        pairs, counts = np.unique(
            np.stack([hours, alerts.is_block[rows]], axis=1), axis=0, return_counts=True
        )
        for (start, is_block), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            self._add(start, tuple(count * each for each in sums_of_alert(bool(is_block))))
        return rows

    def caught_up(self, score_offset: int, alert_offset: int) -> None:
        """Everything up to these offsets was counted, markers of transactions included: none of it
        is missed when it expires.
        """
        if (score_offset, alert_offset) != (self.score_offset, self.alert_offset):
            self.score_offset, self.alert_offset, self.is_moved = score_offset, alert_offset, True

    def _add(self, at_ms: int, sums: tuple[int, ...]) -> None:
        """Add sums to an hour. It would fall below zero only where it lacks what leaves it: it
        begins before `whole_from` then.
        """
        start = at_ms - at_ms % HOUR_MS
        row = self.hours.setdefault(start, [0] * len(SUMS))
        for index, value in enumerate(sums):
            row[index] = max(row[index] + value, 0)
        self.changed.add(start)


def _place_of(key: bytes) -> tuple[int, int]:
    """Partition and start of the hour, 0 where it is the partition's own record; Rejected where the
    key is none of ours.
    """
    found = _KEY.fullmatch(key)
    if found is None:
        raise Rejected(reason="key_differs", detail="its key is not a partition and an hour")
    return int(found[1]), int(found[2] or 0)


class Totals:
    """The totals of every partition, as records of report-totals.v1 and as a report's control."""

    def __init__(self) -> None:
        self.partitions: dict[int, PartitionTotals] = {}
        self._codec = codec("report-total.v1")

    def restore(self, records: Iterable[Record], partition_count: int) -> None:
        """Read what was written; raises Rejected where a record is not one of ours, of a
        partition that scores.v1 has.
        """
        for record in records:
            partition, start = _place_of(record.key or b"")
            if not 0 <= partition < partition_count:
                raise Rejected(reason="key_differs", detail=f"there is no partition {partition}")
            mine = self.of(partition)
            if record.value is None:
                mine.hours.pop(start, None)
                continue
            said = decoded(self._codec, record.value)
            if (said["src_partition"], said["start_at"]) != (partition, start):
                raise Rejected(
                    reason="key_differs",
                    detail="it belongs to another partition or hour than its key",
                )
            if start:
                mine.hours[start] = [said[name] for name in SUMS]
            else:
                for name in ("position", "score_offset", "alert_offset", "alert_src", "whole_from"):
                    setattr(mine, name, said[name])

    def of(self, partition: int) -> PartitionTotals:
        return self.partitions.setdefault(partition, PartitionTotals())

    def records(self) -> list[tuple[bytes, bytes | None]]:
        """(key, value) of what changed since the last call; None of hours that are too old to be
        asked for again.
        """
        out: list[tuple[bytes, bytes | None]] = []
        newest = max(
            (start for each in self.partitions.values() for start in each.hours), default=0
        )
        for partition, mine in sorted(self.partitions.items()):
            for start in [each for each in mine.hours if each < newest - KEPT_MS]:
                del mine.hours[start]
                mine.changed.discard(start)
                out.append((f"{partition}|{start}".encode(), None))
            for start in sorted(mine.changed):
                sums = dict(zip(SUMS, mine.hours[start], strict=True))
                out.append(
                    (
                        f"{partition}|{start}".encode(),
                        self._encoded(partition, start_at=start, **sums),
                    )
                )
            if mine.is_moved:
                said = self._encoded(
                    partition,
                    start_at=0,
                    position=mine.position,
                    score_offset=mine.score_offset,
                    alert_offset=mine.alert_offset,
                    alert_src=mine.alert_src,
                    whole_from=mine.whole_from,
                )
                out.append((f"{partition}".encode(), said))
            mine.changed, mine.is_moved = set(), False
        return out

    def _encoded(self, partition: int, **fields: Any) -> bytes:
        empty = dict.fromkeys((*SUMS, "score_offset", "alert_offset", "whole_from"), 0)
        return self._codec.encode(
            {**empty, "src_partition": partition, "position": -1, "alert_src": -1, **fields}
        )

    def control(self) -> Control:
        """The sums over all partitions, by hour and by day."""
        out = Control(
            whole_from=max((each.whole_from for each in self.partitions.values()), default=0)
        )
        for mine in self.partitions.values():
            for start, row in mine.hours.items():
                out.add(start, tuple(row))
        return out
