"""What a poll brought: its records as columns, and what the client said of partitions beside them.

How a lane takes them from the client is a `Take`; `PythonTake` asks confluent-kafka for a message a
record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from numpy.typing import NDArray

from riskstream.domain.contracts.joined import Joined
from riskstream.platform.kafka.record import Place, Records
from riskstream.platform.kafka.traced import contexts_in
from riskstream.platform.telemetry.context import TraceContext

_MILLISECONDS = itemgetter(1)
Told = tuple[Place, int, KafkaError]
"""Of a partition an error or its end, and the offset that it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """n records as they were read, each partition in order. `appended_at`: ms since 1970 UTC.
    `traces`: by index the context of each sampled record. `topics`: by topic the indices of its
    records; partitions are of one topic where nobody asks for it.
    """

    values: Joined
    keys: Joined
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    appended_at: NDArray[np.int64]
    traces: dict[int, TraceContext]
    topics: dict[str, NDArray[np.int64]]

    @classmethod
    def of(cls, messages: list[Message]) -> "Polled":
        """Of messages of which none is an error."""
        n = len(messages)
        return cls(
            values=Joined.of(list(map(Message.value, messages))),
            keys=Joined.of(list(map(Message.key, messages))),
            partitions=np.fromiter(map(Message.partition, messages), np.int32, n),
            offsets=np.fromiter(map(Message.offset, messages), np.int64, n),
            appended_at=np.fromiter(
                map(_MILLISECONDS, map(Message.timestamp, messages)), np.int64, n
            ),
            traces=contexts_in(messages),
            topics=_rows_by(list(map(Message.topic, messages))),
        )

    def __len__(self) -> int:
        return len(self.offsets)

    def records(self, topic: str, partition: int, rows: NDArray[np.int64]) -> Records:
        """Those at `rows`, which rise and are of that partition."""
        traces = {}
        if self.traces:
            places = dict(zip(rows.tolist(), range(len(rows)), strict=True))
            traces = {places[at]: each for at, each in self.traces.items() if at in places}
        return Records(
            topic=topic,
            partition=partition,
            offsets=self.offsets[rows],
            appended_at=self.appended_at[rows],
            keys=self.keys.rows(rows),
            values=self.values.rows(rows),
            traces=traces,
        )

    def kept(self, is_kept: NDArray[np.bool_]) -> "Polled":
        """Only the records where `is_kept`, bool[n], is True."""
        places = np.cumsum(is_kept) - 1
        return Polled(
            values=self.values.kept(is_kept),
            keys=self.keys.kept(is_kept),
            partitions=self.partitions[is_kept],
            offsets=self.offsets[is_kept],
            appended_at=self.appended_at[is_kept],
            traces={int(places[at]): each for at, each in self.traces.items() if is_kept[at]},
            topics={topic: places[rows[is_kept[rows]]] for topic, rows in self.topics.items()},
        )


def _rows_by(topics: Sequence[str | None]) -> dict[str, NDArray[np.int64]]:
    """By topic its indices."""
    names = dict.fromkeys(topics)
    if len(names) == 1:
        return {name or "": np.arange(len(topics)) for name in names}
    return {
        name or "": np.array([at for at, each in enumerate(topics) if each == name], np.int64)
        for name in names
    }


class Take(Protocol):
    """How records come from a consumer, used by the thread that polls it. The group's callbacks run
    within `wait`.
    """

    def wait(self, timeout_s: float) -> bool:
        """True once something has arrived, False after `timeout_s` seconds."""
        ...

    def polled(self, most: int) -> tuple[Polled, list[Told]]:
        """What has arrived, at most `most` records; after a `wait` that was True."""
        ...

    def own(self, partitions: Sequence[TopicPartition]) -> None:
        """These are to be taken; told before they are assigned to the client."""
        ...

    def disown(self, partitions: Sequence[TopicPartition]) -> None:
        """These are not ours any more."""
        ...

    def close(self) -> None:
        """Give back what is held of the client, which is closed next."""
        ...


class PythonTake:
    """A Take by confluent-kafka's own calls."""

    def __init__(self, client: Consumer) -> None:
        self._client = client
        self._first: Message | None = None

    def wait(self, timeout_s: float) -> bool:
        self._first = self._client.poll(timeout_s)
        return self._first is not None

    def polled(self, most: int) -> tuple[Polled, list[Told]]:
        messages, told = self.messages(most)
        return Polled.of(messages), told

    def messages(self, most: int) -> tuple[list[Message], list[Told]]:
        """As `polled`, the records as the client's messages."""
        assert self._first is not None
        return sorted_out([self._first, *self._client.consume(most - 1, 0)])

    def own(self, partitions: Sequence[TopicPartition]) -> None: ...

    def disown(self, partitions: Sequence[TopicPartition]) -> None: ...

    def close(self) -> None: ...


def sorted_out(messages: list[Message]) -> tuple[list[Message], list[Told]]:
    """The records among the messages, and what the others tell."""
    good = [each for each in messages if each.error() is None]
    if len(good) == len(messages):
        return good, []
    told = []
    for each in messages:
        error = each.error()
        if error is not None:
            place = each.topic() or "", each.partition() or 0
            told.append((place, each.offset() or 0, error))
    return good, told
