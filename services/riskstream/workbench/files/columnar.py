"""Parquet files and Arrow's own (IPC files and streams, Feather): columns with types.

Each batch is validated whole: its offsets and texts are the file's, and nobody else checks them.
What a file says of its sizes is bounded, as what takes memory before it can be validated is.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from riskstream.runtime.causes import cause
from riskstream.workbench.files.rows import (
    BATCH_BYTES,
    BATCH_ROWS,
    FileRows,
    check_width,
    unreadable,
)
from riskstream.workbench.files.shared_texts import in_bounds, longest

_BUFFER_BYTES = 1 << 20
"""Of each column that is read; without one, the column of a whole row group is read at once."""
_MOST_PARTS, _PART_NAME_BYTES = 1 << 17, 1 << 24
"""Entries of one list in the index of a Parquet file, and bytes of a text there. pyarrow takes room
for a list before it reads it: some 600 bytes for each entry.
"""
_LOOKED_AT = 2
"""Row groups by which it is told whether texts are long: a look takes as long as 20,000 rows."""
_LONG_BYTES = BATCH_BYTES // BATCH_ROWS
_MAPPED_BYTES = 1 << 26
"""Larger Arrow files are mapped: then a record batch need not be read whole."""


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
                check_width(path, len(self.names))

    def batches(self, columns: list[str], first: int) -> Iterator[FileRows]:
        """Rows in order."""
        row = 0
        with _translated(self.path), self._opened(folded := self._folded(columns)) as file:
            for found in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                found.validate(full=True)
                for batch in in_bounds(found.select(columns)):
                    part = _unfolded(batch, folded)
                    yield _numbered(self.path, part, row, first)
                    row += part.num_rows
                    first += part.num_rows

    def _folded(self, columns: list[str]) -> list[str]:
        """Columns of texts that are read as dictionaries: those with a long text in one, which very
        many rows may share.
        """
        with self._opened() as file:
            kinds = {each.name: each.type for each in file.schema_arrow}
        texts = [each for each in columns if kinds[each] in (pa.string(), pa.binary())]
        found: set[str] = set()
        with self._opened(texts) as file:
            # by the first row of each: pyarrow ends the process where the index of a damaged file
            # is asked for what the reading of a column would refuse
            for group in range(min(file.num_row_groups, _LOOKED_AT)):
                wanted = [name for name in texts if name not in found]
                first = file.iter_batches(1, row_groups=[group], columns=wanted, use_threads=False)
                if wanted and (batch := next(first, None)) is not None:
                    batch.validate(full=True)
                    found |= {each for each in wanted if longest(batch.column(each)) > _LONG_BYTES}
        return [name for name in columns if name in found]

    def _opened(self, folded: list[str] | None = None) -> pq.ParquetFile:
        return pq.ParquetFile(
            self.path,
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES,
            read_dictionary=folded,
            thrift_string_size_limit=_PART_NAME_BYTES,
            thrift_container_size_limit=_MOST_PARTS,
            # a year like 2600 does not fit into the nanoseconds of Parquet's old timestamps
            coerce_int96_timestamp_unit="us",
        )


def _unfolded(batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    """These columns with a text a row, as the file's schema has them."""
    for name in names:
        at = batch.schema.get_field_index(name)
        if pa.types.is_dictionary(batch.schema.field(at).type):
            batch = batch.set_column(at, name, batch.column(at).dictionary_decode())
    return batch


class ArrowFile:
    """One file of Arrow's IPC format, the one with an index at its end or the stream. `total`: its
    rows are not known before they are read.
    """

    total: int | None = None

    def __init__(self, path: Path, *, is_stream: bool) -> None:
        self.path, self._is_stream = path, is_stream
        with _translated(path), self._opened([]) as (reader, _):
            self.names: list[str] = list(reader.schema.names)
            check_width(path, len(self.names))

    def batches(self, columns: list[str], first: int) -> Iterator[FileRows]:
        """Rows in order."""
        row = 0
        with _translated(self.path), self._opened(columns) as (reader, mapped):
            count = None if self._is_stream else reader.num_record_batches
            batches = reader if count is None else map(reader.get_batch, range(count))
            for found in batches:
                chosen = found.select(columns)
                for start in range(0, len(chosen), BATCH_ROWS):
                    part = chosen.slice(start, BATCH_ROWS)
                    part.validate(full=True)
                    for batch in in_bounds(part):
                        yield _numbered(self.path, batch, row, first)
                        row += batch.num_rows
                        first += batch.num_rows
                    if mapped is not None:
                        mapped.madvise(mmap.MADV_DONTNEED)  # what was read may leave memory

    @contextmanager
    def _opened(
        self, columns: list[str]
    ) -> Iterator[tuple[pa.RecordBatchReader, mmap.mmap | None]]:
        """A reader of these columns, of all where none is named; and the file, where it is
        mapped.
        """
        mapped = None
        if self.path.stat().st_size > _MAPPED_BYTES:
            with self.path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with (
            pa.OSFile(str(self.path)) if mapped is None else pa.BufferReader(pa.py_buffer(mapped))
        ) as source:
            open_ = pa.ipc.open_stream if self._is_stream else pa.ipc.open_file
            # of a file that is mapped, nothing is copied where no columns are chosen here
            if columns and mapped is None:
                with open_(source) as reader:
                    wanted = [reader.schema.get_field_index(name) for name in columns]
                source.seek(0)
                options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=wanted)
            else:
                options = pa.ipc.IpcReadOptions(use_threads=False)
            with open_(source, options=options) as reader:
                yield reader, mapped


def _numbered(path: Path, batch: pa.RecordBatch, row: int, first: int) -> FileRows:
    places = np.arange(row + 1, row + 1 + batch.num_rows, dtype=np.int64)
    return FileRows(path=path, batch=batch, places=places, first=first)
