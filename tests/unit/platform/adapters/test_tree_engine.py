"""The kernel against ONNX Runtime, to the bit: every form that exporters write, each form that is
left to ONNX Runtime, and faults that the comparison at load must find.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from prometheus_client import CollectorRegistry
from tests.support.forests import (
    chain,
    classifier,
    graph,
    grown,
    nodes_of,
    regressor,
    rows_of,
    weights_of,
)

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.trees.ensemble import EQ, GT, GTE, LEAF, LEQ, LT, NEQ, Ensemble, Unfit
from riskstream.domain.risk.trees.packed import pack
from riskstream.platform.adapters import tree_engine
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.platform.adapters.onnx_session import OnnxSession
from riskstream.platform.adapters.onnx_trees import read_trees
from riskstream.platform.adapters.tree_engine import equal_kernel
from riskstream.platform.telemetry.metrics import InForceMetrics
from riskstream.scorer.models import load_model
from riskstream.scorer.settings import ScorerSettings
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train

WHERE = Path("model/model.onnx")
COLUMNS = 5


def _equal(raw: bytes, rows: NDArray[np.float32]) -> None:
    """The kernel takes the file, and gives the session's scores of these rows to the bit."""
    columns = rows.shape[1]
    session = OnnxSession(raw, columns, WHERE)
    kernel = equal_kernel(raw, session, columns)
    for size in (1, 3, 16, len(rows)):
        for start in range(0, min(8 * size, len(rows)), size):
            part = rows[start : start + size]
            found, expected = kernel.predict(part), session.predict(part)
            np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


def _unfit(raw: bytes, columns: int = COLUMNS) -> str:
    with pytest.raises(Unfit) as caught:
        equal_kernel(raw, OnnxSession(raw, columns, WHERE), columns)
    return str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 9, 60]),
    st.sampled_from([1, 2, 8, 31, 40]),
    st.sets(st.sampled_from([LEQ, LT, GTE, GT, EQ, NEQ]), min_size=1).map(sorted),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from(["regressor", "first", "second", "positive", "plain"]),
)
def test_trees_of_every_mode_give_onnx_runtimes_bits(
    seed: int, trees: int, leaves: int, modes: list[int], tracks: float, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    forest = grown(
        rng, trees=trees, leaves=leaves, columns=COLUMNS, modes=tuple(modes), tracks=tracks
    )
    if kind == "regressor":
        raw = regressor(forest, COLUMNS)
    elif kind == "positive":
        raw = classifier(replace(forest, values=np.abs(forest.values)), COLUMNS)
    elif kind == "plain":
        raw = classifier(replace(forest, is_logistic=False), COLUMNS)
    else:
        raw = classifier(forest, COLUMNS, wanted=int(kind == "second"))
    _equal(raw, rows_of(rng, 200, COLUMNS))


def test_two_thousand_trees_are_one_sum_in_their_order() -> None:
    rng = np.random.default_rng(5)
    forest = grown(rng, trees=2000, leaves=9, columns=COLUMNS)
    _equal(classifier(forest, COLUMNS), rows_of(rng, 300, COLUMNS))


def test_trees_of_hundreds_of_leaves_are_cut_into_pieces() -> None:
    rng = np.random.default_rng(6)
    forest = grown(rng, trees=6, leaves=600, columns=COLUMNS)
    _equal(classifier(forest, COLUMNS), rows_of(rng, 300, COLUMNS))


def test_weights_of_both_classes_give_the_second_ones_sum() -> None:
    """As a forest of scikit-learn is written: a weight of each class in each leaf."""
    rng = np.random.default_rng(7)
    forest = grown(rng, trees=5, leaves=9, columns=COLUMNS)
    first = weights_of(replace(forest, values=1 - forest.values), "class", 0)
    both = {name: first[name] + each for name, each in weights_of(forest, "class", 1).items()}
    for post in ("NONE", "LOGISTIC"):
        raw = classifier(forest, COLUMNS, base_values=None, post_transform=post, **both)
        _equal(raw, rows_of(rng, 200, COLUMNS))


def _booster(categories: bool) -> bytes:
    import lightgbm as lgb
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    rows, labels = _data(categories)
    model = lgb.LGBMClassifier(n_estimators=12, num_leaves=9, verbose=-1, random_state=1)
    model.fit(rows, labels, categorical_feature=[4] if categories else "auto")
    types = [("rows", FloatTensorType([None, COLUMNS]))]
    made = onnxmltools.convert_lightgbm(model, initial_types=types, zipmap=False)
    return bytes(made.SerializeToString())


def _xgboost() -> bytes:
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    rows, labels = _data()
    model = xgboost.XGBClassifier(n_estimators=12, max_leaves=9, n_jobs=1)
    model.fit(rows, labels)
    types = [("rows", FloatTensorType([None, COLUMNS]))]
    return bytes(onnxmltools.convert_xgboost(model, initial_types=types).SerializeToString())


def _sklearn(name: str) -> bytes:
    import sklearn.ensemble
    import sklearn.tree
    from skl2onnx import to_onnx

    rows, labels = _data()
    rows = np.nan_to_num(rows)
    made = getattr(sklearn.ensemble, name, None) or getattr(sklearn.tree, name)
    model = made(max_depth=4, random_state=1).fit(rows, labels)
    return bytes(to_onnx(model, rows[:1], options={"zipmap": False}).SerializeToString())


def _data(categories: bool = False) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(2000, COLUMNS)).astype(np.float32)
    rows[:, 1] = np.round(rows[:, 1])
    if categories:
        rows[:, 4] = rng.integers(0, 6, 2000)
    else:
        rows[rng.random(rows.shape) < 0.1] = np.nan
    margin = np.nan_to_num(rows[:, 0] * rows[:, 2]) + (np.nan_to_num(rows[:, 4]) % 3 == 1)
    return rows, (margin + rng.normal(size=2000) > 0.8).astype(np.int64)


