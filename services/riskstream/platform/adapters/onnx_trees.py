"""The trees of an ONNX file: the attributes of the one operator that makes a model's output.

ONNX Runtime lists no attributes. The file is read by protobuf, which ONNX Runtime brings along (2.7
MB); the package onnx would add 31 MB to the scorer's image for the dozen fields below.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from riskstream.domain.risk.trees.ensemble import (
    EQ,
    GT,
    GTE,
    LEAF,
    LEQ,
    LT,
    NEQ,
    Ensemble,
    Unfit,
)

_MODES = {
    b"BRANCH_LEQ": LEQ,
    b"BRANCH_LT": LT,
    b"BRANCH_GTE": GTE,
    b"BRANCH_GT": GT,
    b"BRANCH_EQ": EQ,
    b"BRANCH_NEQ": NEQ,
    b"LEAF": LEAF,
}
_FIELDS = {
    "Model": {"graph": (7, "Graph")},
    "Graph": {"node": (1, "Node*"), "initializer": (5, "Tensor*")},
    "Tensor": {
        "data_type": (2, "int32"),
        "float_data": (4, "float*"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
    },
    "Node": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "op_type": (4, "string"),
        "attribute": (5, "Attribute*"),
        "domain": (7, "string"),
    },
    "Attribute": {
        "name": (1, "string"),
        "i": (3, "int64"),
        "s": (4, "bytes"),
        "floats": (7, "float*"),
        "ints": (8, "int64*"),
        "strings": (9, "bytes*"),
    },
}
"""Of onnx.proto, what is read here: number and type of each field, with a star where it repeats."""
_ATTRIBUTES = {
    "TreeEnsembleClassifier": {
        "class_ids",
        "class_nodeids",
        "class_treeids",
        "class_weights",
        "classlabels_int64s",
        "classlabels_strings",
    },
    "TreeEnsembleRegressor": {
        "target_ids",
        "target_nodeids",
        "target_treeids",
        "target_weights",
        "n_targets",
        "aggregate_function",
    },
}
_SHARED = {
    "base_values",
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_hitrates",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
    "post_transform",
}
_FLOAT = 1
"""TensorProto.FLOAT."""
_OUTPUT = {"TreeEnsembleClassifier": 1, "TreeEnsembleRegressor": 0}
"""Which output of the operator has the numbers."""


def read_trees(raw: bytes, given: str, found: str) -> Ensemble:
    """The trees that make the output `found` of the input `given`, its last column. Unfit where
    anything else has a part in it, or the operator asks for what is not known here.
    """
    node = _maker(raw, given, found)
    held = {each.name: each for each in node.attribute}
    unknown = sorted(set(held) - _SHARED - _ATTRIBUTES[node.op_type])
    if unknown:
        raise Unfit(f"{node.op_type} has the attribute {unknown[0]}")
    attributes = _Attributes(held)
    places = _Places.of(attributes)
    if node.op_type == "TreeEnsembleClassifier":
        values, base, is_logistic = _of_classifier(attributes, places)
    else:
        values, base, is_logistic = _of_regressor(attributes, places)
    return Ensemble(
        roots=places.roots,
        features=attributes.ints("nodes_featureids", places.count).astype(np.int32),
        modes=places.modes,
        thresholds=attributes.floats("nodes_values", places.count),
        tracks_true=attributes.tracks(places.count),
        trues=places.find(places.trees, attributes.ints("nodes_truenodeids", places.count)),
        falses=places.find(places.trees, attributes.ints("nodes_falsenodeids", places.count)),
        values=values,
        base=base,
        is_logistic=is_logistic,
    )


def _maker(raw: bytes, given: str, found: str) -> Any:
    """The node of the graph that makes an output. Unfit where it makes it of something else than
    the input, or is no ensemble of trees.
    """
    try:
        graph = _model().FromString(raw).graph
    except DecodeError as error:
        raise Unfit(f"the file cannot be read: {error}") from error
    ones = {each.name for each in graph.initializer if _is_one(each)}
    makers = {output: node for node in graph.node for output in node.output}
    made_by = makers.get(found)
    while made_by is not None and (source := _unchanged(made_by, ones)):
        found, made_by = source, makers.get(source)
    if made_by is None:
        raise Unfit(f"no operator makes {found}")
    if made_by.op_type not in _OUTPUT or made_by.domain != "ai.onnx.ml":
        raise Unfit(f"the operator {made_by.op_type} makes the score")
    if list(made_by.input) != [given]:
        raise Unfit(f"another operator stands before {made_by.op_type}")
    if list(made_by.output).index(found) != _OUTPUT[made_by.op_type]:
        raise Unfit(f"{found} is no score")
    return made_by


def _unchanged(node: Any, ones: set[str]) -> str:
    """The name of what a node passes on as it is: Identity, a cast to the floats that it has
    already, a product with 1.

    Empty where it does more.
    """
    inputs = list(node.input)
    if node.op_type == "Identity":
        return str(inputs[0])
    if node.op_type == "Cast" and [each.i for each in node.attribute] == [_FLOAT]:
        return str(inputs[0])
    if node.op_type == "Mul" and len(set(inputs) & ones) == 1:
        return str(next(each for each in inputs if each not in ones))
    return ""


def _is_one(tensor: Any) -> bool:
    """Whether it is one float, 1."""
    if tensor.data_type != _FLOAT:
        return False
    return list(tensor.float_data) == [1.0] or tensor.raw_data == np.float32(1).tobytes()


@cache
def _model() -> Any:
    """The class of a model's message, with the fields that are read here, in a pool of its own."""
    file = descriptor_pb2.FileDescriptorProto(name="onnx.proto", package="onnx", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in _FIELDS.items():
        out = file.message_type.add(name=message)
        for name, (number, written) in fields.items():
            label = kinds.LABEL_REPEATED if written.endswith("*") else kinds.LABEL_OPTIONAL
            field = out.field.add(name=name, number=number, label=label)
            kind = written.rstrip("*")
            if kind in _FIELDS:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".onnx.{kind}"
            else:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("onnx.Model"))


