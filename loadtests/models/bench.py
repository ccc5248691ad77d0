"""`make bench-models`: the public book's protocol against its goals, and what exact reasons
cost; the trees' kernel against ONNX Runtime.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loadtests.models.serving import by_batch, engines, first_request
from loadtests.rows import Row, write_result
from riskstream.domain.risk.evaluation import average_precision
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.onnx_session import OnnxSession
from riskstream.runtime.kernel import compile_all
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.models import load_model
from riskstream.scorer.settings import ScorerSettings
from riskstream.scorer.warm import score_alone, single_rows, warm
from riskstream.workbench.rows.dataset import labels_of, read_dataset
from riskstream.workbench.rows.transactions import Transactions, read_transactions
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, boost, train
from riskstream.workbench.training.handbook import TEST, VARIANTS, Tested, run, split
from riskstream.workbench.training.second_stage import BAND, combined, gained
from riskstream.workbench.training.student import (
    distil,
    export_student,
    halved,
    quantised,
    strongest_splits,
)
from riskstream.workbench.training.tree_paths import tree_paths

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared/data/handbook/transactions_dev.parquet"
GOALS = {
    ("week", "average_precision"): 0.68,
    ("week", "card_precision_100"): 0.294,
    ("book", "average_precision"): 0.72,
    ("book", "auc"): 0.88,
    ("added", "average_precision"): 0.73,
    ("added", "auc"): 0.885,
}
BATCH = 64


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.models.bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    given = parser.parse_args()
    path = given.out / "models.json"
    if not DATA.exists():
        write_result(
            path,
            "",
            [],
            [{"name": "every row", "why": ("the handbook's data is not beside this checkout")}],
        )
        return 0
    data = read_transactions(DATA, is_labelled=True)
    rows: list[Row] = []
    for tested in run(data, print, validate=False):
        rows += _figures(tested)
    rows += _student(data, tested)
    rows += _reasons(data)
    with tempfile.TemporaryDirectory() as temporary:
        model = _scorers_model(Path(temporary))
        inputs = read_dataset(Path(temporary) / "in.parquet", STANDARD).rows
        rows += engines(model, STANDARD, inputs)
        rows.append(first_request("scorer of two stages on the CPU", partial(_ready_scorer, model)))
    gpu = "`make gpu-check` measures it where there is a GPU: build/bench/gpu.json"
    skipped = [
        {"name": f"ONNX Runtime on {name}, by batch", "why": gpu} for name in ("CUDA", "TensorRT")
    ]
    write_result(
        path,
        "the handbook's development file; test week 2018-08-08 to 08-14; one seed",
        rows,
        skipped,
    )
    return 0


def _figures(tested: Tested) -> list[Row]:
    out = []
    for name, value in tested.figures.items():
        label = (
            f"{tested.variant.name}, {len(tested.variant.features.names)} inputs, "
            f"{tested.variant.days} days: {name}"
        )
        goal = GOALS.get((tested.variant.name, name))
        out.append(
            Row.figure(label, [value], "") if goal is None else Row.least(label, [value], "", goal)
        )
    return out


def _reasons(data: Transactions, times: int = 300) -> list[Row]:
    """Wall time of explaining 8 rows of a model of 200 trees by 31 leaves, and LightGBM's own
    contributions beside it.
    """
    variant = VARIANTS[0]
    training, held = split(data, TEST, variant.days)
    inputs = data.vectors(variant.features, is_at_event=True)
    booster = boost(
        inputs[training], labels_of(data)[training], FitSettings(trees=200, leaves=31, patience=0)
    )
    paths, rows = tree_paths(booster), np.ascontiguousarray(inputs[held[:8]])
    paths.contributions(rows)
    ours, theirs = [], []
    for _ in range(times):
        ours.append(_timed(lambda: paths.contributions(rows)))
        theirs.append(_timed(lambda: _own(booster, rows)))
    return [
        Row.most(
            "exact reasons of 8 rows, 200 trees, p99",
            [float(np.quantile(ours, 0.99)) * 1e3],
            "ms",
            3,
        ),
        Row.figure(
            "exact reasons of 8 rows, 200 trees, p50", [float(np.quantile(ours, 0.5)) * 1e3], "ms"
        ),
        Row.figure(
            "the same by LightGBM's pred_contrib on one thread, p50",
            [float(np.quantile(theirs, 0.5)) * 1e3],
            "ms",
        ),
    ]


def _student(data: Transactions, tested: Tested) -> list[Row]:
    """The student of the last variant's trees on its test week, and its smaller variants; CPU of
    ONNX Runtime alone.
    """
    teacher = np.asarray(
        tested.booster.predict(tested.inputs[tested.training], raw_score=True), np.float64
    )
    splits = strongest_splits(tested.booster)
    student = export_student(distil(tested.inputs[tested.training], teacher, splits=splits))
    rows = np.ascontiguousarray(tested.inputs[tested.rows])
    labels = labels_of(data)[tested.rows]
    sessions = {
        "trees": tested.onnx,
        "student": student,
        "INT8": quantised(student),
        "FP16": halved(student),
    }
    runs = {
        name: OnnxSession(raw, rows.shape[1], Path(name)).predict for name, raw in sessions.items()
    }
    found = {name: average_precision(labels, work(rows)) for name, work in runs.items()}
    cpu = {name: [_cpu_a_row(work, rows) for _ in range(5)] for name, work in runs.items()}
    out = [
        Row.compared(
            f"CPU a row in batches of {BATCH}, trees over student",
            cpu["student"],
            cpu["trees"],
            "us",
            10,
            higher=True,
        ),
        Row.most(
            "average precision, trees less student", [found["trees"] - found["student"]], "", 0.03
        ),
    ]
    for name in ("INT8", "FP16"):
        out.append(
            Row.most(
                f"average precision, student less its {name} variant",
                [found["student"] - found[name]],
                "",
                0.005,
            )
        )
        out.append(Row.figure(f"CPU a row in batches of {BATCH}, {name}", cpu[name], "us"))
    out += _second_stage(tested, labels, rows, runs["student"](rows))
    for name in ("trees", "student"):
        out += by_batch(
            f"{name} on the CPU", OnnxSession(sessions[name], rows.shape[1], Path(name)), rows
        )
    return out


def _ready_scorer(folder: Path) -> Callable[[], object]:
    """A scorer's core as it is when the service says that it is ready; each call is a micro-batch
    of one, of a new customer.
    """
    model, policy = load_model(ScorerSettings(model=folder, stage2="on"), STANDARD)
    core = ScorerCore(STANDARD, model, policy, 2048, "EUR")
    compile_all()
    warm(STANDARD, model, policy)
    return map(partial(score_alone, core), single_rows()).__next__


def _second_stage(
    tested: Tested,
    labels: NDArray[np.bool_],
    rows: NDArray[np.float32],
    student: NDArray[np.float32],
) -> list[Row]:
    """What the student gains as a second stage: asked for the 5 % that the trees find the most
    suspicious, less the top 0.2 %.
    """
    trees = np.asarray(tested.booster.predict(rows), np.float64)
    low, high = np.quantile(trees, [1 - BAND * 0.01, 1 - 0.002])
    gain, sure = gained(labels, trees, combined(trees, student, low, high), 0)
    return [
        Row.figure("average precision gained by the student as second stage", [gain], ""),
        Row.figure("share of bootstrap samples in which it gains (it is on from 0.95)", [sure], ""),
    ]


def _scorers_model(folder: Path) -> Path:
    pq.write_table(simulate(Simulation(seed=2, customers=1000, days=30)), folder / "in.parquet")
    settings = FitSettings(trees=100, patience=0, stage2="fp32")
    train(read_dataset(folder / "in.parquet", STANDARD), STANDARD, settings, folder / "model")
    return folder / "model"


def _cpu_a_row(
    work: Callable[[NDArray[np.float32]], NDArray[np.float32]], rows: NDArray[np.float32]
) -> float:
    batches = [rows[start : start + BATCH] for start in range(0, 40 * BATCH, BATCH)]
    for batch in batches:
        work(batch)
    started = time.process_time()
    for _ in range(25):
        for batch in batches:
            work(batch)
    return (time.process_time() - started) / (25 * len(batches) * BATCH) * 1e6


def _own(booster: lgb.Booster, rows: NDArray[np.float32]) -> object:
    return booster.predict(rows, pred_contrib=True, num_threads=1)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
