"""List fields of decoded scores, of one and of many at once."""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import Columns


def floats_of(columns: Columns, at: int, count: int) -> NDArray[np.float32]:
    """float32[count] of a score's features, of which there must be so many."""
    raw = part_of(columns, "features", at)
    return np.frombuffer(raw, "<f4", count, len(raw) - 1 - 4 * count)


def part_of(columns: Columns, name: str, at: int) -> bytes:
    """The bytes of a list field: equal where all values are, bit for bit; empty where the list
    is.
    """
    starts, lengths = columns.span(name)
    raw = columns.data[starts[at] : starts[at] + lengths[at]].tobytes()
    return b"" if raw == b"\0" else raw


def equal_floats(
    columns: Columns,
    rows: NDArray[np.int64],
    wanted: NDArray[np.float32],
    count: int,
    first: int = 0,
) -> NDArray[np.bool_]:
    """bool[n]: whether the features of each score in `rows`, from place `first` on, begin with
    those of `wanted`, float32[n, width], bit for bit; False where it has another number of them
    than `count`.
    """
    wide, lengths = wanted.shape[1], columns.span("features")[1][rows]
    out = np.zeros(len(rows), np.bool_)
    # a block of all items as our encoder writes it: its count, the floats, the end
    is_usual = lengths == 4 * count + (2 if count < 64 else 3)
    theirs = columns.float_rows("features", rows[is_usual], count)[:, first : first + wide]
    out[is_usual] = (_bits(theirs) == _bits(wanted[is_usual])).all(axis=1)
    for at in np.flatnonzero(~is_usual).tolist():
        values = np.array(columns.value("features", int(rows[at])), np.float32)
        mine = values[first : first + wide]
        out[at] = len(values) == count and mine.tobytes() == wanted[at].tobytes()
    return out


def _bits(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    return np.ascontiguousarray(values).view(np.uint32)
