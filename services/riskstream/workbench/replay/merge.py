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
from riskstream.workbench.replay.span import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What became known in [start_ms, end_ms), at most an hour. `file_rows`: rows of the file read
    up to here.
    """

    start_ms: int
    end_ms: int
    transactions: Rows | None
    labels: Rows | None
    file_rows: int

    @property
    def events(self) -> int:
        return sum(rows.num_rows for rows in (self.transactions, self.labels) if rows is not None)


def merged(parts: Iterable[Kept], waiting: WaitingLabels) -> Iterator[Slice]:
    """Slices in order of time. A transaction earlier than its predecessor stays where it stands in
    the file.
    """
    clock = -1
    rows = 0
    for found in parts:
        if (labels := label_table(found)) is not None:
            waiting.add(labels)
        batch = Rows.of(found.transactions)
        times = batch.column("occurred_at")
        start = 0
        running = np.maximum.accumulate(np.maximum(times, clock)) if len(times) else times
        while start < len(times):
            hour = int(running[start]) // HOUR_MS
            stop = int(np.searchsorted(running, (hour + 1) * HOUR_MS))
            yield from _labels_before(waiting, hour * HOUR_MS, rows)
            # the hour is over where a row of a later one is there; else the next batch may go on
            is_over = stop < len(times)
            end_ms = (hour + 1) * HOUR_MS if is_over else int(running[stop - 1]) + 1
            yield Slice(
                start_ms=int(running[start]),
                end_ms=end_ms,
                transactions=batch.part(start, stop),
                labels=_one(waiting.known_until(end_ms)),
                file_rows=rows + stop,
            )
            clock = int(running[stop - 1])
            start = stop
        rows += found.rows
    yield from _labels_before(waiting, None, rows)


def _labels_before(waiting: WaitingLabels, until_ms: int | None, rows: int) -> Iterator[Slice]:
    """Labels that became known in hours without a transaction."""
    for found in waiting.known_until(until_ms):
        known = found.column("known_at")
        edges = np.append(np.flatnonzero(np.diff(known // HOUR_MS)) + 1, len(known))
        start = 0
        for stop in edges.tolist():
            yield Slice(
                start_ms=int(known[start]),
                end_ms=int(known[stop - 1]) + 1,
                transactions=None,
                labels=found.part(start, stop),
                file_rows=rows,
            )
            start = stop


def _one(parts: Iterable[Rows]) -> Rows | None:
    """All parts as one, None of none."""
    found = list(parts)
    if len(found) > 1:
        return Rows.of(pa.concat_tables([each.as_table() for each in found]))
    return found[0] if found else None
