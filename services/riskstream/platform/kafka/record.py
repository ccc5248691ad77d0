"""A record as a plain value: as it was read, and as it is to be written."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import overload

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.joined import Joined
from riskstream.platform.telemetry.context import TraceContext

Place = tuple[str, int]
"""(topic, partition)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it stands in its topic; `appended_at` in ms since 1970 UTC."""

    topic: str
    partition: int
    offset: int
    appended_at: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    trace: TraceContext | None = None
    """In a derived lane: the context of our own span of it, for what comes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records(Sequence[Record]):
    """Records of one partition as columns, without their headers; a Record is made where one is
    asked for.

    `traces`: by index the context of each sampled one.
    """

    topic: str
    partition: int
    offsets: NDArray[np.int64]
    appended_at: NDArray[np.int64]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    traces: dict[int, TraceContext] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Records":
        """Records of one partition as columns."""
        if isinstance(records, Records):
            return records
        n = len(records)
        return cls(
            topic=records[0].topic if n else "",
            partition=records[0].partition if n else -1,
            offsets=np.fromiter((each.offset for each in records), np.int64, n),
            appended_at=np.fromiter((each.appended_at for each in records), np.int64, n),
            keys=[each.key for each in records],
            values=[each.value for each in records],
            traces={at: each.trace for at, each in enumerate(records) if each.trace is not None},
        )

    def rows(self, rows: NDArray[np.int64]) -> "Records":
        """Those at `rows`, which rise. Joined bytes stay joined."""
        if len(rows) == len(self):
            return self
        traces = {}
        if self.traces:
            traces = {
                new: self.traces[row] for new, row in enumerate(rows.tolist()) if row in self.traces
            }
        return Records(
            topic=self.topic,
            partition=self.partition,
            offsets=self.offsets[rows],
            appended_at=self.appended_at[rows],
            keys=_at(self.keys, rows),
            values=_at(self.values, rows),
            traces=traces,
        )

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Record]:
        columns = self.offsets.tolist(), self.appended_at.tolist(), self.keys, self.values
        for at, (offset, appended_at, key, value) in enumerate(zip(*columns, strict=True)):
            yield Record(
                topic=self.topic,
                partition=self.partition,
                offset=offset,
                appended_at=appended_at,
                key=key,
                value=value,
                headers=[],
                trace=self.traces.get(at),
            )

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> "Records": ...

    def __getitem__(self, index: int | slice) -> "Record | Records":
        if isinstance(index, slice):
            rows = range(*index.indices(len(self)))
            return Records(
                topic=self.topic,
                partition=self.partition,
                offsets=self.offsets[index],
                appended_at=self.appended_at[index],
                keys=self.keys[index],
                values=self.values[index],
                traces={at: self.traces[row] for at, row in enumerate(rows) if row in self.traces}
                if self.traces
                else {},
            )
        return Record(
            topic=self.topic,
            partition=self.partition,
            offset=int(self.offsets[index]),
            appended_at=int(self.appended_at[index]),
            key=self.keys[index],
            value=self.values[index],
            headers=[],
            trace=self.traces.get(index % len(self)),
        )


def _at(items: Sequence[bytes | None], rows: NDArray[np.int64]) -> Sequence[bytes | None]:
    if isinstance(items, Joined):
        return items.rows(rows)
    return [items[row] for row in rows.tolist()]


@dataclass(frozen=True, slots=True)
class RecordParts(Iterable[Record]):
    """Records of one partition in order, in parts as columns; each part is of one topic."""

    parts: tuple[Records, ...]

    @classmethod
    def of(cls, records: Iterable[Record]) -> "RecordParts":
        """Records of one partition in parts."""
        if isinstance(records, RecordParts):
            return records
        groups = groupby(records, key=lambda record: record.topic)
        return cls(tuple(Records.of(list(each)) for _, each in groups))

    def __iter__(self) -> Iterator[Record]:
        return chain.from_iterable(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One record to write: to the same partition number as its source."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    trace: TraceContext | None = None
    """Of the record it comes of, where that one alone is its cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRows:
    """Records to write as columns: to one topic and partition, in order, each without a trace."""

    topic: str
    partition: int
    keys: Joined
    values: Joined

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Output]:
        pairs = zip(self.keys.present(), self.values.present(), strict=True)
        for key, value in pairs:
            yield Output(topic=self.topic, partition=self.partition, key=key, value=value)


Made = Output | OutputRows
"""What a derived work makes: a record, or many."""


def one_by_one(made: Iterable[Made]) -> Iterator[Output]:
    """Each record, in order."""
    for each in made:
        if isinstance(each, Output):
            yield each
        else:
            yield from each
