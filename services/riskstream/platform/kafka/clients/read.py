"""Readers without a group: all partitions of some topics from given places, records as plain
values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException, Message, TopicPartition

from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import consumer, raise_if_error, translated
from riskstream.platform.kafka.clients.giants import end_of, is_giant
from riskstream.platform.kafka.clients.limits import without_excess
from riskstream.platform.kafka.clients.polled import Told
from riskstream.platform.kafka.clients.starts import is_expired, legal_start
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.traced import headers_of
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.machine import monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """How a reader asks brokers. `wait_ms`: how long one waits for a record; `most`: records that
    `until_end` takes at once.
    """

    wait_ms: int = 20
    most: int = 1000
    limits: Mapping[str, int] = field(default_factory=dict)
    """Of the client, by librdkafka's names."""


PROMPT, RELAXED = Fetching(), Fetching(wait_ms=500)
FRUGAL = Fetching(
    most=10, limits={"fetch.message.max.bytes": 4_096, "queued.max.messages.kbytes": 1_024}
)
"""Little is held at once, of records of whatever size. A fetch of a MB may hold hundreds of batches
that decompress to 90 MB.
"""


class TopicReader:
    """Reads topics by itself, outside of any group. Starts at the beginning, the end, or given
    offsets.

    `fetching`: PROMPT; RELAXED where a reader stays for long; FRUGAL where records may be large.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: list[str],
        *,
        start: str = "beginning",
        offsets: dict[tuple[str, int], int] | None = None,
        committed_only: bool = True,
        fetching: Fetching = PROMPT,
    ) -> None:
        self._bootstrap, self._admin = bootstrap, TopicAdmin(bootstrap)
        counts = self._admin.partitions()
        for topic in topics:
            if topic not in counts:
                raise Fatal(
                    what=f"no topic {topic}",
                    where=bootstrap,
                    do="run `riskstream topics apply`",
                    exit_code=Exit.INPUT,
                )
        isolation = "read_committed" if committed_only else "read_uncommitted"
        asked = {
            "isolation.level": isolation,
            "fetch.wait.max.ms": fetching.wait_ms,
            **fetching.limits,
        }
        self._most = fetching.most
        self._consumer = consumer(bootstrap, "riskstream-reader", **asked)
        self.counts = {topic: counts[topic] for topic in topics}
        self.ends = {
            (topic, number): end
            for topic in topics
            for number, end in enumerate(self._admin.end_offsets(topic, counts[topic]))
        }
        self._firsts = firsts = {
            (topic, number): first
            for topic in topics
            for number, first in enumerate(
                self._admin.end_offsets(topic, counts[topic], first=True)
            )
        }
        self._kept: list[Record] = []
        """What `until_end` read past the ends: `poll` and its next call begin with it."""
        origin = self.ends if start == "end" else firsts
        self.positions = {
            place: max((offsets or {}).get(place, at), firsts[place])
            for place, at in origin.items()
        }
        """Behind the last record of each partition that was given out."""
        self._fetched = dict(self.positions)
        """Behind the last one that the client gave us."""
        try:
            self._assign()
        except KafkaException as error:
            raise translated(error, bootstrap) from error

    def _assign(self) -> None:
        self._consumer.assign(self._places())

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(topic, n, at) for (topic, n), at in self._fetched.items()]

    def look_at_ends(self) -> None:
        """Let `until_end` go on to the ends as they are now."""
        for topic, count in self.counts.items():
            for number, end in enumerate(self._admin.end_offsets(topic, count)):
                self.ends[topic, number] = end

    def poll(self, timeout_s: float, most: int = 1000) -> list[Record]:
        """What is there, waiting for the first record only."""
        if self._kept:
            out, self._kept = self._kept[:most], self._kept[most:]
            self._give_out(out)
            return out
        out = self._fetch(timeout_s, most)
        self.positions = dict(self._fetched)
        return out

    def _fetch(self, timeout_s: float, most: int) -> list[Record]:
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        out: list[Record] = []
        told: list[Told] = []
        messages = [first, *self._consumer.consume(most - 1, 0)]
        for message, headers in zip(messages, headers_of(messages), strict=True):
            error = message.error()
            place = (message.topic() or "", message.partition() or 0)
            if error is not None:
                told.append((place, message.offset() or 0, error))
                continue
            offset = message.offset()
            assert offset is not None
            self._fetched[place] = offset + 1
            out.append(_record(message, place, offset, headers))
        self._see(told)
        return out

    def _see(self, told: Sequence[Told]) -> None:
        """Go on behind ends, heads that passed us and batches that are too large; else raise."""
        expired = moved = False
        for place, offset, error in told:
            if is_expired(error):
                expired = True
            elif is_giant(error):
                self._fetched[place] = end_of(self._bootstrap, *place, offset)
                moved = True
            else:
                raise_if_error(error, f"{place[0]}[{place[1]}]")
                self._fetched[place] = max(self._fetched[place], offset)
        if expired:  # retention was faster: go on at what is there
            for (topic, number), at in self._fetched.items():
                self._fetched[topic, number] = legal_start(self._consumer, topic, number, at)
        if expired or moved:
            self._assign()

    def _give_out(self, records: list[Record]) -> None:
        for record in records:
            self.positions[record.topic, record.partition] = record.offset + 1

    def until_end(self, deadline_s: float = 600.0) -> Iterator[Record]:
        """Everything up to the ends as they were when the reader was made; Fatal where that takes
        too long.
        """
        for records in self.batches_until_end(deadline_s):
            yield from records

    def batches_until_end(self, deadline_s: float = 600.0) -> Iterator[list[Record]]:
        """The same, as lists of what each poll gave."""
        end = monotonic() + deadline_s
        records, self._kept = self._kept, []
        while records or self.has_more:
            self._check_time(end, deadline_s)
            if given := self._up_to_ends(records):
                yield given
            records = self._fetch(0.2, self._most) if self._is_before_ends(self._fetched) else []

    def _check_time(self, end: float, deadline_s: float) -> None:
        if monotonic() > end:
            raise Fatal(
                what=f"the end was not reached in {deadline_s:.0f} s",
                where=str(list(self.counts)),
                do="try again",
            )

    @property
    def has_more(self) -> bool:
        """Whether something up to the ends was not given out yet."""
        return self._is_before_ends(self.positions)

    def _is_before_ends(self, positions: dict[tuple[str, int], int]) -> bool:
        return any(positions[place] < at for place, at in self.ends.items())

    def _up_to_ends(self, records: list[Record]) -> list[Record]:
        """Those before the ends. What is behind them is kept for the next call, and the positions
        do not pass it.
        """
        given = [each for each in records if each.offset < self.ends[each.topic, each.partition]]
        self._kept += [
            each for each in records if each.offset >= self.ends[each.topic, each.partition]
        ]
        for place, at in self._fetched.items():
            self.positions[place] = max(self.positions[place], min(at, self.ends[place]))
        return given

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _record(message: Message, place: tuple[str, int], offset: int, named: Any) -> Record:
    """A record of more than its topic takes as it is (it came compressed) is cut: nothing of ours
    is that large.
    """
    headers: Any = list(named or [])
    key, value, headers = without_excess(place[0], message.key(), message.value(), headers)
    return Record(
        topic=place[0],
        partition=place[1],
        offset=offset,
        appended_at=message.timestamp()[1],
        key=key,
        value=value,
        headers=headers,
    )
