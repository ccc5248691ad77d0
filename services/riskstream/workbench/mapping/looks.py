"""What one look at a column of texts shows."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from riskstream.workbench.mapping.looks_kernel import NONE_BYTES, looks_kernel

_NONE = np.zeros(0, np.uint8)


class Looks(NamedTuple):
    """`suspects`: how many texts may be no id; `shortest`, `longest` of them in bytes."""

    suspects: int
    shortest: int
    longest: int


def looks_of(column: pa.Array) -> Looks:
    """Of a column of type string; its nulls are passed over."""
    if not len(column):
        return Looks(0, NONE_BYTES, 0)
    validity, ends, data = column.buffers()
    first = column.offset
    found = np.empty(3, np.int64)
    looks_kernel(
        np.frombuffer(data, np.uint8) if data else _NONE,
        np.frombuffer(ends, np.int32)[first : first + len(column) + 1],
        np.frombuffer(validity, np.uint8) if validity and column.null_count else _NONE,
        first,
        found,
    )
    return Looks(*found.tolist())
