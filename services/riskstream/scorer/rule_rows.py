"""Scored rows of a micro-batch as rules read them: the transaction's fields, its features, its
score.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import Columns
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.keys.key_kernel import hash_kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRows:
    """expression.Rows over `rows` of the columns; `vectors` and `scores` are of these rows, in
    their order.
    """

    columns: Columns
    rows: NDArray[np.int64]
    features: FeatureSet
    vectors: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def numbers(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if name == "score":
            return self.scores.astype(np.float64), ~np.isnan(self.scores)
        # fields come before features of the same name, as in a dry run
        if name in self.columns.layout.by_name:
            values = self.columns.numbers(name)[self.rows].astype(np.float64)
            return values, self.columns.is_null(name)[self.rows] == 0
        values = self.vectors[:, self.features.names.index(name)].astype(np.float64)
        return values, ~np.isnan(values)

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        starts, lengths = self.columns.span(name)
        out = np.empty(len(self), np.uint64)
        hash_kernel(self.columns.data, starts[self.rows], lengths[self.rows], out)
        return out, self.columns.is_null(name)[self.rows] == 0
