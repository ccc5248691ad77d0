"""The lag service's loop: asks the cluster each few seconds, and shows what it was told."""

import time
from threading import Event

import structlog

from riskstream.lag.core import long_undone, rows, undone
from riskstream.lag.settings import LagSettings
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.group_lag import ages_at
from riskstream.platform.kafka.record import Place
from riskstream.platform.telemetry.group_lag import GroupLag
from riskstream.platform.telemetry.metrics import LagMetrics
from riskstream.runtime.errors import Retryable

log = structlog.get_logger("lag")


class LagService:
    """Runs until stopped. Where Kafka does not answer, what was told last stays and `seen` grows
    old: an alert asks for it.
    """

    def __init__(
        self, settings: LagSettings, metrics: LagMetrics, stop: Event, admin: TopicAdmin
    ) -> None:
        self._settings, self._metrics, self._stop = settings, metrics, stop
        self._admin = admin
        self._ends_before: dict[Place, int] = {}
        self.is_ready = False
        self.loop_seen = time.monotonic()

    def run(self) -> None:
        while not self._stop.is_set():
            self.loop_seen = time.monotonic()
            try:
                self.look()
                self.is_ready = True
            except Retryable as error:
                self.is_ready = False
                log.warning("the cluster does not answer", error=str(error))
            self._stop.wait(self._settings.every_s)

    def look(self) -> None:
        """One round: 1 where topics end, 2 where groups are, 3 ages of what is behind for longer
        than a round, 4 show it.
        """
        counts = self._admin.partitions()
        expected = [(group, topic) for group, topic in self._settings.expected() if topic in counts]
        counted = {topic for topic in self._settings.topics.split(",") if topic in counts}
        ends = {
            topic: self._admin.end_offsets(topic, counts[topic])
            for topic in sorted(counted | {each for _, each in expected})
        }
        firsts = {
            topic: self._admin.end_offsets(topic, counts[topic], first=True)
            for topic in {each for _, each in expected}
        }
        known = self._admin.groups_by_members()
        found: list[GroupLag] = []
        for group, topic in expected:
            behind = undone(self._admin.group_offsets(group), topic, firsts[topic], ends[topic])
            late = long_undone(behind, self._ends_before)
            ages = ages_at(self._settings.kafka, late) if late else {}
            found += rows(group, behind, ages, late)
        self._ends_before = {
            (topic, number): end for topic, each in ends.items() for number, end in enumerate(each)
        }
        members = {group: known.get(group, False) for group, _ in self._settings.expected()}
        self._metrics.show(
            found, {topic: sum(ends[topic]) for topic in counted}, members, time.time()
        )
