"""What a reader of files gives: batches of columns, with the place of each row."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

BATCH_ROWS = 16_384


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


def unreadable(path: Path, what: str, do: str) -> Fatal:
    """The refusal of a file."""
    return Fatal(what=what, where=str(path), do=do, exit_code=Exit.INPUT)
