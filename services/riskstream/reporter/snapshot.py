"""Follows states, scores and alerts from round to round: each is read once, and totals are cut
where the states stand.
"""

from collections import defaultdict
from typing import Any

from riskstream.domain.risk.counted import Series
from riskstream.domain.risk.customers.state_columns import STATE
from riskstream.platform.kafka.accepted import SCORES, AcceptedScores
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.native.choice import Way
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.clients.read_columns import ColumnReader
from riskstream.platform.kafka.clients.tails import newest_records
from riskstream.platform.kafka.record import Records
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.alerts import AlertColumns, Alerts
from riskstream.reporter.core import Control, Snapshot, TracedAlert
from riskstream.reporter.states import States
from riskstream.reporter.totals import KEPT_MS, TOPIC, Totals
from riskstream.runtime.errors import Rejected
from riskstream.runtime.machine import now_ms

ALERTS = "alerts.v1"
IDLE_MS = 60_000
"""A partition without a score for so long, whose scores are all in its states, is not waited
for.
"""
TRACES_KEPT = 10_000


class Follower:
    """What a reporter knows. `read` takes what is new; whoever gets an error from it makes a new
    one.
    """

    def __init__(
        self, bootstrap: str, metrics: ReporterMetrics, base_currency: str, way: Way = "auto"
    ) -> None:
        """`way`: how scores come from Kafka's client."""
        self._bootstrap, self._metrics, self._base_currency = bootstrap, metrics, base_currency
        self._way = way
        self._snapshot, self.totals = Snapshot(), Totals()
        self._states = States(self._snapshot, base_currency)
        self._scores, self._alerts = AcceptedScores(), AlertColumns()
        self._state_offsets: dict[tuple[str, int], int] = {}
        self._traced: list[TracedAlert] = []
        self._unreadable = 0
        self._score_ends: dict[int, int] = {}

    def restore(self) -> None:
        """Take up the totals that were written before."""
        partition_count = TopicAdmin(self._bootstrap).partitions()[SCORES]
        with TopicReader(self._bootstrap, [TOPIC]) as reader:
            for record in reader.until_end():
                try:
                    self.totals.restore([record], partition_count)
                except Rejected:
                    self._cannot_read(TOPIC)

    def read(self) -> tuple[Snapshot, Control]:
        """States first: every score behind them is in its topic already, so the totals can be cut
        where they stand.
        """
        self._read_states()
        places = {
            (ALERTS, number): each.alert_offset for number, each in self.totals.partitions.items()
        }
        with self._reader(ALERTS, places) as alerts:
            self._read_scores(dict(alerts.positions))
            counted = self._read_alerts(alerts)
        if self._snapshot.event_time:
            self._snapshot.tiles.forget(max(self._snapshot.event_time.values()) - KEPT_MS)
        control = self.totals.control()
        control.alerts, control.traced, control.unreadable = (
            counted,
            list(self._traced),
            self._unreadable,
        )
        return self._snapshot, control

    def _read_states(self) -> None:
        with self._reader(STATE, self._state_offsets) as reader:
            for records in reader.columns_until_end():
                self._cannot_read(STATE, self._states.take(records))
            self._state_offsets = dict(reader.positions)

    def _reader(self, topic: str, places: dict[tuple[str, int], int], **asked: Any) -> ColumnReader:
        return ColumnReader(self._bootstrap, topic, offsets=places, way=self._way, **asked)

    def _read_scores(self, first_alerts: dict[tuple[str, int], int]) -> None:
        """A partition is left where scores begin that the states do not hold yet."""
        places = {
            (SCORES, number): each.score_offset for number, each in self.totals.partitions.items()
        }
        heard_by = now_ms()
        with self._reader(SCORES, places, committed_only=False) as reader:
            firsts = dict(reader.positions)
            begun: set[int] = set()
            for records in reader.columns_until_end():
                number = records.partition
                if number not in begun:
                    self._begin(number, firsts, first_alerts, int(records.appended_at[0]))
                    begun.add(number)
                until = self._snapshot.position.get(number, -1)
                mine = self.totals.of(number)
                mine.take_scores(self._series(records), until)
                if mine.is_behind:
                    reader.leave(SCORES, number)
            for number in {number for _, number in firsts} - begun:
                self._begin(number, firsts, first_alerts, heard_by)
            self._score_ends = {number: at for (_, number), at in reader.positions.items()}
        if any(not each.heard_at for each in self.totals.partitions.values()):
            for record in newest_records(self._bootstrap, SCORES):
                mine = self.totals.of(record.partition)
                mine.heard_at = max(mine.heard_at, record.appended_at)
        self._snapshot.idle = {
            number
            for number, each in self.totals.partitions.items()
            if not each.is_behind and heard_by - each.heard_at > IDLE_MS
        }

    def _begin(
        self, number: int, scores: dict[Any, int], alerts: dict[Any, int], appended_at: int
    ) -> None:
        self.totals.of(number).begin(
            scores[SCORES, number], alerts.get((ALERTS, number), 0), appended_at
        )

    def _series(self, records: Records) -> Series:
        """What counts of those that are scores; the totals apply the reader's rule, up to where the
        states stand.
        """
        batch = self._scores.decode(records)
        self._cannot_read(SCORES, len(records) - int(batch.is_score.sum()))
        return batch.series(self._base_currency)

    def _read_alerts(self, reader: ColumnReader) -> int:
        """How many were counted now; those that are traced are kept until a report has them."""
        parts: dict[int, list[Alerts]] = defaultdict(list)
        for records in reader.columns_until_end():
            alerts, unreadable = self._alerts.read(records)
            self._cannot_read(ALERTS, unreadable)
            if len(alerts.offsets):
                parts[records.partition].append(alerts)
        ends = {number: at for (_, number), at in reader.positions.items()}
        count, until_of = 0, self._snapshot.position.get
        found = {number: Alerts.chained(each) for number, each in parts.items()}
        for number, alerts in found.items():
            until = until_of(number, -1)
            rows = self.totals.of(number).take_alerts(alerts, until)
            count += len(rows)
            for row in rows.tolist() if alerts.traces else ():
                if (context := alerts.traces.get(row)) is not None:
                    traced = TracedAlert(
                        partition=number,
                        offset=int(alerts.offsets[row]),
                        src_partition=number,
                        src=int(alerts.srcs[row]),
                        occurred_at=int(alerts.occurred_at[row]),
                        context=context,
                    )
                    self._traced.append(traced)
        for number, mine in self.totals.partitions.items():
            is_left = number in found and found[number].srcs[-1] > until_of(number, -1)
            if not mine.is_behind and not is_left:
                mine.caught_up(self._score_ends[number], ends[number])
        del self._traced[:-TRACES_KEPT]
        return count

    def _cannot_read(self, topic: str, records: int = 1) -> None:
        if records:
            self._unreadable += records
            self._metrics.unreadable.labels(topic=topic).inc(records)
