"""Batches whose columns share texts (dictionaries, runs, views): cut where unfolding them would
take too much. A file of 1 MB can say a text of 1 MB for each of 16,384 rows.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.workbench.files.rows import BATCH_BYTES

_VIEWS = (pa.types.is_string_view, pa.types.is_binary_view)
_TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    *_VIEWS,
)


def in_bounds(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows in order: at once, or in parts. A row alone may take more."""
    shared = [longest(column) for column in batch.columns]
    if sum(shared) * batch.num_rows <= BATCH_BYTES:
        yield batch
        return
    sizes = np.zeros(batch.num_rows, np.int64)
    for column, most in zip(batch.columns, shared, strict=True):
        sizes += _sizes(column) if most else 0
    stops = np.cumsum(sizes)
    start = 0
    while start < batch.num_rows:
        before = int(stops[start - 1]) if start else 0
        stop = int(np.searchsorted(stops, before + BATCH_BYTES, side="right"))
        stop = max(stop, start + 1)
        yield batch.slice(start, stop - start)
        start = stop


def bytes_of_texts(batch: pa.RecordBatch) -> int:
    """Bytes of all texts when each row has its own."""
    return sum(int(_sizes(column).sum()) for column in batch.columns)


def longest(column: pa.Array) -> int:
    """Bytes of the longest text that rows share; 0 where each has its own."""
    if isinstance(column, pa.ExtensionArray):
        return longest(column.storage)
    if pa.types.is_dictionary(column.type):
        return _most(column.dictionary)
    if pa.types.is_run_end_encoded(column.type):
        return _most(column.values)
    return _most(column) if any(is_so(column.type) for is_so in _VIEWS) else 0


def _most(texts: pa.Array) -> int:
    return int(_lengths(texts).max(initial=0))


def _lengths(texts: pa.Array) -> NDArray[np.int64]:
    """Bytes of each text; zeros where they are none."""
    if isinstance(texts, pa.ExtensionArray):
        return _lengths(texts.storage)
    if not any(is_so(texts.type) for is_so in _TEXTS):
        return np.zeros(len(texts), np.int64)
    if any(is_so(texts.type) for is_so in _VIEWS):
        # a view begins with its length: 16 bytes each
        views = np.frombuffer(texts.buffers()[1] or b"", np.int32)[::4]
        found = views[texts.offset : texts.offset + len(texts)].astype(np.int64)
        found[np.asarray(texts.is_null().to_numpy(zero_copy_only=False), np.bool_)] = 0
        return found
    return np.asarray(pc.binary_length(texts).fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def _sizes(column: pa.Array) -> NDArray[np.int64]:
    """Bytes of each row's text when it is its own."""
    if isinstance(column, pa.ExtensionArray):
        return _sizes(column.storage)
    if pa.types.is_dictionary(column.type):
        at = column.indices.fill_null(0).to_numpy(zero_copy_only=False)
        lengths = _lengths(column.dictionary)
        return lengths[at] if len(lengths) else np.zeros(len(column), np.int64)
    if pa.types.is_run_end_encoded(column.type):
        ends = np.asarray(column.run_ends.to_numpy(), np.int64)
        rows = np.arange(column.offset, column.offset + len(column))
        return _lengths(column.values)[np.searchsorted(ends, rows, side="right")]
    return _lengths(column)
