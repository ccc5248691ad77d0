"""Random trees in the plain form, their scores by its definition, and their ONNX file."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.trees.ensemble import EQ, GT, GTE, LEAF, LEQ, LT, NEQ, Ensemble

MODES = {
    LEQ: "BRANCH_LEQ",
    LT: "BRANCH_LT",
    GTE: "BRANCH_GTE",
    GT: "BRANCH_GT",
    EQ: "BRANCH_EQ",
    NEQ: "BRANCH_NEQ",
    LEAF: "LEAF",
}
ODD = np.array([0.0, -0.0, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38, np.inf], np.float32)


def grown(
    rng: np.random.Generator,
    *,
    trees: int,
    leaves: int,
    columns: int,
    modes: tuple[int, ...] = (LEQ,),
    tracks: float = 0.5,
    is_logistic: bool = True,
) -> Ensemble:
    """Trees of 1 to `leaves` leaves, split at random; a share `tracks` of their nodes lets NaN go
    the true way. Thresholds are small whole numbers, any, and ODD.
    """
    nodes: list[list[Any]] = []
    roots = []
    for _ in range(trees):
        roots.append(len(nodes))
        open_leaves = [len(nodes)]
        nodes.append(_leaf(rng))
        for _ in range(int(rng.integers(0, leaves))):
            at = open_leaves.pop(int(rng.integers(0, len(open_leaves))))
            pool = [rng.integers(-2, 3), rng.normal(), rng.choice(ODD)]
            threshold = np.float32(pool[rng.choice(3, p=(0.4, 0.5, 0.1))])
            first = len(nodes)
            nodes[at] = [
                int(rng.integers(0, columns)),
                int(rng.choice(modes)),
                threshold,
                bool(rng.random() < tracks),
                first,
                first + 1,
                np.float32(0),
            ]
            nodes += [_leaf(rng), _leaf(rng)]
            open_leaves += [first, first + 1]
    features, kinds, thresholds, missing, trues, falses, values = zip(*nodes, strict=True)
    return Ensemble(
        roots=np.array(roots, np.int32),
        features=np.array(features, np.int32),
        modes=np.array(kinds, np.uint8),
        thresholds=np.array(thresholds, np.float32),
        tracks_true=np.array(missing, np.bool_),
        trues=np.array(trues, np.int32),
        falses=np.array(falses, np.int32),
        values=np.array(values, np.float32),
        base=np.float32(rng.normal()),
        is_logistic=is_logistic,
    )


def _leaf(rng: np.random.Generator) -> list[Any]:
    return [0, LEAF, np.float32(0), False, 0, 0, np.float32(rng.normal())]


def chain(length: int, mode: int) -> Ensemble:
    """A tree that goes on to one side only, as deep as it has tests."""
    count, at = 2 * length + 1, np.arange(0, 2 * length, 2)
    features = np.zeros(count, np.int32)
    modes = np.full(count, LEAF, np.uint8)
    thresholds = np.zeros(count, np.float32)
    trues, falses = np.zeros(count, np.int32), np.zeros(count, np.int32)
    modes[at], thresholds[at], trues[at], falses[at] = mode, at, at + 1, at + 2
    return Ensemble(
        roots=np.zeros(1, np.int32),
        features=features,
        modes=modes,
        thresholds=thresholds,
        tracks_true=np.zeros(count, np.bool_),
        trues=trues,
        falses=falses,
        values=np.arange(count, dtype=np.float32),
        base=np.float32(0),
        is_logistic=False,
    )


def rows_of(rng: np.random.Generator, count: int, columns: int) -> NDArray[np.float32]:
    """Rows of small whole numbers, any, ODD and NaN."""
    out = rng.normal(size=(count, columns)).astype(np.float32)
    kind = rng.choice(4, out.shape, p=(0.4, 0.4, 0.1, 0.1))
    out[kind == 1] = rng.integers(-2, 3, (kind == 1).sum())
    out[kind == 2] = rng.choice(ODD, (kind == 2).sum())
    out[kind == 3] = np.nan
    return out


def by_definition(trees: Ensemble, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores row by row and node by node."""
    out = np.empty(len(rows), np.float32)
    for number, row in enumerate(rows):
        margin = np.float32(0)
        for root in trees.roots.tolist():
            at = root
            while trees.modes[at] != LEAF:
                goes = trees.trues if _is_true(trees, at, row) else trees.falses
                at = int(goes[at])
            margin += trees.values[at]
        margin += trees.base
        out[number] = 1 / (1 + math.exp(-margin)) if trees.is_logistic else margin
    return out


