"""Fits and calibrates the trees, chooses thresholds, exports to ONNX, and writes a model folder
whole or not at all.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.decision import decide
from riskstream.domain.risk.evaluation import at_budget, average_precision, roc_auc
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.tree_paths import TreePaths
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_folder, whole_folder
from riskstream.runtime.steps import Steps, untold
from riskstream.workbench.checks.evaluate import curves, evaluate
from riskstream.workbench.checks.intervals import RESAMPLES
from riskstream.workbench.checks.page import facts, page
from riskstream.workbench.checks.scored import Scored
from riskstream.workbench.checks.slices import slices
from riskstream.workbench.rows.dataset import Dataset
from riskstream.workbench.training.calibrate import platt, scale
from riskstream.workbench.training.export import export
from riskstream.workbench.training.gates import (
    check_calibration,
    check_reasons,
    check_size_and_latency,
    exported_scores,
)
from riskstream.workbench.training.second_stage import (
    SecondStage,
    SecondStageSettings,
    second_stage,
)
from riskstream.workbench.training.student import passes_over
from riskstream.workbench.training.thresholds import Costs, by_budget, by_cost, cost_minor
from riskstream.workbench.training.tree_paths import tree_paths
from riskstream.workbench.training.xgboost_trees import XgboostSettings, boost_xgboost

REASON_ROWS = 200
BOOSTERS = ("lightgbm", "xgboost")
STAGE2_METRICS = (
    "average_precision",
    "average_precision_gain",
    "gains_in_share_of_resamples",
    "share_asked",
)
VALIDATION_SHARE = 0.25
MODEL_FILES = {"model.json", "model.onnx", "reasons.npz", "card.html", "stage2.onnx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """`review_budget` and `block_budget`: shares of the validation rows that are not approved, and
    blocked; with `costs` thresholds are those that cost least.

    `patience`: trees without gain on the validation rows before training stops; 0: never.
    Histograms want many bins: at 255 the amounts just below and above a rule blur.
    """

    trees: int = 200
    leaves: int = 31
    learning_rate: float = 0.06
    max_bin: int = 2047
    review_budget: float = 0.01
    block_budget: float = 0.002
    min_leaf_rows: int = 40
    column_share: float = 0.8
    row_share: float = 0.8
    l2: float = 1.0
    costs: Costs | None = None
    seed: int = 0
    patience: int = 40
    booster: str = "lightgbm"
    """One of BOOSTERS: who grows the trees."""
    stage2: str = ""
    """Variant of a second stage to train as well, one of second_stage.VARIANTS; empty: none."""


def train(
    data: Dataset,
    features: FeatureSet,
    settings: FitSettings,
    out: Path,
    steps: Steps = untold,
) -> dict[str, Any]:
    """Train, calibrate, set thresholds, check and write; the metrics that were written.

    The first three quarters of the rows grow the trees; the next eighth says when to stop and
    calibrates; on the last eighth thresholds are set and everything is measured. Fatal, and nothing
    is written, where a gate does not hold or `out` is something else than a model folder.
    """
    check_folder(out, is_own=is_model_folder)
    grown, tuning, held = _parts(data.labels)
    tuned = data.rows[tuning], data.labels[tuning]
    with steps("trees", settings.trees) as advance:
        booster = boost(data.rows[grown], data.labels[grown], settings, tuned, advance)
    slope, offset = _calibrate(booster, *tuned)

    rows, labels, amounts = data.rows[held], data.labels[held], data.amounts_minor[held]
    with steps("checks of the model", None):
        raw, scores, difference, paths = _exported(booster, rows)
    metrics = {
        "rows": len(data.labels),
        "frauds": int(data.labels.sum()),
        "trees": booster.num_trees(),
        "validation_rows": len(labels),
        **_quality(scores, labels, amounts, settings.review_budget),
        "calibration_slope": slope,
        "calibration_offset": offset,
        "calibration_error": check_calibration(labels, scores),
        "onnx_difference": difference,
        "onnx_bytes": len(raw),
    }
    review_from, block_from, cost = _thresholds(scores, labels, amounts, settings)
    metrics |= cost
    files = {"model.onnx": raw, "reasons.npz": paths.packed()}
    first, last = int(data.occurred_at[0]), int(data.occurred_at[grown.stop - 1])
    card = {
        "version": _version(raw),
        "booster": settings.booster,
        "feature_set": features.label,
        "names": list(features.names),
        "thresholds": {"review": review_from, "block": block_from},
        "reasons": _version(files["reasons.npz"]),
        "trained_on": {"first": first, "last": last, "rows": grown.stop},
        "left_out": data.left_out.figures(len(data.labels), sum(data.amounts_minor.tolist())),
        "metrics": metrics,
    }
    if settings.stage2:
        second = _second_stage(
            booster, data.rows[grown], (rows, labels), settings, block_from, steps
        )
        files["stage2.onnx"], card["stage2"] = second.onnx, second.card
        metrics |= {f"stage2_{name}": second.card[name] for name in ("on", *STAGE2_METRICS)}
    files["card.html"] = _page(card, data, held, scores, features, steps).encode()
    files["model.json"] = _json(card)
    _write(out, files)
    return metrics


def _calibrate(
    booster: lgb.Booster, rows: NDArray[np.float32], labels: NDArray[np.bool_]
) -> tuple[float, float]:
    """Have the trees give probabilities; the (slope, offset) that their raw scores got."""
    raw = np.asarray(booster.predict(rows, raw_score=True), np.float64)
    slope, offset = platt(raw, labels)
    scale(booster, slope, offset)
    return slope, offset


def _exported(
    booster: lgb.Booster, rows: NDArray[np.float32]
) -> tuple[bytes, NDArray[np.float32], float, TreePaths]:
    """(the model as ONNX, its scores of the rows, by how much they differ from the trees', the
    paths that reasons are computed from). Fatal where they do not keep to the bounds of reasons,
    size and latency on the rows.
    """
    raw = export(booster, rows.shape[1])
    scores, difference = exported_scores(booster, raw, rows)
    paths = tree_paths(booster)
    check_reasons(paths, booster, rows[:REASON_ROWS])
    check_size_and_latency(raw, rows)
    return raw, scores, difference, paths


def _second_stage(
    booster: lgb.Booster,
    grown: NDArray[np.float32],
    held: tuple[NDArray[np.float32], NDArray[np.bool_]],
    settings: FitSettings,
    block_from: float,
    steps: Steps,
) -> SecondStage:
    """The second stage of `settings.stage2`, trained on the `grown` rows, measured on the `held`
    ones.
    """
    wanted = SecondStageSettings(
        variant=settings.stage2,
        review_budget=settings.review_budget,
        block_from=block_from,
        seed=settings.seed,
    )
    with steps("passes of the second stage", passes_over(len(grown))) as advance:
        return second_stage(booster, grown, held, wanted, advance)


def _parts(labels: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Rows that grow the trees, that tune them, and that measure them. Fatal where one of them has
    no fraud.
    """
    split = int(len(labels) * (1 - VALIDATION_SHARE))
    middle = (split + len(labels)) // 2
    parts = slice(0, split), slice(split, middle), slice(middle, None)
    if split < 100 or any(not labels[part].any() for part in parts):
        raise Fatal(
            what=f"{len(labels)} rows with {int(labels.sum())} frauds are too few to train and "
            "validate",
            where="training data",
            do="give more rows, with frauds in the first three quarters and in both halves of "
            "the last",
            exit_code=Exit.INPUT,
        )
    return parts