class _Attributes:
    """Attributes of the operator, by name. Unfit where one has another length than it must."""

    def __init__(self, held: dict[str, Any]) -> None:
        self._held = held

    def ints(self, name: str, count: int | None = None) -> NDArray[np.int64]:
        return self._array(name, "ints", np.int64, count)

    def floats(self, name: str, count: int | None = None) -> NDArray[np.float32]:
        return self._array(name, "floats", np.float32, count)

    def strings(self, name: str) -> list[bytes]:
        return list(self._held[name].strings) if name in self._held else []

    def text(self, name: str, default: str) -> str:
        return str(self._held[name].s.decode()) if name in self._held else default

    def number(self, name: str, default: int) -> int:
        return int(self._held[name].i) if name in self._held else default

    def tracks(self, count: int) -> NDArray[np.bool_]:
        """Of each node, whether NaN goes the true way: nowhere, where it is not said."""
        found = self.ints("nodes_missing_value_tracks_true")
        if not len(found):
            return np.zeros(count, np.bool_)
        return np.equal(self.ints("nodes_missing_value_tracks_true", count), 1)

    def _array(self, name: str, kind: str, dtype: Any, count: int | None) -> NDArray[Any]:
        found = getattr(self._held[name], kind) if name in self._held else []
        if count is not None and len(found) != count:
            raise Unfit(f"{name} has {len(found)} values, and must have {count}")
        return np.array(found, dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where the node of a tree and an id stands in the list of nodes."""

    count: int
    modes: NDArray[np.uint8]
    tree_ids: NDArray[np.int64]
    trees: NDArray[np.int64]
    """Of each node, the place of its tree in `tree_ids`."""
    roots: NDArray[np.int32]
    keys: NDArray[np.int64]
    order: NDArray[np.int64]
    stride: int

    @classmethod
    def of(cls, attributes: _Attributes) -> "_Places":
        """Unfit where the nodes of a tree do not follow one another, or two have one id."""
        try:
            modes = [_MODES[each] for each in attributes.strings("nodes_modes")]
        except KeyError as error:
            raise Unfit(f"a node has the mode {error}") from error
        count = len(modes)
        ids, nodes = (
            attributes.ints("nodes_treeids", count),
            attributes.ints("nodes_nodeids", count),
        )
        begins = np.flatnonzero(np.diff(ids, prepend=ids[:1] - 1))
        tree_ids = np.unique(ids)
        if len(begins) != len(tree_ids) or (nodes < 0).any():
            raise Unfit("the nodes of a tree do not follow one another")
        trees, stride = np.searchsorted(tree_ids, ids), int(nodes.max(initial=0)) + 1
        keys = trees * stride + nodes
        order = np.argsort(keys, kind="stable")
        if len(np.unique(keys)) != count:
            raise Unfit("two nodes of a tree have one id")
        return cls(
            count=count,
            modes=np.array(modes, np.uint8),
            tree_ids=tree_ids,
            trees=trees,
            roots=begins.astype(np.int32),
            keys=keys[order],
            order=order,
            stride=stride,
        )

    def find(self, trees: NDArray[np.int64], nodes: NDArray[np.int64]) -> NDArray[np.int32]:
        """Places of the nodes of these ids in these trees, -1 where there is none."""
        keys = trees * self.stride + nodes
        at = np.minimum(np.searchsorted(self.keys, keys), self.count - 1)
        is_there = (self.keys[at] == keys) & (nodes >= 0) & (nodes < self.stride)
        return np.where(is_there, self.order[at], -1).astype(np.int32)

    def weights(
        self, attributes: _Attributes, kind: str, wanted: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(values, whether there is one) of each node, of the class or target `wanted`. Unfit where
        a node has two, or is no leaf.
        """
        ids = attributes.ints(f"{kind}_ids")
        mine = ids == wanted
        weights = attributes.floats(f"{kind}_weights", len(ids))[mine]
        tree_ids = attributes.ints(f"{kind}_treeids", len(ids))[mine]
        trees = np.minimum(np.searchsorted(self.tree_ids, tree_ids), len(self.tree_ids) - 1)
        at = self.find(trees, attributes.ints(f"{kind}_nodeids", len(ids))[mine])
        if (self.tree_ids[trees] != tree_ids).any() or (at < 0).any():
            raise Unfit("a weight is of a node that is not there")
        if len(np.unique(at)) != len(at) or (self.modes[at] != LEAF).any():
            raise Unfit("a node has two weights, or is no leaf")
        values, has_value = np.zeros(self.count, np.float32), np.zeros(self.count, np.bool_)
        values[at], has_value[at] = weights, True
        return values, has_value


Found = tuple[NDArray[np.float32], np.float32, bool]
"""Values of the leaves, base, and whether the logistic function is taken of the sum."""


def _of_classifier(attributes: _Attributes, places: _Places) -> Found:
    """Of two classes, the second's score, as ONNX Runtime gives it.

    Where all weights are the first class's, they are the second's score, and the base value is
    added; where the second has weights of its own, it is not.
    """
    labels = attributes.strings("classlabels_strings")
    classes = len(labels or attributes.ints("classlabels_int64s"))
    if classes != 2:
        raise Unfit(f"there are {classes} classes, not 2")
    post = attributes.text("post_transform", "NONE")
    if post not in ("NONE", "LOGISTIC"):
        raise Unfit(f"the transform is {post}")
    bases = attributes.floats("base_values")
    if len(bases) > 1:
        raise Unfit("there are two base values")
    is_first = not (attributes.ints("class_ids") == 1).any()
    values, has_value = places.weights(attributes, "class", 0 if is_first else 1)
    lacks = np.bincount(places.trees, (places.modes == LEAF) & ~has_value)
    if lacks.all():
        raise Unfit("a row may meet no weight")
    base = bases[0] if is_first and len(bases) else np.float32(0)
    return values, base, post == "LOGISTIC"


def _of_regressor(attributes: _Attributes, places: _Places) -> Found:
    targets = attributes.number("n_targets", 1)
    if targets != 1:
        raise Unfit(f"there are {targets} targets, not 1")
    aggregate = attributes.text("aggregate_function", "SUM")
    post = attributes.text("post_transform", "NONE")
    if (aggregate, post) != ("SUM", "NONE"):
        raise Unfit(f"values are joined by {aggregate}, and the transform is {post}")
    bases = attributes.floats("base_values")
    if len(bases) > 1:
        raise Unfit("there are several base values")
    values, has_value = places.weights(attributes, "target", 0)
    if ((places.modes == LEAF) & ~has_value).any():
        raise Unfit("a leaf has no weight")
    return values, bases[0] if len(bases) else np.float32(0), False
