"""Calibration that is part of the trees: Platt's scaling of the margin, written into the leaves.

So the ONNX model, LightGBM's own prediction and the exact reasons all speak of the same, calibrated
probability.
"""

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

MIN_FRAUDS = 20
"""Fewer frauds than this say too little of a slope: then nothing is changed."""


def platt(margins: NDArray[np.float64], labels: NDArray[np.bool_]) -> tuple[float, float]:
    """(slope, offset) of the margin that make its logistic the likeliest of the labels: Platt
    (1999), with his targets.

    Newton's method as in Lin, Lin and Weng (2007). (1, 0) where there are too few of a class or the
    slope is not positive.
    """
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if positives < MIN_FRAUDS or negatives < MIN_FRAUDS:
        return 1.0, 0.0
    target = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.stack([margins, np.ones(len(margins))], axis=1)
    weights = np.array([1.0, 0.0])
    loss = _loss(design @ weights, target)
    for _ in range(50):
        p = 1 / (1 + np.exp(-(design @ weights)))
        gradient = design.T @ (p - target)
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        share = 1.0
        while share > 1e-6 and _loss(design @ (weights - share * step), target) > loss:
            share /= 2
        weights = weights - share * step
        new = _loss(design @ weights, target)
        if loss - new < 1e-9 * max(loss, 1.0):
            break
        loss = new
    slope, offset = float(weights[0]), float(weights[1])
    return (slope, offset) if slope > 0 and np.isfinite([slope, offset]).all() else (1.0, 0.0)


def scale(booster: lgb.Booster, slope: float, offset: float) -> None:
    """Make every margin of the trees slope * margin + offset: each leaf is scaled, the first tree's
    are moved as well.
    """
    for number, tree in enumerate(booster.dump_model()["tree_info"]):
        for leaf, value in _leaves(tree["tree_structure"]):
            booster.set_leaf_output(number, leaf, slope * value + (offset if number == 0 else 0.0))


def _leaves(node: dict) -> list[tuple[int, float]]:  # type: ignore[type-arg]
    if "leaf_value" in node:
        return [(int(node.get("leaf_index", 0)), float(node["leaf_value"]))]
    return [*_leaves(node["left_child"]), *_leaves(node["right_child"])]


def _loss(margins: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Cross entropy, without overflow."""
    return float(np.sum(np.logaddexp(0, margins) - target * margins))
