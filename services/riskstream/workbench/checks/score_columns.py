"""List fields of decoded scores, as bytes and as floats."""

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
