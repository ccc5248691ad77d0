"""Parquet files and Arrow's own (IPC files and streams, Feather): columns with types.

Each batch is validated whole: its offsets and texts are the file's, and nobody else checks them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from riskstream.runtime.causes import cause
from riskstream.workbench.files.rows import BATCH_ROWS, FileRows, unreadable


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """What pyarrow says of a damaged file, as our refusal."""
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise unreadable(
            path, f"the file cannot be read: {cause(error)}", "write it again"
        ) from error


def notes_of(path: Path) -> dict[bytes, bytes]:
    """What a Parquet file's writer noted beside the columns, by key; empty where it is none."""
    try:
        return dict(pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return {}


class ParquetFile:
    """One Parquet file. `total`: its rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _translated(path):
            with self._opened() as found:
                self.names: list[str] = list(found.schema_arrow.names)
                self.total: int | None = found.metadata.num_rows

    def batches(self, columns: list[str], first: int) -> Iterator[FileRows]:
        """Rows in order."""
        row = 0
        with _translated(self.path), self._opened() as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                batch.validate(full=True)
                yield _numbered(self.path, batch.select(columns), row, first)
                row += batch.num_rows
                first += batch.num_rows

    def _opened(self) -> pq.ParquetFile:
        # a year like 2600 does not fit into the nanoseconds of Parquet's old timestamps
        return pq.ParquetFile(self.path, pre_buffer=False, coerce_int96_timestamp_unit="us")


class ArrowFile:
    """One file of Arrow's IPC format, the one with an index at its end or the stream. `total`: its
    rows are not known before they are read.
    """

    total: int | None = None

    def __init__(self, path: Path, *, is_stream: bool) -> None:
        self.path, self._is_stream = path, is_stream
        with _translated(path), self._opened() as reader:
            self.names: list[str] = list(reader.schema.names)

    def batches(self, columns: list[str], first: int) -> Iterator[FileRows]:
        """Rows in order."""
        row = 0
        with _translated(self.path), self._opened() as reader:
            count = None if self._is_stream else reader.num_record_batches
            batches = reader if count is None else map(reader.get_batch, range(count))
            for found in batches:
                found.validate(full=True)
                chosen = found.select(columns)
                for start in range(0, len(chosen), BATCH_ROWS):
                    batch = chosen.slice(start, BATCH_ROWS)
                    yield _numbered(self.path, batch, row, first)
                    row += batch.num_rows
                    first += batch.num_rows

    @contextmanager
    def _opened(self) -> Iterator[pa.RecordBatchReader]:
        with pa.OSFile(str(self.path)) as file:
            reader = pa.ipc.open_stream(file) if self._is_stream else pa.ipc.open_file(file)
            with reader:
                yield reader


def _numbered(path: Path, batch: pa.RecordBatch, row: int, first: int) -> FileRows:
    places = np.arange(row + 1, row + 1 + batch.num_rows, dtype=np.int64)
    return FileRows(path=path, batch=batch, places=places, first=first)