def _quality(
    scores: NDArray[np.float32],
    labels: NDArray[np.bool_],
    amounts: NDArray[np.int64],
    budget: float,
) -> dict[str, Any]:
    """How well scores tell frauds, as metrics of model.json."""
    precision, recall, _ = at_budget(labels, scores, budget)
    return {
        "average_precision": average_precision(labels, scores),
        "average_precision_amount": average_precision(labels, amounts),
        "auc": roc_auc(labels, scores),
        "precision_at_budget": precision,
        "recall_at_budget": recall,
    }


def _thresholds(
    scores: NDArray[np.float32],
    labels: NDArray[np.bool_],
    amounts: NDArray[np.int64],
    settings: FitSettings,
) -> tuple[float, float, dict[str, int]]:
    """(reviewed from, blocked from, metrics): by what errors cost where that is given, and then
    the metrics say what they cost; else by the budgets.
    """
    if settings.costs is None:
        review_from, block_from = by_budget(scores, settings.review_budget, settings.block_budget)
        return review_from, block_from, {}
    review_from, block_from = by_cost(scores, labels, amounts, settings.costs)
    cost = cost_minor(scores, labels, amounts, settings.costs, review_from, block_from)
    return review_from, block_from, {"cost_minor": cost}


def _page(
    card: dict[str, Any],
    data: Dataset,
    part: slice,
    scores: NDArray[np.float32],
    features: FeatureSet,
    steps: Steps,
) -> str:
    """The model card's page: how the scores of a part of the rows do."""
    thresholds = card["thresholds"]
    held = Scored(
        score=scores.astype(np.float64),
        label=data.labels[part],
        alerted=scores >= np.float32(min(thresholds["review"], thresholds["block"])),
        customer=data.customers[part],
        occurred_at=data.occurred_at[part],
        amount_minor=data.amounts_minor[part],
        base_currency=data.base_currency,
        decision=decide(scores, thresholds["review"], thresholds["block"]),
    )
    with steps("resamples", 2 * RESAMPLES) as advance:
        figures = evaluate(held, advance=advance)
        sliced = slices(held, data.rows[part], features, advance=advance)
    return page(
        f"Model {card['version']}, {features.label}",
        figures,
        curves(held),
        sliced,
        facts(card),
        card["left_out"],
    )


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _json(card: dict[str, Any]) -> bytes:
    return (json.dumps(card, indent=2) + "\n").encode()


