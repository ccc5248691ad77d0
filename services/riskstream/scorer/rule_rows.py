"""Scored rows of a micro-batch as rules read them: the transaction's fields, its features, its
score.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.rules.field_rows import FieldRows


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRows:
    """expression.Rows; `vectors` and `scores` are of the rows of `fields`, in their order."""

    fields: FieldRows
    features: FeatureSet
    vectors: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.fields)

    def numbers(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if name == "score":
            return self.scores.astype(np.float64), ~np.isnan(self.scores)
        # fields come before features of the same name, as in a dry run
        if self.fields.has(name):
            return self.fields.numbers(name)
        values = self.vectors[:, self.features.names.index(name)].astype(np.float64)
        return values, ~np.isnan(values)

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        return self.fields.hashes(name)
