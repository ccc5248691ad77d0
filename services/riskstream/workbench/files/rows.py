"""What a reader of files gives: batches of columns, with the place of each row."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.runtime.causes import shown_in_line
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

BATCH_ROWS = 16_384
BATCH_BYTES = 1 << 25
"""About the most that the texts of a batch take."""
_NAME_LETTERS = 60
MOST_COLUMNS = 1 << 14
"""Of a file: as many as a sheet of Excel has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRows:
    """`batch` n rows of the columns asked for. `places` int64[n]: of each row its line, from 1 with
    the header, in files of lines; its row, from 1, in others. `first`: how many rows of all files
    stand before.

    `broken`: (place, why) of rows that are no rows, in order; they are not in `batch`.
    """

    path: Path
    batch: pa.RecordBatch
    places: NDArray[np.int64]
    first: int
    broken: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file is written, as the section `file` of a mapping says it. Empty: found by looking
    at the file.

    `separator`, `quote` (one character each; quote "none": no character quotes), `encoding` by
    Python's name; `columns`: names where no line gives them; `sheet` of a workbook.
    """

    separator: str = ""
    quote: str = ""
    encoding: str = ""
    columns: tuple[str, ...] = ()
    sheet: str = ""


def named(names: Iterable[str]) -> str:
    """Names of columns in a sentence: the first 20, and of each what can be shown."""
    return ", ".join(shown_in_line(each, _NAME_LETTERS) for each in islice(names, 20))


def check_width(path: Path, count: int) -> None:
    """Fatal where a file has too many columns: each takes memory, whether it is read or not."""
    if count > MOST_COLUMNS:
        raise unreadable(
            path,
            f"it has more than {MOST_COLUMNS:,} columns",
            "leave out those that you do not need",
        )


def unreadable(path: Path, what: str, do: str) -> Fatal:
    """The refusal of a file."""
    return Fatal(what=what, where=str(path), do=do, exit_code=Exit.INPUT)