EXPORTED: dict[str, Callable[[], bytes]] = {
    "LightGBM": lambda: _booster(categories=False),
    "LightGBM with categories": lambda: _booster(categories=True),
    "XGBoost": _xgboost,
    **{
        name: partial(_sklearn, name)
        for name in (
            "GradientBoostingClassifier",
            "RandomForestClassifier",
            "ExtraTreesClassifier",
            "DecisionTreeClassifier",
        )
    },
}


@pytest.mark.parametrize("name", EXPORTED)
def test_what_exporters_write_is_the_kernels(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = EXPORTED[name]()
    rng = np.random.default_rng(8)
    real = _data(categories="categories" in name)[0][:300]
    _equal(raw, np.concatenate([real, rows_of(rng, 300, COLUMNS)]))


def _operator(forest: Ensemble, more: str) -> bytes:
    """The trees' scores, passed through another operator."""
    import onnx

    model = onnx.load_from_string(regressor(forest, COLUMNS))
    model.graph.node[0].output[0] = "before"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(2), "two"))
    inputs = ["before", "two"] if more == "Mul" else ["before"]
    model.graph.node.append(helper.make_node(more, inputs, ["score"]))
    return bytes(model.SerializeToString())


def _before(forest: Ensemble) -> bytes:
    """The trees behind an operator that changes the rows."""
    import onnx

    model = onnx.load_from_string(regressor(forest, COLUMNS))
    model.graph.node[0].input[0] = "changed"
    model.graph.node.insert(0, helper.make_node("Neg", ["rows"], ["changed"]))
    return bytes(model.SerializeToString())


def _newest() -> bytes:
    """The operator of ai.onnx.ml 5, which no exporter writes yet: one test, two leaves."""
    names = ("rows", "score")
    tensor = helper.make_tensor
    node = helper.make_node(
        "TreeEnsemble",
        [names[0]],
        [names[1]],
        domain="ai.onnx.ml",
        n_targets=1,
        tree_roots=[0],
        nodes_splits=tensor("s", TensorProto.FLOAT, [1], [0.5]),
        nodes_featureids=[0],
        nodes_modes=tensor("m", TensorProto.UINT8, [1], [0]),
        nodes_truenodeids=[0],
        nodes_trueleafs=[1],
        nodes_falsenodeids=[1],
        nodes_falseleafs=[1],
        leaf_targetids=[0, 0],
        leaf_weights=tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0]),
    )
    made = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [None, COLUMNS])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 5)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=10)
    return bytes(model.SerializeToString())


