"""Merges a file's transactions and their labels by the time each becomes known, in slices of at
most an hour.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from riskstream.runtime.durations import HOUR_MS
from riskstream.workbench.replay.kept import Kept
from riskstream.workbench.replay.labels import WaitingLabels, label_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What became known in [start_ms, end_ms), at most an hour. `file_rows`: rows of the file read
    up to here.
    """

    start_ms: int
    end_ms: int
    transactions: pa.Table | None
    labels: pa.Table | None
    file_rows: int

    @property
    def events(self) -> int:
        return sum(
            table.num_rows for table in (self.transactions, self.labels) if table is not None
        )


def merged(parts: Iterable[Kept], waiting: WaitingLabels) -> Iterator[Slice]:
    """Slices in order of time. A transaction earlier than its predecessor stays where it stands in
    the file.
    """
    clock = -1
    rows = 0
    for found in parts:
        if (labels := label_table(found)) is not None:
            waiting.add(labels)
        times = found.transactions["occurred_at"].to_numpy()
        start = 0
        running = np.maximum.accumulate(np.maximum(times, clock)) if len(times) else times
        while start < len(times):
            hour = int(running[start]) // HOUR_MS
            stop = int(np.searchsorted(running, (hour + 1) * HOUR_MS))
            yield from _labels_before(waiting, hour * HOUR_MS, rows)
            yield Slice(
                start_ms=int(running[start]),
                end_ms=int(running[stop - 1]) + 1,
                transactions=found.transactions.slice(start, stop - start),
                labels=_one(waiting.known_until(int(running[stop - 1]) + 1)),
                file_rows=rows + stop,
            )
            clock = int(running[stop - 1])
            start = stop
        rows += found.rows
    yield from _labels_before(waiting, None, rows)


def _labels_before(waiting: WaitingLabels, until_ms: int | None, rows: int) -> Iterator[Slice]:
    """Labels that became known in hours without a transaction."""
    for found in waiting.known_until(until_ms):
        known = found["known_at"].to_numpy()
        edges = np.append(np.flatnonzero(np.diff(known // HOUR_MS)) + 1, len(known))
        start = 0
        for stop in edges.tolist():
            part = found.slice(start, stop - start)
            yield Slice(
                start_ms=int(known[start]),
                end_ms=int(known[stop - 1]) + 1,
                transactions=None,
                labels=part,
                file_rows=rows,
            )
            start = stop


def _one(tables: Iterable[pa.Table]) -> pa.Table | None:
    """All tables as one, None of none."""
    found = list(tables)
    return pa.concat_tables(found) if found else None
