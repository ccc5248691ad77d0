"""Decoded transactions as rules read them: their fields."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import Columns
from riskstream.domain.risk.features.keys.key_kernel import hash_kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRows:
    """expression.Rows over `rows` of the columns, in their order."""

    columns: Columns
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def has(self, name: str) -> bool:
        """Whether that is a field."""
        return name in self.columns.layout.by_name

    def numbers(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        values = self.columns.numbers(name)[self.rows].astype(np.float64)
        return values, self.columns.is_null(name)[self.rows] == 0

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        starts, lengths = self.columns.span(name)
        out = np.empty(len(self), np.uint64)
        hash_kernel(self.columns.data, starts[self.rows], lengths[self.rows], out)
        return out, self.columns.is_null(name)[self.rows] == 0
