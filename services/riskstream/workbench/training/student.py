"""A small neural student of the trees: it learns their margins, not the labels, and runs where
trees cannot (a GPU).

Distillation as in Bucila, Caruana and Niculescu-Mizil (2006). scikit-learn fits it (weighed: torch
is fifty times the download for three matrices); the ONNX graph holds the preparation of its inputs,
so that it takes the same raw rows as the trees.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.runtime.errors import Fatal

OPSET = 15
SPLITS = 48
"""Splits of the trees that a student is told of: without them it rounds off the steps that the
trees cut (measured on a validation week of the public book: 0.091 of average precision lost
without, 0.001 with them).
"""
HIDDEN = (64, 32)
"""Neurons of the layers between."""
CLIP = 6.0
"""Prepared inputs stay within this many standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Of float32[n, columns]: NaN becomes `fill`, then sign(x) log(1 + |x|), then standardised;
    beside these a column each for NaN in the `flagged` columns, and for x > split_at in the
    `split_columns`.
    """

    fill: NDArray[np.float32]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    flagged: NDArray[np.int64]
    split_columns: NDArray[np.int64]
    split_at: NDArray[np.float32]

    @classmethod
    def of(
        cls, rows: NDArray[np.float32], splits: Sequence[tuple[int, float]] = ()
    ) -> "Preparation":
        fill = np.nan_to_num(np.nanmedian(rows, axis=0)).astype(np.float32)
        logs = _logs(np.where(np.isnan(rows), fill, rows))
        scale = logs.std(axis=0)
        return cls(
            fill=fill,
            mean=logs.mean(axis=0).astype(np.float32),
            scale=np.where(scale > 1e-6, scale, 1).astype(np.float32),
            flagged=np.flatnonzero(np.isnan(rows).any(axis=0)),
            split_columns=np.array([column for column, _ in splits], np.int64),
            split_at=np.array([at for _, at in splits], np.float32),
        )

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        missing = np.isnan(rows)
        logs = _logs(np.where(missing, self.fill, rows))
        prepared = np.clip((logs - self.mean) / self.scale, -CLIP, CLIP)
        above = rows[:, self.split_columns] > self.split_at
        return np.concatenate([prepared, missing[:, self.flagged], above], axis=1).astype(
            np.float32
        )


def strongest_splits(booster: Any, count: int = SPLITS) -> list[tuple[int, float]]:
    """(column, threshold in float32) of the splits of a LightGBM booster with the most gain over
    all trees, the most first.
    """
    gains: dict[tuple[int, float], float] = {}
    waiting = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while waiting:
        node = waiting.pop()
        if "leaf_value" in node:
            continue
        split = int(node["split_feature"]), float(np.float32(node["threshold"]))
        gains[split] = gains.get(split, 0.0) + node["split_gain"]
        waiting += [node["left_child"], node["right_child"]]
    return sorted(gains, key=lambda split: (-gains[split], split))[:count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """The fitted network: layers of (weights [in, out], bias [out]), ReLU between them; its output
    is a margin.
    """

    preparation: Preparation
    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]

    def margins(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[n] of rows float32[n, columns], by numpy: what the ONNX graph must equal before
        its logistic.
        """
        out = self.preparation(rows)
        for number, (weights, bias) in enumerate(self.layers):
            out = out @ weights + bias
            if number < len(self.layers) - 1:
                out = np.maximum(out, 0)
        return out[:, 0]


