"""What a model must hold before it is written: each gate is a Fatal of one sentence, and nothing is
left behind.
"""

import time
from pathlib import Path
from statistics import median

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.evaluation import calibration
from riskstream.domain.risk.tree_paths import TreePaths
from riskstream.platform.adapters.onnx_session import OnnxSession
from riskstream.runtime.errors import Fatal

MAX_ONNX_DIFFERENCE = 1e-5
MAX_REASON_DIFFERENCE = 1e-4
MAX_CALIBRATION_ERROR = 0.02
MAX_ONNX_BYTES = 64 * 1024 * 1024
MAX_ROW_MS = 5.0
"""Of one row alone, on one thread: a hundred times what 200 trees take."""
_TIMED_ROWS = 31


def exported_scores(
    booster: lgb.Booster, raw: bytes, rows: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float]:
    """(the ONNX model's scores, their largest difference from LightGBM's). Fatal where that is over
    the bound.
    """
    scores = onnx_scores(raw, rows)
    difference = float(np.abs(scores - np.asarray(booster.predict(rows), np.float64)).max())
    if difference > MAX_ONNX_DIFFERENCE:
        raise Fatal(
            what=f"ONNX and LightGBM differ by {difference:.2e}, allowed are "
            f"{MAX_ONNX_DIFFERENCE:.0e}",
            where="export",
            do="report this: the model was not written",
        )
    return scores, difference


def check_reasons(paths: TreePaths, booster: lgb.Booster, rows: NDArray[np.float32]) -> None:
    """Fatal where contributions do not add up to the margins, or differ from LightGBM's own."""
    own = np.asarray(booster.predict(rows, pred_contrib=True), np.float64)
    found = paths.contributions(rows)
    off = max(
        float(np.abs(found - own[:, :-1]).max()),
        float(
            np.abs(
                found.sum(axis=1) + paths.base - np.asarray(booster.predict(rows, raw_score=True))
            ).max()
        ),
    )
    if off > MAX_REASON_DIFFERENCE:
        raise Fatal(
            what=f"reasons and LightGBM's contributions differ by {off:.2e}, allowed are "
            f"{MAX_REASON_DIFFERENCE:.0e}",
            where="reasons",
            do="report this: the model was not written",
        )


def check_calibration(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    """Expected calibration error. Fatal where it is over the bound."""
    error, _ = calibration(labels, scores)
    if error > MAX_CALIBRATION_ERROR:
        raise Fatal(
            what=f"scores differ by {error:.4f} from the share of frauds, "
            f"{MAX_CALIBRATION_ERROR} is allowed",
            where="calibration",
            do="give more rows or frauds: the model was not written",
        )
    return error


def check_size_and_latency(raw: bytes, rows: NDArray[np.float32]) -> None:
    """Fatal where the model is too large for a release, or a single row takes too long to decide on
    in time.
    """
    if len(raw) > MAX_ONNX_BYTES:
        raise Fatal(
            what=f"the model has {len(raw):,} bytes, allowed are {MAX_ONNX_BYTES:,}",
            where="size",
            do="train fewer --trees: the model was not written",
        )
    session, took = _session(raw, rows), []
    for at in range(_TIMED_ROWS):
        started = time.perf_counter()
        session.predict(rows[at % len(rows)][None])
        took.append(1e3 * (time.perf_counter() - started))
    if median(took) > MAX_ROW_MS:
        raise Fatal(
            what=f"a row takes {median(took):.1f} ms, allowed are {MAX_ROW_MS}",
            where="latency",
            do="train fewer --trees: the model was not written",
        )


def onnx_scores(raw: bytes, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of fraud, by the session that serves them: what it refuses is refused here as
    well.
    """
    return _session(raw, rows).predict(rows)


def _session(raw: bytes, rows: NDArray[np.float32]) -> OnnxSession:
    return OnnxSession(raw, rows.shape[1], Path("training/model.onnx"))
