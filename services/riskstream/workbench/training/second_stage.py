"""The second stage of a model: the student, asked for the uncertain band alone, and on only where
that surely gains.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.evaluation import average_precision
from riskstream.runtime.errors import Fatal
from riskstream.workbench.training.gates import onnx_scores
from riskstream.workbench.training.student import (
    distil,
    export_student,
    halved,
    quantised,
    strongest_splits,
)

VARIANTS = ("fp32", "int8", "fp16")
MAX_VARIANT_LOSS = 0.005
BAND = 5.0
"""The uncertain band begins at the score that this many times the review budget lies above; it ends
where blocking begins.
"""
RESAMPLES, SURE = 200, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStage:
    """What the model folder gets: the graph, and its part of model.json."""

    onnx: bytes
    card: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStageSettings:
    """`variant`: one of VARIANTS; `review_budget`: share of rows that is reviewed; `block_from`:
    score that is blocked.
    """

    variant: str
    review_budget: float
    block_from: float
    seed: int


def second_stage(
    booster: lgb.Booster,
    training: NDArray[np.float32],
    held: tuple[NDArray[np.float32], NDArray[np.bool_]],
    settings: SecondStageSettings,
    advance: Callable[[int], None] = lambda _: None,
) -> SecondStage:
    """A student of the (calibrated) booster, its band, and its gain on the held rows and their
    labels.

    Fatal where a smaller variant loses more than MAX_VARIANT_LOSS of average precision against the
    float32 student.
    """
    (rows, labels), variant, seed = held, settings.variant, settings.seed
    margins = np.asarray(booster.predict(training, raw_score=True), np.float64)
    full = export_student(
        distil(training, margins, splits=strongest_splits(booster), seed=seed, advance=advance)
    )
    raw = {"fp32": lambda: full, "int8": lambda: quantised(full), "fp16": lambda: halved(full)}[
        variant
    ]()
    first = np.asarray(booster.predict(rows), np.float64)
    student = onnx_scores(raw, rows)
    own = average_precision(labels, student)
    lost = average_precision(labels, onnx_scores(full, rows)) - own
    if lost > MAX_VARIANT_LOSS:
        raise Fatal(
            what=f"the {variant} student loses {lost:.4f} of average precision, allowed are "
            f"{MAX_VARIANT_LOSS}",
            where="second stage",
            do="train it as fp32: the model was not written",
        )
    low = float(np.quantile(first, max(1 - BAND * settings.review_budget, 0)))
    both = combined(first, student, low, settings.block_from)
    gain, sure = gained(labels, first, both, seed)
    card = {
        "version": hashlib.sha256(raw).hexdigest()[:12],
        "low": low,
        "high": settings.block_from,
        "on": bool(gain > 0 and sure >= SURE),
        "variant": variant,
        "average_precision": own,
        "average_precision_gain": gain,
        "gains_in_share_of_resamples": sure,
        "share_asked": float(np.mean((first >= low) & (first < settings.block_from))),
        "bytes": len(raw),
    }
    return SecondStage(onnx=raw, card=card)


def combined(
    first: NDArray[np.floating], second: NDArray[np.floating], low: float, high: float
) -> NDArray[np.float64]:
    """The scores that decisions are made by: the second's from `low` on and below `high` of the
    first, else the first's.
    """
    out = np.asarray(first, np.float64).copy()
    band = (out >= low) & (out < high)
    out[band] = second[band]
    return out


def gained(
    labels: NDArray[np.bool_], before: NDArray[np.float64], after: NDArray[np.float64], seed: int
) -> tuple[float, float]:
    """(average precision gained, share of bootstrap samples of the rows that gain): paired, Efron
    and Tibshirani (1993).
    """
    gain = average_precision(labels, after) - average_precision(labels, before)
    rng = np.random.default_rng(seed)
    better = used = 0
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(labels), len(labels))
        if labels[rows].any():
            used += 1
            better += average_precision(labels[rows], after[rows]) > average_precision(
                labels[rows], before[rows]
            )
    return gain, better / max(used, 1)