def boost(
    rows: NDArray[np.float32],
    labels: NDArray[np.bool_],
    settings: FitSettings,
    held: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> lgb.Booster:
    """Trees fitted to rows float32[n, columns]; stopped early by the `held` rows where there are
    some and patience ends.
    """
    if settings.booster == "xgboost":
        own = {each.name: getattr(settings, each.name) for each in fields(XgboostSettings)}
        return boost_xgboost(rows, labels, XgboostSettings(**own), held, advance)
    parameters = {
        "objective": "binary",
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "max_bin": settings.max_bin,
        "min_data_in_leaf": settings.min_leaf_rows,
        "feature_fraction": settings.column_share,
        "bagging_fraction": settings.row_share,
        "bagging_freq": 1,
        "lambda_l2": settings.l2,
        "seed": settings.seed,
        "deterministic": True,
        "num_threads": 2,
        "verbose": -1,
        "metric": "average_precision",
    }
    train_set = lgb.Dataset(rows, labels.astype(np.int8))
    if held is None or not settings.patience:
        return lgb.train(parameters, train_set, settings.trees, callbacks=[lambda _: advance(1)])
    held_set = lgb.Dataset(held[0], held[1].astype(np.int8), reference=train_set)
    return lgb.train(
        parameters,
        train_set,
        settings.trees,
        valid_sets=[held_set],
        callbacks=[lgb.early_stopping(settings.patience, verbose=False), lambda _: advance(1)],
    )


def is_model_folder(folder: Path) -> bool:
    """True where a folder holds a trained model and nothing else."""
    names = {each.name for each in folder.iterdir()}
    if not {"model.json", "model.onnx"} <= names <= MODEL_FILES:
        return False
    card = json.loads((folder / "model.json").read_bytes())
    return isinstance(card, dict) and {"version", "feature_set"} <= set(card)


def _write(out: Path, files: dict[str, bytes]) -> None:
    with whole_folder(out) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
