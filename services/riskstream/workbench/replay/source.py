"""Reads a Parquet or CSV file in batches, in bounded memory; CSV values stay text until they are
mapped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.workbench.replay.mapping import Mapping, default_mapping

BATCH_ROWS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRows:
    """A batch of a file: `first_line` is the line (CSV, the header being 1) or row (Parquet, from
    1) of its first row.
    """

    batch: pa.RecordBatch
    first_line: int


class FileSource:
    """One file. `total` is its rows where that is known (Parquet), else None; `done_share` for a
    CSV's progress.
    """

    def __init__(self, path: Path, mapping: Mapping | None = None) -> None:
        self.path = path
        self.total: int | None = None
        self.broken_lines: list[tuple[int, str]] = []
        self.is_csv = path.suffix.lower() in (".csv", ".tsv", ".txt")
        if not path.is_file():
            raise Fatal(
                what="there is no such file",
                where=str(path),
                do="give a Parquet or CSV file",
                exit_code=2,
            )
        names = self._names()
        if not any(names):
            raise Fatal(
                what="the file is empty",
                where=str(path),
                do="give one with a line of column names",
                exit_code=2,
            )
        self.mapping = mapping or default_mapping(names)
        missing = [name for name in self.mapping.columns if name not in names]
        if missing:
            raise Fatal(
                what=f"column {missing[0]} is not in the file",
                where=str(path),
                do=f"give a --mapping whose columns are among {', '.join(names[:20])}",
                exit_code=2,
            )

    def batches(self) -> Iterator[FileRows]:
        """All rows, in order."""
        line = 2 if self.is_csv else 1
        try:
            for batch in self._csv() if self.is_csv else self._parquet():
                yield FileRows(batch=batch, first_line=line)
                line += batch.num_rows
        except pa.ArrowInvalid as error:
            raise Fatal(
                what=f"the file is broken: {cause(error)}",
                where=str(self.path),
                do="write it again",
                exit_code=2,
            ) from error

    def _names(self) -> list[str]:
        try:
            if not self.is_csv:
                metadata = pq.read_metadata(self.path)
                self.total = metadata.num_rows
                return list(pq.read_schema(self.path).names)
            with self.path.open("rb") as file:
                head = file.readline().decode("utf-8-sig", errors="replace").strip()
            return [name.strip().strip('"') for name in head.split(self._delimiter())]
        except (pa.ArrowInvalid, OSError) as error:
            raise Fatal(
                what=f"the file cannot be read: {cause(error)}",
                where=str(self.path),
                do="give a Parquet or CSV file",
                exit_code=2,
            ) from error

    def _delimiter(self) -> str:
        return "\t" if self.path.suffix.lower() == ".tsv" else ","

    def _parquet(self) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path, pre_buffer=False) as file:
            yield from file.iter_batches(
                BATCH_ROWS, columns=list(self.mapping.columns), use_threads=False
            )

    def _csv(self) -> Iterator[pa.RecordBatch]:
        names = self._names()

        def on_broken(row: pa.csv.InvalidRow) -> str:
            self.broken_lines.append(
                (row.number or 0, f"{row.actual_columns} columns, {row.expected_columns} expected")
            )
            return "skip"

        reader = pa.csv.open_csv(
            self.path,
            read_options=pa.csv.ReadOptions(block_size=1 << 20, use_threads=False),
            parse_options=pa.csv.ParseOptions(
                delimiter=self._delimiter(), invalid_row_handler=on_broken
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=list(self.mapping.columns),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
        yield from reader