def _left_to_onnx_runtime() -> dict[str, tuple[bytes, str]]:
    rng = np.random.default_rng(9)
    forest = grown(rng, trees=3, leaves=9, columns=COLUMNS)
    below = np.full(len(forest.modes), -np.inf, np.float32)
    strict = np.where(forest.modes == LEAF, LEAF, LT).astype(np.uint8)
    deep = chain(40, LEQ)
    three = {**weights_of(forest, "class", 2), "classlabels_int64s": [0, 1, 2]}
    third = graph(
        "TreeEnsembleClassifier",
        COLUMNS,
        {**nodes_of(forest), **three, "post_transform": "SOFTMAX"},
    )
    return {
        "another operator": (_operator(forest, "Sigmoid"), "the operator Sigmoid makes"),
        "a factor": (_operator(forest, "Mul"), "the operator Mul makes"),
        "an operator before": (_before(forest), "stands before TreeEnsembleRegressor"),
        "the newest operator": (_newest(), "the operator TreeEnsemble makes"),
        "three classes": (third, "3 classes, not 2"),
        "two bases": (classifier(forest, COLUMNS, base_values=[0.1, 0.2]), "two base values"),
        "a transform": (classifier(forest, COLUMNS, post_transform="SOFTMAX"), "is SOFTMAX"),
        "an average": (
            regressor(forest, COLUMNS, aggregate_function="AVERAGE"),
            "joined by AVERAGE",
        ),
        "a strict threshold": (
            classifier(replace(forest, modes=strict, thresholds=below), COLUMNS),
            "below every number",
        ),
        "a leaf too deep": (classifier(deep, COLUMNS), "right of more than 30 tests"),
    }


@pytest.mark.parametrize("name", _left_to_onnx_runtime())
def test_what_is_not_known_is_left_to_onnx_runtime_with_the_reason(name: str) -> None:
    raw, words = _left_to_onnx_runtime()[name]
    assert words in _unfit(raw)


Change = Callable[[Ensemble, int], dict[str, Any]]
_UP, _DOWN = np.float32(np.inf), np.float32(-np.inf)


def _put(array: NDArray[Any], at: int, value: Any) -> NDArray[Any]:
    out = array.copy()
    out[at] = value
    return out


