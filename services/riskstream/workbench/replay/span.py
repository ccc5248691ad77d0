"""Rows of a table that stand together: many short spans share one table, so that whoever encodes
them can encode many at once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.domain.contracts.arrow import ArrowEncoder

AHEAD = 16_384
"""Most rows that are encoded at once, unless more are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows `start` to `stop` of `table`."""

    table: pa.Table
    start: int
    stop: int

    @classmethod
    def of(cls, table: pa.Table) -> "Rows":
        """All of a table."""
        return cls(table=table.combine_chunks(), start=0, stop=table.num_rows)

    @property
    def num_rows(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> "Rows":
        """Rows of these, counted from their first; `stop` may lie behind the last."""
        stop = min(self.start + stop, self.stop)
        return Rows(table=self.table, start=self.start + start, stop=stop)

    def as_table(self) -> pa.Table:
        """These rows alone."""
        return self.table.slice(self.start, self.num_rows)

    def column(self, name: str) -> NDArray[Any]:
        """A column of numbers without nulls."""
        return np.asarray(self.table[name].to_numpy())[self.start : self.stop]


class AheadEncoder:
    """Encodes the rows of one contract by spans that follow each other. Up to `ahead` rows are
    encoded at once: a call costs as much as hundreds of them.
    """

    def __init__(self, contract: str, ahead: int = AHEAD) -> None:
        self._ahead, self._encoder = ahead, ArrowEncoder(contract, ahead)
        self._done = Rows(table=pa.table({}), start=0, stop=0)
        self._keys: list[bytes] = []
        self._frames: list[bytes] = []

    def records(self, rows: Rows) -> tuple[list[bytes], list[bytes]]:
        """(keys, frames), one each a row: the customer, and the record. ValueError where a value
        cannot be encoded.
        """
        done = self._done
        is_done = rows.table is done.table and done.start <= rows.start and rows.stop <= done.stop
        if not is_done:
            stop = min(max(rows.stop, rows.start + self._ahead), rows.table.num_rows)
            done = Rows(table=rows.table, start=rows.start, stop=stop)
            table = done.as_table()
            keys = table["customer_id"].cast(pa.binary()).to_numpy()
            self._keys, self._frames = keys.tolist(), self._encoder.encode(table)
            self._done = done
        first, last = rows.start - done.start, rows.stop - done.start
        return self._keys[first:last], self._frames[first:last]
