"""XGBoost as an option: its trees, fitted by its own histograms, carried on as a LightGBM model.

So everything behind (calibration in the leaves, ONNX, exact reasons, the student) is the same for
both. XGBoost asks x < t in float32 where LightGBM asks x <= t: t becomes the next float32 below,
and every row goes the same way.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

MAX_DIFFERENCE = 1e-5
_CHUNK = 50_000
_NAN_IS_MISSING, _NAN_GOES_LEFT = 8, 2
"""LightGBM's bits of a decision: its missing type is NaN; those go left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XgboostSettings:
    """As FitSettings names them."""

    trees: int
    leaves: int
    learning_rate: float
    max_bin: int
    min_leaf_rows: int
    column_share: float
    row_share: float
    l2: float
    seed: int
    patience: int


def boost_xgboost(
    rows: NDArray[np.float32],
    labels: NDArray[np.bool_],
    settings: XgboostSettings,
    held: tuple[NDArray[np.float32], NDArray[np.bool_]] | None,
    advance: Callable[[int], None] = lambda _: None,
) -> lgb.Booster:
    """Trees fitted to rows float32[n, columns], stopped early by the `held` rows where there are
    some and patience ends.

    Fatal where XGBoost is not installed, or its trees as LightGBM reads them give other
    probabilities.
    """
    xgboost = _library()
    share = float(labels.mean())
    parameters = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_leaves": settings.leaves,
        "eta": settings.learning_rate,
        "max_bin": settings.max_bin,
        # XGBoost weighs a row by its p (1 - p)
        "min_child_weight": settings.min_leaf_rows * share * (1 - share),
        "colsample_bytree": settings.column_share,
        "subsample": settings.row_share,
        "lambda": settings.l2,
        "seed": settings.seed,
        "nthread": 2,
        "eval_metric": "aucpr",
        "verbosity": 0,
    }
    matrix = xgboost.DMatrix(rows, labels.astype(np.float32))
    more: dict[str, Any] = {"callbacks": [_telling(xgboost, advance)]}
    if held is not None and settings.patience:
        watched = xgboost.DMatrix(held[0], held[1].astype(np.float32))
        more |= {
            "evals": [(watched, "held")],
            "early_stopping_rounds": settings.patience,
            "verbose_eval": False,
        }
    booster = xgboost.train(parameters, matrix, settings.trees, **more)
    if "evals" in more:
        booster = booster[: booster.best_iteration + 1]
    out = as_lightgbm(json.loads(booster.save_raw("json")), rows)
    checked = rows[:_CHUNK]
    own = np.asarray(booster.predict(xgboost.DMatrix(checked)), np.float64)
    off = float(np.abs(np.asarray(out.predict(checked)) - own).max())
    if off > MAX_DIFFERENCE:
        raise Fatal(
            what=f"XGBoost's trees give other probabilities after conversion, by {off:.2e}, "
            f"allowed are {MAX_DIFFERENCE:.0e}",
            where="training",
            do="report this: the model was not written",
        )
    return out


def _library() -> Any:
    """The module. Fatal where it is not installed."""
    try:
        import xgboost
    except ModuleNotFoundError as error:
        raise Fatal(
            what="XGBoost is not installed",
            where="--booster",
            do="install the extra: pip install 'riskstream[trainer,xgboost]'",
            exit_code=Exit.INPUT,
        ) from error
    return xgboost


def _telling(xgboost: Any, advance: Callable[[int], None]) -> Any:
    class Telling(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, _model: Any, _epoch: int, _log: Any) -> bool:
            advance(1)
            return False

    return Telling()


