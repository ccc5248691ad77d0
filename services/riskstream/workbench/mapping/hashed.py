"""Hashes of texts, by which rules and counts compare them."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.domain.risk.features.keys.key_kernel import hash_kernel


def hashes(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """The hash of each text of a column without nulls."""
    parts = [_of_one(each) for each in column.cast(pa.large_string()).chunks if len(each)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _of_one(column: pa.Array) -> NDArray[np.uint64]:
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    out = np.empty(len(column), np.uint64)
    raw = np.frombuffer(data or b"\0", np.uint8)
    hash_kernel(raw, np.array(ends[:-1]), np.diff(ends).astype(np.int32), out)
    return out
