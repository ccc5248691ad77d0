"""Follows states, scores and alerts from round to round: each is read once, and totals are cut
where the states stand.
"""

from collections import defaultdict
from typing import Any

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.counted import Series
from riskstream.domain.risk.customer_risk import check_place, check_sums
from riskstream.platform.kafka.accepted import SCORES, AcceptedScores
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.native.choice import Way
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.clients.read_columns import ColumnReader
from riskstream.platform.kafka.clients.tails import newest_records
from riskstream.platform.kafka.record import Record, Records
from riskstream.platform.kafka.traced import context_in
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.core import Control, Snapshot, TracedAlert
from riskstream.reporter.totals import KEPT_MS, TOPIC, Alerted, Totals
from riskstream.runtime.errors import Rejected
from riskstream.runtime.machine import now_ms

STATES, ALERTS = "customer-risk.v1", "alerts.v1"
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
        self._states, self._alerts, self._scores = (
            codec("customer-risk.v1"),
            codec("alert.v1"),
            AcceptedScores(),
        )
        self._state_offsets: dict[tuple[str, int], int] = {}
        self._half: dict[int, list[dict[str, Any]]] = defaultdict(list)
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
        self._read_scores()
        counted = self._read_alerts()
        if self._snapshot.event_time:
            self._snapshot.forget(max(self._snapshot.event_time.values()) - KEPT_MS)
        control = self.totals.control()
        control.alerts, control.traced, control.unreadable = (
            counted,
            list(self._traced),
            self._unreadable,
        )
        return self._snapshot, control

    def _read_states(self) -> None:
        """A flush is taken whole or not at all: what follows the last record that ends one waits
        for the next round.
        """
        with TopicReader(self._bootstrap, [STATES], offsets=self._state_offsets) as reader:
            for record in reader.until_end():
                if record.value is None:
                    self._snapshot.erase(
                        (record.key or b"").decode(errors="replace"), record.partition
                    )
                    continue
                try:
                    state = decoded(self._states, record.value)
                    check_place(state, record.key, record.partition)
                    check_sums(state, self._base_currency)
                except Rejected:
                    self._cannot_read(STATES)
                    continue
                half = self._half[record.partition]
                half.append(state)
                if state["ends_flush"]:
                    for each in half:
                        self._snapshot.add(each)
                    half.clear()
            self._state_offsets = dict(reader.positions)

    def _read_scores(self) -> None:
        places = {
            (SCORES, number): each.score_offset for number, each in self.totals.partitions.items()
        }
        heard_by = now_ms()
        with (
            ColumnReader(
                self._bootstrap, SCORES, offsets=places, committed_only=False, way=self._way
            ) as reader,
            TopicReader(self._bootstrap, [ALERTS]) as alerts,
        ):
            firsts, first_alerts = dict(reader.positions), dict(alerts.positions)
            begun: set[int] = set()
            for records in reader.columns_until_end():
                number = records.partition
                if number not in begun:
                    self._begin(number, firsts, first_alerts, int(records.appended_at[0]))
                    begun.add(number)
                until = self._snapshot.position.get(number, -1)
                self.totals.of(number).take_scores(self._series(records), until)
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
        for _ in range(len(records) - int(batch.is_score.sum())):
            self._cannot_read(SCORES)
        return batch.series(self._base_currency)

    def _read_alerts(self) -> int:
        """How many were counted now; those that are traced are kept until a report has them."""
        places = {
            (ALERTS, number): each.alert_offset for number, each in self.totals.partitions.items()
        }
        found: dict[int, list[tuple[Alerted, Record]]] = defaultdict(list)
        with TopicReader(self._bootstrap, [ALERTS], offsets=places) as reader:
            for record in reader.until_end():
                try:
                    alert = decoded(self._alerts, record.value)
                except Rejected:
                    self._cannot_read(ALERTS)
                    continue
                said = Alerted(
                    offset=record.offset,
                    src=alert["src"],
                    occurred_at=alert["occurred_at"],
                    is_block=alert["decision"] == "BLOCK",
                )
                found[record.partition].append((said, record))
            ends = {number: at for (_, number), at in reader.positions.items()}
        count = 0
        for number, pairs in found.items():
            until = self._snapshot.position.get(number, -1)
            counted = {
                each.offset
                for each in self.totals.of(number).take_alerts((each for each, _ in pairs), until)
            }
            count += len(counted)
            for said, record in pairs:
                if (
                    said.offset in counted
                    and record.headers
                    and (context := context_in(record.headers)) is not None
                ):
                    traced = TracedAlert(
                        partition=number,
                        offset=record.offset,
                        src_partition=number,
                        src=said.src,
                        occurred_at=said.occurred_at,
                        context=context,
                    )
                    self._traced.append(traced)
        for number, mine in self.totals.partitions.items():
            left = len(found[number]) and found[number][-1][0].src > self._snapshot.position.get(
                number, -1
            )
            if not mine.is_behind and not left:
                mine.caught_up(self._score_ends[number], ends[number])
        del self._traced[:-TRACES_KEPT]
        return count

    def _cannot_read(self, topic: str) -> None:
        self._unreadable += 1
        self._metrics.unreadable.labels(topic=topic).inc()
