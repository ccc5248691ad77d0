"""Excel workbooks (.xlsx): the rows of one sheet as texts, in the way that JSON lines have them."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.files.rows import BATCH_ROWS, FileRows, Layout, unreadable

_EXACT = 10**15
"""A cell's number has 15 digits: of larger ones the last are lost."""


class WorkbookFile:
    """One sheet, the first that holds rows where `layout.sheet` names none."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self._first_row, self._rows = self._read(layout.sheet)
        at = 0
        if layout.columns:
            names = list(layout.columns)
        else:
            at = next((n for n, row in enumerate(self._rows) if any(map(_is_there, row))), -1)
            if at < 0:
                raise unreadable(path, "the sheet is empty", "give `file: {sheet: NAME}`")
            names = [_text(value) or f"column {n}" for n, value in enumerate(self._rows[at], 1)]
            at += 1
        self.names = [name.strip() for name in names]
        self._at = at
        self.total: int | None = len(self._rows) - at

    def _read(self, sheet: str) -> tuple[int, list[list[Any]]]:
        try:
            from python_calamine import CalamineError, CalamineWorkbook
        except ImportError as error:
            raise Fatal(
                what="no reader of Excel files is installed",
                where=str(self.path),
                do="run `pip install 'riskstream[cli]'`, or save the sheet as CSV",
                exit_code=Exit.INPUT,
            ) from error
        try:
            book = CalamineWorkbook.from_path(str(self.path))
            names = [sheet] if sheet else book.sheet_names
            if sheet and sheet not in book.sheet_names:
                raise unreadable(
                    self.path,
                    f"it has no sheet {sheet}",
                    f"give one of {', '.join(book.sheet_names)} as `file: {{sheet: NAME}}`",
                )
            for name in names:
                found = book.get_sheet_by_name(name)
                rows = found.to_python(skip_empty_area=False)
                if any(any(map(_is_there, row)) for row in rows):
                    return 1, rows
        except (CalamineError, OSError, ValueError) as error:
            raise unreadable(
                self.path, f"the workbook cannot be read: {cause(error)}", "save it again"
            ) from error
        raise unreadable(self.path, "it holds no rows", "give a workbook with a line of names")

    def batches(self, columns: list[str], first: int) -> Iterator[FileRows]:
        """Rows in order; empty ones are left out, as spreadsheets end with them."""
        wanted = [self.names.index(name) for name in columns]
        rows = [
            (place, row)
            for place, row in enumerate(self._rows[self._at :], self._first_row + self._at)
            if any(map(_is_there, row))
        ]
        for start in range(0, len(rows), BATCH_ROWS):
            part = rows[start : start + BATCH_ROWS]
            texts = [
                pa.array(
                    [_text(row[at]) if at < len(row) else None for _, row in part], pa.string()
                )
                for at in wanted
            ]
            yield FileRows(
                path=self.path,
                batch=pa.record_batch(texts, names=columns),
                places=np.array([place for place, _ in part], np.int64),
                first=first,
            )
            first += len(part)


def _is_there(value: Any) -> bool:
    return value not in ("", None)


def _text(value: Any) -> str | None:
    """A cell as CSV would have it; a number that lost digits as 2.29116386793387E+15, which says
    so.
    """
    if value in ("", None):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if abs(value) >= _EXACT:
            return f"{value:.14E}"
        return str(int(value)) if value == int(value) else repr(float(value))
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
    if isinstance(value, dt.timedelta):
        return str(value)
    return str(value)