FAULTS: dict[str, tuple[bool, Change]] = {
    "a threshold above": (
        True,
        lambda of, n: {"thresholds": _put(of.thresholds, n, np.nextafter(of.thresholds[n], _UP))},
    ),
    "a threshold below": (
        True,
        lambda of, n: {"thresholds": _put(of.thresholds, n, np.nextafter(of.thresholds[n], _DOWN))},
    ),
    "NaN goes the other way": (
        True,
        lambda of, n: {"tracks_true": _put(of.tracks_true, n, not of.tracks_true[n])},
    ),
    "less, not at most": (True, lambda of, n: {"modes": _put(of.modes, n, LT)}),
    "sides": (
        True,
        lambda of, n: {
            "trues": _put(of.trues, n, of.falses[n]),
            "falses": _put(of.falses, n, of.trues[n]),
        },
    ),
    "a leaf's last bit": (
        False,
        lambda of, n: {"values": _put(of.values, n, of.values[n] * np.float32(1.001))},
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 12 trees."""
    made = tmp_path_factory.mktemp("model")
    pq.write_table(simulate(Simulation(seed=3, customers=800, days=30)), made / "in.parquet")
    rows = read_dataset(made / "in.parquet", STANDARD)
    train(rows, STANDARD, FitSettings(trees=12, patience=0), made / "model")
    return made / "model"


def _is_asked_above(trees: Ensemble, node: int) -> bool:
    """Whether a node above has tested the same column: NaN may go another way there."""
    inner = np.flatnonzero(trees.modes != LEAF)
    column, at = trees.features[node], node
    while at not in trees.roots:
        [at] = inner[(trees.trues[inner] == at) | (trees.falses[inner] == at)]
        if trees.features[at] == column:
            return True
    return False


@pytest.mark.parametrize("name", FAULTS)
def test_one_wrong_number_anywhere_is_found_at_load(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    raw, columns = (folder / "model.onnx").read_bytes(), len(STANDARD.names)
    session = OnnxSession(raw, columns, WHERE)
    trees = read_trees(raw, session.input, session.output)
    is_of_tests, change = FAULTS[name]
    nodes = np.flatnonzero((trees.modes != LEAF) == is_of_tests)
    if name == "NaN goes the other way":
        nodes = nodes[[not _is_asked_above(trees, node) for node in nodes.tolist()]]
    for node in nodes[:: max(1, len(nodes) // 40)].tolist():
        wrong = replace(trees, **change(trees, node))
        monkeypatch.setattr(tree_engine, "read_trees", lambda *_, wrong=wrong: wrong)
        with pytest.raises(Unfit, match="differ from ONNX Runtime's"):
            equal_kernel(raw, session, columns)


def test_the_kernel_serves_and_onnx_runtime_where_it_is_asked_for(folder: Path) -> None:
    with structlog.testing.capture_logs() as logged:
        kernel = OnnxModel(folder, STANDARD)
        asked, policy = load_model(
            ScorerSettings(model=folder, tree_engine="onnxruntime"), STANDARD
        )
    assert (kernel.engine, asked.engine, policy.engine) == ("kernel", "onnxruntime", "onnxruntime")
    assert logged == []
    rows = rows_of(np.random.default_rng(2), 64, len(STANDARD.names))
    np.testing.assert_array_equal(kernel.predict(rows), asked.predict(rows))


def test_a_kernel_that_is_one_bit_off_does_not_serve_and_the_log_says_so_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = OnnxModel(folder, STANDARD, "onnxruntime")
    real = pack

    class OneBitOff:
        def __init__(self, trees: Ensemble, columns: int) -> None:
            self._trees = real(trees, columns)

        def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
            out = self._trees.predict(rows)
            if len(rows) == 3:
                out[-1:] = np.nextafter(out[-1:], np.float32(1))
            return out

    monkeypatch.setattr(tree_engine, "pack", OneBitOff)
    with structlog.testing.capture_logs() as logged:
        model = OnnxModel(folder, STANDARD)
    assert model.engine == "onnxruntime"
    [said] = logged
    assert said["log_level"] == "warning"
    assert said["event"] == "ONNX Runtime computes the trees"
    assert said["why"] == "1 of 3 scores differ from ONNX Runtime's"
    rows = rows_of(np.random.default_rng(2), 3, len(STANDARD.names))
    np.testing.assert_array_equal(model.predict(rows), expected.predict(rows))


@pytest.mark.parametrize("error", [ValueError("a number leads out"), IndexError("out of bounds")])
def test_a_file_that_breaks_the_packing_is_left_to_onnx_runtime(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(tree_engine, "pack", broken)
    with structlog.testing.capture_logs() as logged:
        model = OnnxModel(folder, STANDARD)
    assert model.engine == "onnxruntime"
    assert [each["why"] for each in logged] == [f"its trees cannot be packed: {error}"]


def test_the_metric_names_the_engine_of_the_model_in_use() -> None:
    registry = CollectorRegistry()
    metrics = InForceMetrics(registry)

    def found() -> list[float | None]:
        names = ("kernel", "onnxruntime")
        value = registry.get_sample_value
        return [value("riskstream_scorer_tree_engine", {"engine": each}) for each in names]

    metrics.use_engine("kernel")
    assert found() == [1, 0]
    metrics.use_engine("onnxruntime")
    assert found() == [0, 1]
    metrics.use_engine("")
    assert found() == [0, 0]
