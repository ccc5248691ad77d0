"""A2-A4 of the protocol: find where a partition stands from the store and the output's tail. Reads only."""

import re
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from riskstream.contracts.columns import ColumnDecoder
from riskstream.kafka.client import client_log, connection, consumer, raise_if_error, translated
from riskstream.kafka.owned import Recorded
from riskstream.kafka.ports import StateStore
from riskstream.kafka.starts import is_expired
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("lane")
EMPTY = re.compile(r"empty=\d+-(\d+)")
"""Metadata of a commit behind which, up to the number, the source has markers of transactions only."""
_TAIL_TIMEOUT_S = 10.0
_STEP_BACK = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Where to go on: read from `start`, the first record after s; up to `o` silently by `recorded`, then live.

    `high`: the watermark that the store has, -1 where it has none: a fresh group's s is what stands before the source's head.
    """

    start: int
    s: int
    high: int
    e: int
    o: int
    identity: str
    partition_count: int
    recorded: dict[int, Recorded]


@dataclass(eq=False, kw_only=True)
class Hold(Exception):
    """The partition cannot be taken up without guessing: a person decides."""

    why: str


class Recovery:
    """Recovers partitions of one lane. Safe to use from one background thread beside the polling thread."""

    def __init__(self, bootstrap: str, group: str, source: str, output: str, store: StateStore) -> None:
        self._bootstrap, self._group = bootstrap, group
        self._source, self._output = source, output
        self._store = store
        self._decoder = ColumnDecoder("score.v1")
        self.steps = 0
        """Grows with each answer and each piece of the tail; for the watchdog, which ends a lane that hangs here."""
        self._admin = AdminClient(connection(bootstrap), logger=client_log())

    def recover(self, partition: int, *, from_start: bool = False) -> Recovered:
        """Numbered as in the design; Hold where it must not go on, Retryable where the world is away.

        `from_start`: as if the store were empty.
        """
        tail = consumer(
            self._bootstrap, self._group, **{"isolation.level": "read_uncommitted", "fetch.wait.max.ms": 10}
        )
        try:
            # A2: watermark, identity of the topics, ends.
            identity, partition_count = self._identity()
            mark = None if from_start else self._store.mark(partition)
            self.steps += 1
            source_low, source_high = self._ends(tail, self._source, partition)
            output_low, output_high = self._ends(tail, self._output, partition)
            committed, empty_to = self._committed(tail, partition)
            if mark is None and source_low > 0 and (output_high > 0 or committed > 0):
                raise Hold(why="the store has no watermark and the source begins later: restore Redis from its backup")
            s, e = (mark.s, mark.e) if mark else (source_low - 1, 0)
            if mark is None and source_low > 0:
                log.warning("a fresh group begins where the source does", partition=partition, first=source_low)
            # A3: never guess.
            if mark and mark.identity != identity:
                raise Hold(why=f"topics were made again or repartitioned: {mark.identity} before, {identity} now")
            if mark and source_low > max(s + 1, empty_to if committed <= s + 1 else 0):
                raise Hold(why=f"the source begins at {source_low}, {s + 1} is needed")
            if source_high < s + 1 or output_high < e:
                raise Hold(why=f"source ends at {source_high}, output at {output_high}: behind the store ({s}, {e})")
            # A4: read the output's tail.
            recorded: dict[int, Recorded] = {}
            start = max(e, output_low)
            self._tail(tail, partition, start, output_high, s, recorded)
            o = max([s, committed - 1, *recorded])
            # The record at e is the mark's own. Where later ones are gone, an answer that is left leads back by its `prev`.
            if mark and e + 1 < output_low and o == s < source_high - 1:
                raise Hold(why=f"the output begins at {output_low}, its records from {e + 1} are needed")
            # A late append of an owner before may stand on both sides of e: then what is missing stands further back.
            step = _STEP_BACK
            while (missing := _hole(recorded, s, o)) is not None and start > output_low:
                before, start = start, max(output_low, start - step)
                self._tail(tail, partition, start, before, s, recorded)
                step *= 4
            if missing is not None:
                raise Hold(why=f"source offset {missing} was answered before, but {self._output} does not say how")
            return Recovered(
                start=max(s + 1, source_low), s=s, high=s if mark else -1, e=e, o=o,
                identity=identity, partition_count=partition_count, recorded=recorded,
            )  # fmt: skip
        except (KafkaException, TimeoutError) as error:
            raise translated(error, f"{self._source}[{partition}]") from error
        finally:
            tail.close()

    def _identity(self) -> tuple[str, int]:
        """(ids and partition counts of both topics as one text, the source's partition count)."""
        parts = []
        found = self._admin.describe_topics(TopicCollection([self._source, self._output]), request_timeout=10)
        for name in (self._source, self._output):
            description = found[name].result(10)
            parts.append(f"{name}={description.topic_id}/{len(description.partitions)}")
        return ";".join(parts), len(found[self._source].result(10).partitions)

    def _ends(self, tail: object, topic: str, partition: int) -> tuple[int, int]:
        low, high = tail.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)  # type: ignore[attr-defined]
        return int(low), int(high)

    def _committed(self, tail: object, partition: int) -> tuple[int, int]:
        """The group's offset, 0 where there is none; and up to where the owner before saw no record behind it, else 0."""
        [found] = tail.committed([TopicPartition(self._source, partition)], timeout=10)  # type: ignore[attr-defined]
        told = EMPTY.fullmatch(found.metadata or "")
        return max(int(found.offset), 0), int(told[1]) if told else 0

    def _tail(self, tail: object, partition: int, start: int, end: int, s: int, recorded: dict[int, Recorded]) -> None:
        """Add what the output records of source offsets after s, between output offsets start and end; the first counts."""
        if start >= end:
            return
        tail.assign([TopicPartition(self._output, partition, start)])  # type: ignore[attr-defined]
        position = start
        quiet_s = 0.0
        while position < end:
            messages = tail.consume(10_000, 0.2)  # type: ignore[attr-defined]
            self.steps += len(messages)
            frames = []
            offsets = []
            for message in messages:
                if message.error() is not None:
                    if is_expired(message.error()):
                        raise Retryable(
                            what=f"records of {self._output} expired meanwhile", where=f"partition {partition}"
                        )
                    raise_if_error(message.error(), f"{self._output}[{partition}]")
                    position = max(position, message.offset())
                    continue
                position = message.offset() + 1
                if message.offset() < end:
                    frames.append(message.value())
                    offsets.append(message.offset())
            quiet_s = 0.0 if messages else quiet_s + 0.2
            if quiet_s > _TAIL_TIMEOUT_S:
                raise Retryable(what=f"no answer from {self._output}", where=f"partition {partition}")
            self._collect(frames, offsets, s, recorded)

    def _collect(self, frames: list[bytes], offsets: list[int], s: int, recorded: dict[int, Recorded]) -> None:
        if not frames:
            return
        columns = self._decoder.decode_known(frames)
        if columns.status.any():
            raise Fatal(
                what="a record of the output is not a score",
                where=f"{self._output} offset {offsets[int(columns.status.argmax())]}",
                do="find who else writes there; only the scorer may",
            )
        symbols = columns.layout.field("verdict").symbols
        reason_nulls = columns.is_null("reason")
        sources = columns.numbers("src").tolist()
        prevs = columns.numbers("prev").tolist()
        verdicts = columns.numbers("verdict").tolist()
        for index, src in enumerate(sources):
            known = recorded.get(src)
            if src > s and (known is None or offsets[index] < known.output_offset):
                recorded[src] = Recorded(
                    verdict=symbols[verdicts[index]],
                    prev=prevs[index],
                    reason=None if reason_nulls[index] else columns.text("reason", index),
                    output_offset=offsets[index],
                )


def _hole(recorded: dict[int, Recorded], s: int, o: int) -> int | None:
    """A source offset in (s, o] that was answered and is not in `recorded`: each record tells the one before it."""
    at = o
    while at > s:
        if at not in recorded:
            return at
        at = recorded[at].prev
    return None
