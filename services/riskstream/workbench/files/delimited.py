"""CSV files: pyarrow's parser, told how the file is written; every value stays text until it is
mapped.
"""

import codecs
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from riskstream.runtime.causes import cause
from riskstream.workbench.files import lines_kernel as lines
from riskstream.workbench.files.dialect import Dialect, dialect_of
from riskstream.workbench.files.opened import Utf8Stream
from riskstream.workbench.files.rows import FileRows, Layout, unreadable

_BLOCK_BYTES = 1 << 20
"""Also the most that one record may take."""


class DelimitedFile:
    """One CSV file. `total`: its rows are not known before they are read."""

    total: int | None = None

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self._dialect = path, dialect_of(path, layout)
        self.names = list(self._dialect.names)

    def batches(self, columns: list[str], first: int) -> Iterator[FileRows]:
        """Rows in order; those with another number of columns are told in `broken`."""
        stream = _Records(self.path, self._dialect)
        broken: deque[tuple[int, str]] = deque()

        def on_broken(row: pa.csv.InvalidRow) -> str:
            why = f"{row.actual_columns} columns, {row.expected_columns} expected"
            broken.append((row.number, why))
            return "skip"

        taken = 0
        try:
            for batch in self._parsed(stream, columns, on_broken):
                places, told = stream.places(batch.num_rows, broken, taken)
                stream.check_quotes()
                yield FileRows(path=self.path, batch=batch, places=places, first=first, broken=told)
                first += batch.num_rows
                taken += batch.num_rows + len(told)
            stream.check_end()
            _, told = stream.places(0, broken, taken, is_end=True)
            if told:
                yield FileRows(
                    path=self.path,
                    batch=pa.RecordBatch.from_pylist([], _texts(columns)),
                    places=np.empty(0, np.int64),
                    first=first,
                    broken=told,
                )
        except pa.ArrowInvalid as error:
            stream.check_quotes()
            stream.check_end()
            raise self._broken(error) from error
        finally:
            stream.close()

    def _parsed(
        self, stream: "_Records", columns: list[str], on_broken: object
    ) -> Iterator[pa.RecordBatch]:
        dialect = self._dialect
        try:
            reader = pa.csv.open_csv(
                pa.PythonFile(stream, mode="r"),
                read_options=pa.csv.ReadOptions(
                    block_size=_BLOCK_BYTES, use_threads=False, column_names=self.names
                ),
                parse_options=pa.csv.ParseOptions(
                    delimiter=dialect.separator,
                    quote_char=dialect.quote or False,
                    newlines_in_values=bool(dialect.quote),
                    invalid_row_handler=on_broken,
                ),
                convert_options=pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(self.names, pa.string()),
                    include_columns=columns,
                    strings_can_be_null=True,
                    null_values=[""],
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            raise
        yield from reader

    def _broken(self, error: Exception) -> Exception:
        said = str(error)
        if "straddling" in said or "block" in said:
            return unreadable(
                self.path,
                f"a record takes more than {_BLOCK_BYTES:,} bytes",
                "look for a quote that is not closed, or say the separator and quote in the "
                "mapping's section `file`",
            )
        return unreadable(self.path, f"the file is broken: {cause(error)}", "write it again")


class _Records:
    """What pyarrow reads: the bytes behind the names, with the line of each record noted."""

    closed = False

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._path, self._dialect = path, dialect
        self._text = Utf8Stream(path, dialect.encoding)
        self._marks = ord(dialect.separator), ord(dialect.quote) if dialect.quote else -1
        self._state = lines.fresh_state(dialect.skip_lines + 1)
        self._room = np.empty(_BLOCK_BYTES, np.int64)
        self._lines: deque[NDArray[np.int64]] = deque()
        self._rest, self._is_first = b"", True
        skip = dialect.skip_bytes
        while skip > 0 and (block := self._text.read(_BLOCK_BYTES)):
            self._rest = block[skip:]
            skip -= len(block)
        self._space_state = lines.fresh_space_state()

    def read(self, size: int) -> bytes:
        """At most `size` bytes, b"" at the end."""
        block = self._block(size)
        data = np.frombuffer(block, np.uint8)
        if len(data) > len(self._room):
            self._room = np.empty(len(data), np.int64)
        count = lines.lines_kernel(data, *self._marks, self._state, self._room)
        if count:
            self._lines.append(self._room[:count].copy())
        return block

    def places(
        self,
        rows: int,
        broken: "deque[tuple[int, str]]",
        taken: int,
        *,
        is_end: bool = False,
    ) -> tuple[NDArray[np.int64], tuple[tuple[int, str], ...]]:
        """Lines of the next rows, and (line, why) of the broken records among and behind them."""
        told = []
        stop = taken + rows
        while broken and (broken[0][0] <= stop or is_end):
            told.append(broken.popleft())
            stop += 1
        # those directly behind the last row belong to it too
        while broken and broken[0][0] == stop + 1:
            told.append(broken.popleft())
            stop += 1
        found = self._take(stop - taken)
        at = np.array([number - taken - 1 for number, _ in told], np.int64)
        return np.delete(found, at), tuple(
            (int(found[place]), why) for place, (_, why) in zip(at.tolist(), told, strict=True)
        )

    def _block(self, size: int) -> bytes:
        """The next bytes, without the space behind each separator where there is one."""
        while True:
            block = self._rest or self._text.read(size)
            if self._is_first and block.startswith(codecs.BOM_UTF8):
                block = codecs.BOM_UTF8 + block  # pyarrow leaves out one, and this one is a value's
            self._is_first = False
            block, self._rest = block[:size], block[size:]
            if not (block and self._dialect.is_spaced):
                return block
            out = np.empty(len(block), np.uint8)
            data = np.frombuffer(block, np.uint8)
            if count := lines.spaces_kernel(data, *self._marks, self._space_state, out):
                return out[:count].tobytes()

    def _take(self, count: int) -> NDArray[np.int64]:
        parts, missing = [], count
        while missing:
            if not self._lines:
                self.check_end()
                raise unreadable(self._path, "its records cannot be told apart", "write it again")
            part = self._lines.popleft()
            if len(part) > missing:
                self._lines.appendleft(part[missing:])
                part = part[:missing]
            parts.append(part)
            missing -= len(part)
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def check_quotes(self) -> None:
        """Fatal where text follows a closing quote: what stands between such quotes was read as one
        value.
        """
        if at := int(self._state[lines.SPACED_AT]):
            raise unreadable(
                self._path,
                f"a space stands before the quote in line {at:,}",
                "leave out the space, or write `file: {quote: none}` in the mapping",
            )
        if at := int(self._state[lines.WRONG_AT]):
            raise unreadable(
                self._path,
                f"the quote that opens in line {at:,} is closed within a value",
                "double the quotes within values, or write `file: {quote: none}` in the mapping",
            )

    def check_end(self) -> None:
        """Fatal where the file ends within quotes: all behind was read as one value."""
        self.check_quotes()
        if self._state[lines.MODE] == lines.QUOTED:
            raise unreadable(
                self._path,
                f"the quote that opens in line {int(self._state[lines.QUOTED_SINCE]):,} is never "
                "closed",
                "close it, or write `file: {quote: none}` in the mapping",
            )

    def close(self) -> None:
        self._text.close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


def _texts(columns: list[str]) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in columns])