def passes_over(rows: int) -> int:
    return min(max(2_000_000 // rows, 10), 150)


def distil(
    rows: NDArray[np.float32],
    margins: NDArray[np.float64],
    *,
    splits: Sequence[tuple[int, float]] = (),
    epochs: int | None = None,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Student:
    """A student of the trees' margins on these rows, told of the trees' `splits`.

    Rows that the trees find suspicious are rare and count as much as the rest. `epochs`: passes
    over the rows, by default as many as make two million examples, 10 to 150; `advance` is told of
    each. Fatal where scikit-learn is not there.
    """
    try:
        from sklearn.neural_network import MLPRegressor
    except ModuleNotFoundError as error:
        raise Fatal(
            what="a student needs scikit-learn",
            where="train",
            do="install the extra: pip install 'riskstream[trainer]'",
        ) from error
    passes = epochs or passes_over(len(rows))
    rng = np.random.default_rng(seed)
    high = np.flatnonzero(margins >= np.quantile(margins, 0.98))
    more = rng.choice(high, size=len(rows) // 4, replace=True)
    chosen = rng.permutation(np.concatenate([np.arange(len(rows)), more]))
    preparation = Preparation.of(rows, splits)
    network = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        batch_size=512,
        learning_rate_init=2e-3,
        alpha=1e-5,
        # one that goes on from pass to pass, else each shuffles alike
        random_state=np.random.RandomState(seed),
    )
    prepared, wanted = preparation(rows[chosen]), margins[chosen]
    for _ in range(passes):
        network.partial_fit(prepared, wanted)
        advance(1)
    layers = tuple(
        (np.asarray(weights, np.float32), np.asarray(bias, np.float32))
        for weights, bias in zip(network.coefs_, network.intercepts_, strict=True)
    )
    return Student(preparation=preparation, layers=layers)


def export_student(student: Student) -> bytes:
    """As ONNX: float32[n, columns] in (raw rows, NaN and all), the probability float32[n, 1] out.
    No tree, no loop.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    held = student.preparation
    constants: dict[str, NDArray[Any]] = {
        "fill": held.fill,
        "one": np.array(1, np.float32),
        "mean": held.mean,
        "scale": held.scale,
        "low": np.array(-CLIP, np.float32),
        "high": np.array(CLIP, np.float32),
        "flagged": held.flagged,
        "split_columns": held.split_columns,
        "split_at": held.split_at,
    }
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "fill", "features"], ["filled"]),
        helper.make_node("Abs", ["filled"], ["size"]),
        helper.make_node("Add", ["size", "one"], ["more"]),
        helper.make_node("Log", ["more"], ["log"]),
        helper.make_node("Sign", ["filled"], ["sign"]),
        helper.make_node("Mul", ["log", "sign"], ["logs"]),
        helper.make_node("Sub", ["logs", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "low", "high"], ["prepared"]),
        helper.make_node("Cast", ["missing"], ["flags"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["flags", "flagged"], ["chosen"], axis=1),
        helper.make_node("Gather", ["features", "split_columns"], ["asked"], axis=1),
        helper.make_node("Greater", ["asked", "split_at"], ["above"]),
        helper.make_node("Cast", ["above"], ["steps"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["prepared", "chosen", "steps"], ["h0"], axis=1),
    ]
    for number, (weights, bias) in enumerate(student.layers):
        constants |= {f"w{number}": weights, f"b{number}": bias}
        is_last = number == len(student.layers) - 1
        out = "margin" if is_last else f"g{number}"
        nodes.append(helper.make_node("Gemm", [f"h{number}", f"w{number}", f"b{number}"], [out]))
        if not is_last:
            nodes.append(helper.make_node("Relu", [out], [f"h{number + 1}"]))
    nodes.append(helper.make_node("Sigmoid", ["margin"], ["probability"]))
    graph = helper.make_graph(
        nodes,
        "riskstream-student",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", len(held.fill)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def quantised(raw: bytes) -> bytes:
    """The student with int8 weights (dynamic quantisation by ONNX Runtime's tool)."""
    import tempfile
    from pathlib import Path

    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        before, ready, after = (
            Path(folder) / f"{name}.onnx" for name in ("before", "ready", "after")
        )
        before.write_bytes(raw)
        quant_pre_process(before, ready, skip_symbolic_shape=True)
        quantize_dynamic(ready, after, weight_type=QuantType.QInt8, per_channel=True)
        return after.read_bytes()


def halved(raw: bytes) -> bytes:
    """The student's layers in float16; inputs, their preparation and the output stay float32."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(io.BytesIO(raw))
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.name[0] in "wb" and tensor.name[1:].isdigit():
            tensor.CopyFrom(
                numpy_helper.from_array(
                    numpy_helper.to_array(tensor).astype(np.float16), tensor.name
                )
            )
    nodes = []
    for node in graph.node:
        if node.op_type == "Gemm" and node.input[0] == "h0":
            nodes.append(helper.make_node("Cast", ["h0"], ["h0_half"], to=TensorProto.FLOAT16))
            node.input[0] = "h0_half"
        if node.op_type == "Sigmoid":
            nodes.append(
                helper.make_node("Cast", ["margin"], ["margin_full"], to=TensorProto.FLOAT)
            )
            node.input[0] = "margin_full"
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _logs(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    out: NDArray[np.float32] = np.sign(rows) * np.log1p(np.abs(rows))
    return out
