"""Watches services at work: how far each is, and the CPU that its process used."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.reporter.totals import TOPIC
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.workbench.local.server import Server
from riskstream.workbench.local.services import cpu_s

LOOK_S, SETTLE_S = 0.2, 2.5
"""Between two looks; and how long a service may still flush when it has read everything."""


@dataclass(slots=True)
class Work:
    """One service's task. `done` and `wanted`: records so far and in all. `whole`: its CPU counts
    from the first look on, not from a tenth of the work. `read`: records that it read, where these
    are more than `wanted`. `spent_before`: CPU seconds before its first record, where it says so.
    """

    name: str
    server: Server
    done: Callable[[], int]
    wanted: Callable[[], int]
    whole: bool = False
    read: Callable[[], int] | None = None
    spent_before: Callable[[], float] | None = None
    samples: list[tuple[float, int, float]] = field(default_factory=list)
    """(time, records done, CPU seconds)."""

    def look(self) -> None:
        if not self.server.is_running:
            raise self.server.failure()
        self.samples.append((time.monotonic(), self.done(), cpu_s(self.server.pid)))

    @property
    def is_done(self) -> bool:
        return bool(self.samples) and self.samples[-1][1] >= self.wanted() > 0

    def done_at(self) -> float:
        """When all was done."""
        return next(at for at, done, _ in self.samples if done >= self.wanted())

    def began_at(self) -> float:
        """The last look before anything was done."""
        return max([self.samples[0][0], *(at for at, done, _ in self.samples if not done)])

    def _first(self) -> tuple[float, int, float]:
        """From where CPU counts: a tenth of the work; the look before it where all was done
        between two.
        """
        least, wanted = 0 if self.whole else 0.1 * self.wanted(), self.wanted()
        begun = [each for each in self.samples if each[1] < wanted]
        return next((each for each in begun if each[1] >= least), begun[-1])

    def cpu_us(self) -> float:
        """CPU us a record, with the last flush."""
        if self.spent_before is not None:
            return (self.samples[-1][2] - self.spent_before()) / self.wanted() * 1e6
        _, done, cpu = self._first()
        records = self.read() if self.read is not None else self.wanted() - done
        return (self.samples[-1][2] - cpu) / records * 1e6


def watch(works: list[Work], deadline_s: float = 400.0) -> None:
    """Look at all of them until they are done, and flushed."""
    end, done_at = time.monotonic() + deadline_s, float("inf")
    while time.monotonic() - done_at < SETTLE_S:
        for each in works:
            each.look()
        if all(each.is_done for each in works):
            done_at = min(done_at, time.monotonic())
        elif time.monotonic() > end:
            behind = [each.name for each in works if not each.is_done]
            raise Fatal(
                what=f"{', '.join(behind)} did not end in {deadline_s:.0f} s",
                where="loadtests.chain",
                do="read its log",
            )
        time.sleep(LOOK_S)


class Progress:
    """How far services are, asked of the cluster."""

    def __init__(self, kafka: str) -> None:
        self._kafka, self._admin = kafka, TopicAdmin(kafka)
        self._totals: dict[bytes, int] = {}
        self._total = codec("report-total.v1")
        self._reader: TopicReader | None = None
        self._seen: dict[str, int] = {}

    def ends(self, *topics: str) -> int:
        """Records that were ever written to topics without transactions."""
        return sum(sum(self._admin.end_offsets(topic, DEFAULT_PARTITIONS)) for topic in topics)

    def committed(self, group: str, *topics: str) -> int:
        """Records of the topics that a group has behind it."""
        try:
            offsets = self._admin.group_offsets(group)
        except Retryable:  # a busy machine: as at the last look
            return self._seen.get(group, 0)
        found = sum(max(at, 0) for (topic, _), at in offsets.items() if topic in topics)
        self._seen[group] = found
        return found

    def reported(self) -> int:
        """Scores that the reporter's totals have behind them."""
        if self._reader is None:
            self._reader = TopicReader(self._kafka, [TOPIC])
        for record in self._reader.poll(0):
            if record.key and record.value and b"|" not in record.key:
                self._totals[record.key] = self._total.decode(record.value)["score_offset"]
        return sum(self._totals.values())

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
