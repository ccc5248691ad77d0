"""Excel workbooks (.xlsx): the rows of one sheet as texts, in the way that JSON lines have them."""

import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from riskstream.workbench.files.rows import BATCH_BYTES, BATCH_ROWS, FileRows, Layout, unreadable
from riskstream.workbench.files.workbook_cells import Row, rows_of
from riskstream.workbench.files.workbook_parts import Parts, parts_of, translated


class WorkbookFile:
    """One sheet, the first that holds rows where `layout.sheet` names none; hidden ones come last.
    `total`: its rows are not known before they are read.
    """

    total: int | None = None

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        with translated(path), zipfile.ZipFile(path) as book:
            parts = parts_of(book)
            self.sheets = tuple(parts.sheets)
            self.sheet, first = self._sheet(book, parts, layout.sheet)
            self._part = parts.sheets[self.sheet]
        self._skip = 0 if layout.columns else 1
        if layout.columns:
            self.names = list(layout.columns)
        else:
            width = max(first[1]) + 1
            self.names = [first[1].get(at, "").strip() or f"column {at + 1}" for at in range(width)]

    def _sheet(self, book: zipfile.ZipFile, parts: Parts, wanted: str) -> tuple[str, Row]:
        """(name of the sheet, its first row that holds something)."""
        if wanted and wanted not in parts.sheets:
            raise unreadable(
                self.path,
                f"it has no sheet {wanted}",
                f"give one of {', '.join(parts.sheets)} as `file: {{sheet: NAME}}`",
            )
        for name, part in parts.sheets.items():
            if wanted in ("", name) and (first := next(rows_of(book, part, parts), None)):
                return name, first
        raise unreadable(self.path, "it holds no rows", "give a workbook with a line of names")

    def batches(self, columns: list[str], first: int) -> Iterator[FileRows]:
        """Rows in order; empty ones are left out, as spreadsheets end with them."""
        wanted = [self.names.index(name) for name in columns]
        with translated(self.path), zipfile.ZipFile(self.path) as book:
            rows = islice(rows_of(book, self._part, parts_of(book)), self._skip, None)
            for part in _parts(rows):
                texts = [pa.array([row.get(at) for _, row in part], pa.string()) for at in wanted]
                yield FileRows(
                    path=self.path,
                    batch=pa.record_batch(texts, names=columns),
                    places=np.array([place for place, _ in part], np.int64),
                    first=first,
                )
                first += len(part)


def _parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """So many rows at once as a batch has, fewer where their texts are long: cells may share
    one.
    """
    part: list[Row] = []
    size = 0
    for row in rows:
        part.append(row)
        size += sum(map(len, row[1].values()))
        if len(part) == BATCH_ROWS or size > BATCH_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
