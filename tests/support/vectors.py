"""Feature vectors by the names of their features: a set may grow or change its order, and no test
counts places.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.records import Score
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.sets import set_of


def by_name(features: FeatureSet, vector: Iterable[float]) -> dict[str, float]:
    """The values of one vector of a set."""
    return dict(zip(features.names, map(float, vector), strict=True))


def feature(score: Score | Mapping[str, object], name: str) -> float:
    """The value of one feature in a score, which says the set of its vector."""
    told = asdict(score) if isinstance(score, Score) else score
    features, vector = set_of(str(told["feature_set"])), told["features"]
    assert features is not None
    assert isinstance(vector, Sequence)
    return by_name(features, vector)[name]


def column(features: FeatureSet, rows: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """The values of one feature in n vectors: a view of shape (n,), so that a test may write it."""
    return rows[:, features.names.index(name)]