def as_lightgbm(model: dict[str, Any], rows: NDArray[np.float32]) -> lgb.Booster:
    """The trees of XGBoost's JSON as a LightGBM model; how many rows go each way is counted on
    `rows`.
    """
    learner = model["learner"]
    columns = int(learner["learner_model_param"]["num_feature"])
    base = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    trees = [_Tree.of(each) for each in learner["gradient_booster"]["model"]["trees"]]
    offset = math.log(base / (1 - base)) + sum(
        each.leaf_values[0] for each in trees if not each.columns
    )
    grown = [each for each in trees if each.columns]
    if not grown:
        raise Fatal(
            what="XGBoost grew no tree with a split",
            where="training",
            do="give more rows or frauds",
            exit_code=Exit.INPUT,
        )
    grown[0].leaf_values = [value + offset for value in grown[0].leaf_values]
    blank = lgb.Booster(model_str=_text(columns, grown))
    counts = [np.zeros(len(each.leaf_values), np.int64) for each in grown]
    for start in range(0, len(rows), _CHUNK):
        leaves = np.asarray(blank.predict(rows[start : start + _CHUNK], pred_leaf=True)).reshape(
            -1, len(grown)
        )
        for number in range(len(grown)):
            counts[number] += np.bincount(
                leaves[:, number].astype(np.int64), minlength=len(counts[number])
            )
    for each, count in zip(grown, counts, strict=True):
        # a share of no rows at all has no meaning for reasons
        each.leaf_counts = np.maximum(count, 1).tolist()
    return lgb.Booster(model_str=_text(columns, grown))


@dataclass(slots=True)
class _Tree:
    """A tree in LightGBM's numbering: splits 0..n-1, leaf k as child -(k + 1)."""

    columns: list[int]
    thresholds: list[float]
    decisions: list[int]
    lefts: list[int]
    rights: list[int]
    gains: list[float]
    leaf_values: list[float]
    leaf_counts: list[int]

    @classmethod
    def of(cls, tree: dict[str, Any]) -> "_Tree":
        lefts, rights, at = tree["left_children"], tree["right_children"], tree["split_conditions"]
        splits = [node for node in range(len(lefts)) if lefts[node] != -1]
        leaves = [node for node in range(len(lefts)) if lefts[node] == -1]
        place = {node: number for number, node in enumerate(splits)}
        place |= {node: -(number + 1) for number, node in enumerate(leaves)}
        below = [float(np.nextafter(np.float32(at[node]), np.float32(-np.inf))) for node in splits]
        return cls(
            columns=[tree["split_indices"][node] for node in splits],
            thresholds=below,
            decisions=[
                _NAN_IS_MISSING + _NAN_GOES_LEFT * int(tree["default_left"][node])
                for node in splits
            ],
            lefts=[place[lefts[node]] for node in splits],
            rights=[place[rights[node]] for node in splits],
            gains=[tree["loss_changes"][node] for node in splits],
            leaf_values=[float(at[node]) for node in leaves],
            leaf_counts=[1] * len(leaves),
        )

    def split_counts(self) -> list[int]:
        counts = [0] * len(self.columns)
        for split in reversed(range(len(counts))):  # XGBoost numbers children after their parents
            for child in (self.lefts[split], self.rights[split]):
                counts[split] += self.leaf_counts[-child - 1] if child < 0 else counts[child]
        return counts


def _text(columns: int, trees: list[_Tree]) -> str:
    """LightGBM's text format, version 4: what its loader reads, in the words of its
    src/io/tree.cpp.
    """
    head = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={columns - 1}",
        "objective=binary sigmoid:1",
        "feature_names=" + " ".join(f"Column_{number}" for number in range(columns)),
        "feature_infos=" + " ".join(["[-1e308:1e308]"] * columns),
        "",
    ]
    for number, tree in enumerate(trees):
        zeros = [0] * len(tree.columns)
        fields: dict[str, list[Any]] = {
            "num_leaves": [len(tree.leaf_values)],
            "num_cat": [0],
            "split_feature": tree.columns,
            "split_gain": tree.gains,
            "threshold": tree.thresholds,
            "decision_type": tree.decisions,
            "left_child": tree.lefts,
            "right_child": tree.rights,
            "leaf_value": tree.leaf_values,
            "leaf_weight": tree.leaf_counts,
            "leaf_count": tree.leaf_counts,
            "internal_value": zeros,
            "internal_weight": zeros,
            "internal_count": tree.split_counts(),
            "is_linear": [0],
            "shrinkage": [1],
        }
        head += [
            f"Tree={number}",
            *(f"{name}={' '.join(map(repr, values))}" for name, values in fields.items()),
            "",
        ]
    return "\n".join([*head, "end of trees", ""])