def _is_true(trees: Ensemble, at: int, row: NDArray[np.float32]) -> bool:
    value, threshold = row[trees.features[at]], trees.thresholds[at]
    if np.isnan(value) and trees.tracks_true[at]:
        return True
    return bool(
        {
            LEQ: value <= threshold,
            LT: value < threshold,
            GTE: value >= threshold,
            GT: value > threshold,
            EQ: value == threshold,
            NEQ: value != threshold,
        }[int(trees.modes[at])]
    )


def nodes_of(trees: Ensemble) -> dict[str, Any]:
    """The attributes of the nodes, which both operators share; a tree's ids begin at 0."""
    count = len(trees.modes)
    tree_of = np.searchsorted(trees.roots, np.arange(count), side="right") - 1
    first = trees.roots[tree_of]
    inner = trees.modes != LEAF
    return {
        "nodes_treeids": tree_of.tolist(),
        "nodes_nodeids": (np.arange(count) - first).tolist(),
        "nodes_featureids": trees.features.tolist(),
        "nodes_modes": [MODES[int(each)] for each in trees.modes],
        "nodes_values": trees.thresholds.tolist(),
        "nodes_truenodeids": np.where(inner, trees.trues - first, 0).tolist(),
        "nodes_falsenodeids": np.where(inner, trees.falses - first, 0).tolist(),
        "nodes_missing_value_tracks_true": trees.tracks_true.astype(int).tolist(),
    }


def weights_of(trees: Ensemble, kind: str, wanted: int) -> dict[str, Any]:
    """The attributes of the leaves' weights, all of one class or target."""
    nodes, leaves = nodes_of(trees), np.flatnonzero(trees.modes == LEAF).tolist()
    return {
        f"{kind}_treeids": [nodes["nodes_treeids"][each] for each in leaves],
        f"{kind}_nodeids": [nodes["nodes_nodeids"][each] for each in leaves],
        f"{kind}_ids": [wanted] * len(leaves),
        f"{kind}_weights": trees.values[leaves].tolist(),
    }


def classifier(trees: Ensemble, columns: int, wanted: int = 0, **more: Any) -> bytes:
    """A file whose trees add to one of two classes."""
    return graph(
        "TreeEnsembleClassifier",
        columns,
        {
            **nodes_of(trees),
            **weights_of(trees, "class", wanted),
            "base_values": [float(trees.base)],
            "classlabels_int64s": [0, 1],
            "post_transform": "LOGISTIC" if trees.is_logistic else "NONE",
            **more,
        },
    )


def regressor(trees: Ensemble, columns: int, **more: Any) -> bytes:
    """A file whose trees add to one target."""
    return graph(
        "TreeEnsembleRegressor",
        columns,
        {
            **nodes_of(trees),
            **weights_of(trees, "target", 0),
            "base_values": [float(trees.base)],
            "n_targets": 1,
            **more,
        },
    )


def graph(operator: str, columns: int, attributes: dict[str, Any], opset: int = 3) -> bytes:
    """A file of one operator of ai.onnx.ml on a matrix; an attribute of None is left out."""
    from onnx import TensorProto, helper

    given = {name: each for name, each in attributes.items() if each is not None}
    is_classifier = operator == "TreeEnsembleClassifier"
    outputs = ["label", "score"] if is_classifier else ["score"]
    node = helper.make_node(operator, ["rows"], outputs, domain="ai.onnx.ml", **given)
    width = 2 if is_classifier else 1
    made = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, columns])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, width])],
    )
    opsets = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", opset)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())
