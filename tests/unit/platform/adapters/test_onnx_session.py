"""One ONNX model behind ONNX Runtime: what it refuses, fixed shapes, and what a profile shows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from riskstream.platform.adapters import onnx_session
from riskstream.platform.adapters.onnx_model import ModelCard, SecondStage, Stage2Card
from riskstream.platform.adapters.onnx_session import (
    CPU,
    Device,
    DeviceGone,
    OnnxSession,
    off_provider,
)
from riskstream.runtime.errors import Fatal
from riskstream.workbench.training.student import distil, export_student

WHERE = Path("model/stage2.onnx")
WIDTH = 5


@pytest.fixture(scope="module")
def student() -> bytes:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(3000, WIDTH)).astype(np.float32)
    return export_student(
        distil(rows, rows[:, 0].astype(np.float64) * 2, splits=[(1, 0.5)], epochs=2)
    )


def _rows(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(n).normal(size=(n, WIDTH)).astype(np.float32)


def _graph(
    operator: str,
    kind: int = TensorProto.FLOAT,
    width: Any = WIDTH,
    rows: Any = "rows",
    opset: int = 15,
) -> bytes:
    """One operator on a matrix of inputs."""
    graph = helper.make_graph(
        [helper.make_node(operator, ["given"], ["found"])],
        "g",
        [helper.make_tensor_value_info("given", kind, [rows, width])],
        [helper.make_tensor_value_info("found", kind, [rows, width])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (_graph("Sigmoid", TensorProto.DOUBLE), r"takes given tensor\(double\)"),
        (_graph("Sigmoid", width=7), "takes 7 columns"),
        (_graph("Sigmoid", rows=4), "takes 4 rows"),
        (_graph("Sigmoid", opset=900), "cannot be loaded: .*opset"),
        (_graph("Sqrt"), r"gives \[nan\] for \d+ rows of nan"),
        (_graph("NoSuchOperator"), "cannot be loaded: .*NoSuchOperator"),
        (b"no model", "cannot be loaded"),
    ],
    ids=["type", "columns", "rows", "opset", "NaN", "operator", "bytes"],
)
def test_a_model_that_cannot_serve_is_refused_with_what_is_wrong(raw: bytes, words: str) -> None:
    with pytest.raises(Fatal, match=words) as caught:
        OnnxSession(raw, WIDTH, WHERE)
    assert "stage2.onnx" in caught.value.what
    assert caught.value.do


def test_two_inputs_are_refused() -> None:
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", WIDTH])
        for name in ("a", "b")
    ]
    found = [helper.make_tensor_value_info("found", TensorProto.FLOAT, ["rows", WIDTH])]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["found"])], "g", given, found)
    raw = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8
    ).SerializeToString()
    with pytest.raises(Fatal, match=r"takes a tensor.*, b tensor"):
        OnnxSession(raw, WIDTH, WHERE)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 16, 17, 40])
def test_fixed_shapes_give_what_free_ones_give(student: bytes, n: int) -> None:
    """The bound path of a GPU, here on the CPU: padded to the next shape, cut where longer than the
    last.
    """
    bound = OnnxSession(student, WIDTH, WHERE, buckets=(1, 4, 16))
    bound.predict(_rows(16) + 100)  # what stands in the buffers must not matter
    found = bound.predict(_rows(n))
    assert found.shape == (n,)
    np.testing.assert_allclose(
        found, OnnxSession(student, WIDTH, WHERE).predict(_rows(n)), atol=1e-6
    )


def test_a_provider_that_this_runtime_lacks_is_refused_with_the_extra(student: bytes) -> None:
    with pytest.raises(Fatal, match=r"no CUDAExecutionProvider.*scorer-gpu") as caught:
        OnnxSession(student, WIDTH, WHERE, device=Device("cuda"))
    assert caught.value.exit_code == 2


def test_a_profile_tells_which_nodes_ran_elsewhere(student: bytes, tmp_path: Path) -> None:
    session = OnnxSession(student, WIDTH, WHERE, profile=tmp_path / "student")
    session.predict(_rows(8))
    profile = session.end_profiling()
    assert off_provider(profile, "cpu") == {}
    assert any(
        name.startswith("Gemm") or "Gemm on" in name for name in off_provider(profile, "cuda")
    )
    (tmp_path / "empty.json").write_text(json.dumps([{"cat": "Session"}]))
    with pytest.raises(ValueError, match="no node's run"):
        off_provider(tmp_path / "empty.json", "cpu")


def test_every_operator_of_the_student_has_a_cuda_kernel(student: bytes) -> None:
    """From ONNX Runtime's docs/OperatorKernels.md, CUDAExecutionProvider; trees are in no GPU
    provider's list.
    """
    on_cuda = {
        "IsNaN",
        "Where",
        "Sign",
        "Abs",
        "Add",
        "Log",
        "Mul",
        "Sub",
        "Div",
        "Clip",
        "Cast",
        "Gather",
        "Greater",
        "Concat",
        "Gemm",
        "Relu",
        "Sigmoid",
    }
    assert {node.op_type for node in onnx.load_from_string(student).graph.node} <= on_cuda


def _folder(tmp_path: Path, student: bytes) -> ModelCard:
    import hashlib

    (tmp_path / "stage2.onnx").write_bytes(student)
    version = hashlib.sha256(student).hexdigest()[:12]
    return ModelCard(
        version="v",
        feature_set="f",
        names=tuple("abcde"),
        review_from=0.5,
        block_from=0.9,
        reasons="",
        metrics={},
        stage2=Stage2Card(version=version, low=0.1, high=0.9, is_on=True),
    )


class _Gpu(OnnxSession):
    """Stands for a session on a GPU: it answers until `gone`."""

    gone = False

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.gone and self.provider != "cpu":
            raise DeviceGone("CUDA failure 999: unknown error")
        return super().predict(rows)


def test_a_gpu_that_goes_is_the_cpu_from_then_on_and_says_so(
    student: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from riskstream.platform.adapters import onnx_model

    monkeypatch.setattr(onnx_model, "OnnxSession", _Gpu)
    real = onnx_session._open
    monkeypatch.setattr(onnx_session, "_open", lambda raw, where, *_: real(raw, where, CPU, None))
    monkeypatch.setitem(onnx_session.DEVICES, "cuda", "cpu")
    stage = SecondStage(tmp_path, _folder(tmp_path, student), "cuda")
    before = stage.predict(_rows(6))
    assert not stage.is_degraded
    monkeypatch.setattr(_Gpu, "gone", True)
    np.testing.assert_allclose(stage.predict(_rows(6)), before, atol=1e-6)
    assert stage.is_degraded


def test_a_gpu_that_does_not_start_is_the_cpu_and_says_so(
    student: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime with CUDA on a machine without a device."""
    known = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: known)
    stage = SecondStage(tmp_path, _folder(tmp_path, student), "cuda")
    assert stage.is_degraded
    assert stage.predict(_rows(2)).shape == (2,)
