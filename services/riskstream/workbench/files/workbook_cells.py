"""The cells of one sheet of a workbook, row by row, as texts: as CSV would have them."""

import datetime as dt
import math
import zipfile
from collections.abc import Iterator
from string import ascii_uppercase
from typing import Any

from riskstream.workbench.files.workbook_parts import (
    BLOCK_BYTES,
    IDLE_BYTES,
    TEXT_BYTES,
    Parts,
    local,
    parsed,
    unescaped,
)

_DIGITS = 15
"""A cell's number has so many: of larger ones the last are lost."""
_ROWS, _COLUMNS = 1 << 20, 1 << 14
"""Most rows and columns of a sheet."""
_DAY_MS = 86_400_000
FORMULA = "=()"
"""What stands for a formula whose value nobody has computed: no number, time or id is so."""
Row = tuple[int, dict[int, str]]
"""(number from 1, text by column from 0)."""


def rows_of(book: zipfile.ZipFile, part: str, parts: Parts) -> Iterator[Row]:
    """The rows that hold something. ValueError and errors of zipfile and expat where the sheet is
    damaged.
    """
    sheet, idle = _Sheet(parts), 0
    for _ in parsed(book, part, sheet):
        found = sheet.taken()
        idle = 0 if found else idle + BLOCK_BYTES
        if idle > IDLE_BYTES:
            raise ValueError(f"{IDLE_BYTES:,} bytes of {part} hold no row")
        yield from found


class _Sheet:
    """Takes what expat finds. Cells may lack their place: then each is behind the one before."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._rows: list[Row] = []
        self._number, self._column = 0, -1
        self.depth = 0
        self._cells: dict[int, str] = {}
        self._kind = self._style = ""
        self._pieces: list[str] = []
        self._size = 0
        self._is_value = self._is_sound = self._is_formula = False
        self._names: dict[str, str] = {}

    def taken(self) -> list[Row]:
        """The rows since the last call."""
        found, self._rows = self._rows, []
        return found

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        name = self._names.get(tag) or self._names.setdefault(tag, local(tag))
        if name == "c":
            self._begin_cell(attributes.get("r"))
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._pieces, self._size, self._is_formula = [], 0, False
        elif name == "f":
            self._is_formula = True
        elif name == "v" or (name == "t" and self._kind == "inlineStr"):
            self._is_value = not self._is_sound
        elif name == "rPh":
            self._is_sound = True
        elif name == "row":
            self._begin_row(int(attributes.get("r", self._number + 1)))

    def _begin_row(self, number: int) -> None:
        if number <= self._number:
            raise ValueError(f"its row {number:,} stands behind row {self._number:,}")
        if number > _ROWS:
            raise ValueError(f"it has more than {_ROWS:,} rows")
        self._number, self._column, self._cells = number, -1, {}

    def _begin_cell(self, place: str | None) -> None:
        """Cells stand in order, and each in its row."""
        before = self._column
        self._column = before + 1 if place is None else column_of(place)
        if not before < self._column < _COLUMNS:
            raise ValueError(f"the cell {place} of row {self._number:,} is out of order")
        if place is not None and place.lstrip(ascii_uppercase) != str(self._number):
            raise ValueError(f"the cell {place} stands in row {self._number:,}")

    def end(self, tag: str) -> None:
        self.depth -= 1
        name = self._names.get(tag)
        if name in ("v", "t"):
            self._is_value = False
        elif name == "c":
            text = self._text("".join(self._pieces))
            if self._is_formula and self._kind == "n" and self._is_not_computed(text):
                text = FORMULA
            if text:
                self._cells[self._column] = text
        elif name == "rPh":
            self._is_sound = False
        elif name == "row" and self._cells:
            self._rows.append((self._number, self._cells))

    def _is_not_computed(self, text: str) -> bool:
        """Whether a formula has no value, or the 0 that programs write before one is computed."""
        return not text or (self._parts.is_stale and text == "0")

    def data(self, text: str) -> None:
        if self._is_value:
            self._size += len(text)
            if self._size > TEXT_BYTES:
                raise ValueError(f"a cell takes more than {TEXT_BYTES:,} bytes")
            self._pieces.append(text)

    def _text(self, raw: str) -> str:
        kind = self._kind
        if kind == "s":
            at = int(raw)
            if not 0 <= at < len(self._parts.texts):
                raise ValueError(f"a cell names the shared text {at:,}, which is not there")
            return self._parts.texts[at]
        if kind in ("inlineStr", "str"):
            return unescaped(raw)
        if kind == "b":
            return {"1": "true", "0": "false"}.get(raw.strip(), raw)
        if kind != "n" or not raw:
            return raw  # an error like #N/A, or a date by ISO 8601
        try:
            value = float(raw)
        except ValueError:
            return raw
        style = int(self._style) if self._style.isdigit() else -1
        if style in self._parts.dates:
            return moment(value, is_1904=self._parts.is_1904)
        digits = self._parts.zeros.get(style, 0)
        is_filled = digits and value.is_integer() and value >= 0
        return number(value).zfill(digits) if is_filled else number(value)


def column_of(place: str) -> int:
    """The column from 0 on of a place like BC12. ValueError where it is none."""
    found = 0
    for letter in place:
        if not "A" <= letter <= "Z":
            break
        found = found * 26 + ord(letter) - 64
    if not found:
        raise ValueError(f"a cell has the place {place[:20]}")
    return found - 1


def number(value: float) -> str:
    """A number as CSV would have it; one that lost digits as 2.29116386793387E+15, which says
    so.
    """
    if not math.isfinite(value):
        return repr(value)
    if abs(value) >= 10**_DIGITS:
        return f"{value:.{_DIGITS - 1}E}"
    return str(int(value)) if value == int(value) else f"{value:.{_DIGITS}g}"


def moment(days: float, *, is_1904: bool = False) -> str:
    """A count of days as a date, a date and time or, below one day, a time of day."""
    if not 0 <= days < 2_958_466:  # the last one is 9999-12-31
        return number(days)
    ms = round(days * _DAY_MS)
    # there was no 29 February 1900, but Excel counts one
    first = dt.datetime(1904, 1, 1) if is_1904 else dt.datetime(1899, 12, 30 + (days < 60))
    at: Any = first + dt.timedelta(milliseconds=ms)
    if ms < _DAY_MS:
        at = at.time()
    elif ms % _DAY_MS == 0:
        at = at.date()
    text = str(at)
    return text[:-3] if "." in text else text
