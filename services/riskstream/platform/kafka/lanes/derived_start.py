"""Where a derived lane goes on: what its group committed, and the states that its work holds."""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain

from confluent_kafka import Consumer, KafkaException, TopicPartition

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.clients.client import translated
from riskstream.platform.kafka.clients.read_columns import ColumnReader
from riskstream.platform.kafka.clients.tails import newest_records
from riskstream.platform.kafka.lanes.derived_ahead import StatesAhead
from riskstream.platform.kafka.lanes.derived_settings import DerivedSettings
from riskstream.platform.kafka.lanes.ports import DerivedWork, View
from riskstream.platform.kafka.record import Record, RecordParts, Records

_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """Of one partition. `flushed`: up to where state was written; None where the group's offset is
    lost, or set by hand.

    `offset`: up to where outputs were written; 0 where the group has none.
    """

    offset: int
    flushed: int | None
    metadata: str | None

    @classmethod
    def read(cls, client: Consumer, source: str, partitions: list[int]) -> "dict[int, Committed]":
        """What the group committed. It waits where an owner before has a commit under way."""
        try:
            found = client.committed(
                [TopicPartition(source, number) for number in partitions], timeout=_ANSWER_S
            )
        except KafkaException as error:
            raise translated(error, source) from error
        out = {}
        for each in found:
            out[each.partition] = cls(
                offset=max(each.offset, 0), flushed=_flushed(each.metadata), metadata=each.metadata
            )
        return out


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Records are in no cycles. To look for some among all of them, again and again while they are
    read, is 40 % of the time of a million.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_no_search_for_cycles()
def read_states(
    settings: DerivedSettings,
    work: DerivedWork,
    view: View | None,
    committed: dict[int, Committed],
    see: Callable[[], object],
    ahead: StatesAhead | None = None,
) -> dict[int, SchemaWait]:
    """Give the work the records of its state topics by partition, and those of its tail topics
    where offsets are lost.

    The answer: of partitions whose state is of a schema that is not known what they wait for. The
    others can go on. `see` is called while it is reading; `ahead` has read some already.
    """
    states: dict[int, list[Records]] = {number: [] for number in committed}
    with ExitStack() as readers:
        begun = ahead.taken() if ahead is not None else {}
        for reader, _ in begun.values():
            readers.callback(reader.close)
        for topic in work.state_topics:
            if topic not in begun:
                reader = ColumnReader(settings.kafka, topic, way=settings.client)
                readers.callback(reader.close)
                begun[topic] = reader, []
            reader, read = begun[topic]
            reader.look_at_ends()
            for part in chain(read, reader.columns_until_end()):
                see()
                if part.partition in states:
                    states[part.partition].append(part)
    tails: list[Record] = []
    if any(each.flushed is None for each in committed.values()):
        for topic, is_own in work.tails.items():
            see()
            tails += newest_records(settings.kafka, topic, is_own)
    waiting: dict[int, SchemaWait] = {}
    for number, parts in states.items():
        last = RecordParts.of(record for record in tails if record.partition == number)
        try:
            work.restore(number, RecordParts((*parts, *last.parts)))
            if view is not None:
                view.restore(number, RecordParts(tuple(parts)))
        except SchemaWait as wait:
            waiting[number] = wait
        see()
    if ahead is not None:
        ahead.drop_others(committed)
    return waiting


def _flushed(metadata: str | None) -> int | None:
    for part in (metadata or "").split(";"):
        key, _, value = part.partition("=")
        if key == "flushed":
            return int(value)
    return None
