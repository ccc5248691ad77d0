"""From LightGBM's trees to ONNX, so that float32 inputs go the trees' own way."""

from typing import Any

import lightgbm as lgb
import numpy as np


def export(booster: lgb.Booster, columns: int) -> bytes:
    """The trees as ONNX: float32[n, columns] in, probabilities float32[n, 2] out."""
    import onnx
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    model = onnxmltools.convert_lightgbm(
        booster,
        initial_types=[("features", FloatTensorType([None, columns]))],
        zipmap=False,
        target_opset=15,
    )
    kept = [output for output in model.graph.output if output.name == "probabilities"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    model.graph.name = "riskstream"
    _floor_thresholds(model.graph.node, booster)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _floor_thresholds(nodes: Any, booster: lgb.Booster) -> None:
    """Round thresholds down to float32, where the converter rounds to the nearest: float32 inputs
    then go the trees' own way.

    A threshold lies between two values of the training rows; rounded up it may become the greater
    one, which then goes left.
    """
    ensemble = next(node for node in nodes if node.op_type.startswith("TreeEnsemble"))
    held = {each.name: each for each in ensemble.attribute}
    place = {
        pair: at
        for at, pair in enumerate(
            zip(held["nodes_treeids"].ints, held["nodes_nodeids"].ints, strict=True)
        )
    }
    values = held["nodes_values"].floats
    for number, tree in enumerate(booster.dump_model()["tree_info"]):
        pairs = [(0, tree["tree_structure"])]
        while pairs:
            node, own = pairs.pop()
            at = place[number, node]
            if "leaf_value" in own:
                continue
            with np.errstate(
                over="ignore"
            ):  # a split by what is missing has one past every float32: the greatest is taken
                found = np.float32(own["threshold"])
            is_below = float(found) <= own["threshold"]
            values[at] = float(found if is_below else np.nextafter(found, np.float32(-np.inf)))
            pairs.append((held["nodes_truenodeids"].ints[at], own["left_child"]))
            pairs.append((held["nodes_falsenodeids"].ints[at], own["right_child"]))
