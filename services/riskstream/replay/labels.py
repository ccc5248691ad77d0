"""Labels that wait until they are known, on disk: one file a day of known_at, so memory holds one day at most."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

DAY_MS = 86_400_000


class WaitingLabels:
    """Takes labels in any order, gives them back by known_at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        self._open_day: int | None = None
        self._rows: pa.Table | None = None

    def add(self, labels: pa.Table) -> None:
        """Keep labels for later."""
        days = labels["known_at"].to_numpy() // DAY_MS
        for day in np.unique(days).tolist():
            mine = labels.filter(pa.array(days == day))
            if self._open_day is not None and day <= self._open_day and self._rows is not None:
                self._rows = pa.concat_tables([self._rows, mine]).sort_by("known_at")
                continue
            if day not in self._writers:
                self._writers[day] = pa.ipc.new_stream(str(self._folder / f"{day}.arrows"), labels.schema)
            self._writers[day].write_table(mine)

    def known_until(self, until_ms: int | None) -> Iterator[pa.Table]:
        """Labels known before until_ms (all that wait, where it is None), oldest first, a day at most a table."""
        while True:
            if self._rows is None:
                if not self._writers:
                    return
                day = min(self._writers)
                if until_ms is not None and day * DAY_MS >= until_ms:
                    return
                self._load(day)
            assert self._rows is not None
            rows = self._rows
            known = rows["known_at"].to_numpy()
            count = len(known) if until_ms is None else int(np.searchsorted(known, until_ms))
            self._rows = rows.slice(count) if count < len(known) else None
            if count:
                yield rows.slice(0, count)
            if self._rows is not None:
                return

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _load(self, day: int) -> None:
        self._writers.pop(day).close()
        path = self._folder / f"{day}.arrows"
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            self._rows = reader.read_all().sort_by([("known_at", "ascending"), ("label_id", "ascending")])
        path.unlink()
        self._open_day = day
