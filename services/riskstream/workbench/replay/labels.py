"""Labels that wait until they are known, on disk: files by the day of known_at, so memory holds one
day at most.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskstream.runtime.durations import DAY_MS
from riskstream.workbench.replay.kept import Kept, kept_at
from riskstream.workbench.replay.span import Rows

MAX_OPEN = 64
"""Most files that are open at once: a batch of a file may hold labels of thousands of days."""


class WaitingLabels:
    """Takes labels in any order, gives them back by known_at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        self._files: dict[int, list[Path]] = {}
        self._open_day: int | None = None
        self._rows: Rows | None = None

    def add(self, labels: pa.Table) -> None:
        """Keep labels for later."""
        days = labels["known_at"].to_numpy() // DAY_MS
        for day in np.unique(days).tolist():
            mine = labels.filter(pa.array(days == day))
            if self._open_day is not None and day <= self._open_day and self._rows is not None:
                table = pa.concat_tables([self._rows.as_table(), mine]).sort_by("known_at")
                self._rows = Rows.of(table)
                continue
            with kept_at(self._folder):
                if day not in self._writers:
                    self._open(day, labels.schema)
                self._writers[day].write_table(mine)

    def known_until(self, until_ms: int | None) -> Iterator[Rows]:
        """Labels known before until_ms (all that wait, where it is None), oldest first, those of a
        day at most.
        """
        while True:
            if self._rows is None:
                if not self._files:
                    return
                day = min(self._files)
                if until_ms is not None and day * DAY_MS >= until_ms:
                    return
                self._load(day)
            assert self._rows is not None
            rows = self._rows
            known = rows.column("known_at")
            count = len(known) if until_ms is None else int(np.searchsorted(known, until_ms))
            self._rows = rows.part(count, rows.num_rows) if count < rows.num_rows else None
            if count:
                yield rows.part(0, count)
            if self._rows is not None:
                return

    def close(self) -> None:
        self._close_all()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self, day: int, schema: pa.Schema) -> None:
        """Another file for a day; a stream that was closed cannot be gone on with."""
        if len(self._writers) >= MAX_OPEN:
            self._close_all()
        mine = self._files.setdefault(day, [])
        mine.append(self._folder / f"{day}-{len(mine)}.arrows")
        self._writers[day] = pa.ipc.new_stream(str(mine[-1]), schema)

    def _close_all(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _load(self, day: int) -> None:
        if day in self._writers:
            self._writers.pop(day).close()
        parts = []
        for path in self._files.pop(day):
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
                parts.append(reader.read_all())
            path.unlink()
        table = pa.concat_tables(parts).sort_by(
            [("known_at", "ascending"), ("label_id", "ascending")]
        )
        self._rows = Rows.of(table)
        self._open_day = day


def label_table(found: Kept) -> pa.Table | None:
    """Columns of label.v1 of the rows that have a label; None where the file has none."""
    said, rows = found.labelled, found.transactions
    if said is None:
        return None
    is_fraud = pa.array(said.is_fraud)
    columns = {
        "label_id": pc.binary_join_element_wise("label-", rows["transaction_id"], ""),
        "transaction_id": rows["transaction_id"],
        "customer_id": rows["customer_id"],
        "outcome": pc.if_else(is_fraud, "FRAUD", "GENUINE"),
        "source": pa.repeat(pa.scalar("IMPORT"), rows.num_rows),
        "occurred_at": rows["occurred_at"],
        "known_at": pa.array(said.known_at),
        "loss_minor": pc.if_else(is_fraud, rows["base_amount_minor"], 0),
        "base_currency": rows["base_currency"],
        **{name: rows[name] for name in ("terminal_id", "device_id") if name in rows.column_names},
    }
    return pa.table(columns).filter(pa.array(said.has_label))
