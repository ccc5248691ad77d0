"""Vectors of a file's rows, written to Parquet while they are made."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pyarrow as pa

from riskstream.cli.outputs import parts_written
from riskstream.domain.risk.features.declare import Aggregate, FeatureSet, Input
from riskstream.workbench.rows.transactions import Transactions

_GROUP_ROWS = 1 << 18
_BLOCK_ROWS = 1 << 10
"""Rows that become columns at once: they and what they become stay in a core's cache."""
_MONEY = {Aggregate.SUM, Aggregate.MEAN}


class MadeVectors:
    """The vectors of a file's rows, float64[n, columns], and how many of them are written. They are
    written in parts, so that no second copy of all is made.
    """

    def __init__(self, features: FeatureSet, read: Transactions) -> None:
        self._read, self._names = read, features.names
        self.values = np.empty((len(read.columns.occurred_at), len(features.names)))
        is_money = [_is_money(features, index) for index in range(len(features.names))]
        self._units = np.where(is_money, read.units, 1)[:, None]
        self._repeated = [
            name for name, is_far in zip(self._names, is_money, strict=True) if not is_far
        ]
        self._done = self._written = 0

    def written(self, out: Path) -> AbstractContextManager[Callable[[pa.Table], None]]:
        """Opens the file: see parts_written."""
        none = self._part(slice(0, 0))
        return parts_written(out, none.schema, "features", private=True, repeated=self._repeated)

    def add(self, size: int, write: Callable[[pa.Table], None]) -> None:
        """The next `size` rows are made."""
        self._done += size
        while self._done - self._written >= _GROUP_ROWS:
            self._write(_GROUP_ROWS, write)

    def end(self, write: Callable[[pa.Table], None]) -> None:
        """All rows are made."""
        while (left := len(self.values) - self._written) > 0:
            self._write(min(left, _GROUP_ROWS), write)

    def _write(self, size: int, write: Callable[[pa.Table], None]) -> None:
        write(self._part(slice(self._written, self._written + size)))
        self._written += size

    def _part(self, rows: slice) -> pa.Table:
        values = self.values[rows]
        room = pa.allocate_buffer(values.size * 8)  # of a pool, which keeps pages
        columns = np.frombuffer(room).reshape(values.shape[::-1])
        for at in range(0, len(values), _BLOCK_ROWS):
            block = slice(at, at + _BLOCK_ROWS)
            np.divide(values[block].T, self._units, out=columns[:, block])
        ids = {self._read.id_name: self._read.ids[rows]}
        return pa.table(ids | dict(zip(self._names, map(pa.array, columns), strict=True)))


def _is_money(features: FeatureSet, index: int) -> bool:
    inputs = features.inputs
    if index < len(inputs):
        return inputs[index].input is Input.AMOUNT
    return features.features[index - len(inputs)].aggregate in _MONEY
