"""From LightGBM's trees to the paths of their leaves, which exact reasons are computed from."""

import math
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from riskstream.domain.risk.tree_paths import TreePaths
from riskstream.runtime.errors import Fatal


@dataclass(slots=True)
class _Entry:
    """What a path asks of one feature: low < x <= high, or NaN; the share of rows that go this
    way.
    """

    low: float = -math.inf
    high: float = math.inf
    takes_nan: bool = True
    weight: float = 1.0


def tree_paths(booster: lgb.Booster) -> TreePaths:
    """Paths of all leaves. Fatal where a split is not a numeric threshold."""
    ends, values, entries = [], [], []
    base = 0.0
    for tree in booster.dump_model()["tree_info"]:
        for value, path in _leaves(tree["tree_structure"], {}):
            base += value * math.prod(entry.weight for entry in path.values())
            if path:
                entries += list(path.items())
                ends.append(len(entries))
                values.append(value)
    return TreePaths(
        base=base,
        ends=np.array(ends, np.int32),
        values=np.array(values, np.float64),
        features=np.array([feature for feature, _ in entries], np.int32),
        lows=np.array([entry.low for _, entry in entries], np.float64),
        highs=np.array([entry.high for _, entry in entries], np.float64),
        takes_nan=np.array([entry.takes_nan for _, entry in entries], np.uint8),
        weights=np.array([entry.weight for _, entry in entries], np.float64),
    )


def _leaves(node: dict[str, Any], path: dict[int, _Entry]) -> list[tuple[float, dict[int, _Entry]]]:
    if "leaf_value" in node:
        return [(float(node["leaf_value"]), path)]
    if node["decision_type"] != "<=":
        raise Fatal(
            what=f"a split is by {node['decision_type']}, which reasons cannot explain",
            where="model",
            do="train without categorical features",
        )
    feature, threshold, rows = node["split_feature"], float(node["threshold"]), _count(node)
    # Without NaN in training LightGBM reads NaN as 0.
    nan_goes_left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0.0
    out = []
    for child, is_left in ((node["left_child"], True), (node["right_child"], False)):
        old = path.get(feature, _Entry())
        entry = _Entry(
            low=old.low if is_left else max(old.low, threshold),
            high=min(old.high, threshold) if is_left else old.high,
            takes_nan=old.takes_nan and nan_goes_left == is_left,
            weight=old.weight * _count(child) / rows,
        )
        out += _leaves(child, {**path, feature: entry})
    return out


def _count(node: dict[str, Any]) -> int:
    return int(node["internal_count"] if "internal_count" in node else node["leaf_count"])
