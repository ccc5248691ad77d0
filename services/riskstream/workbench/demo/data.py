"""The demo's data and model: made once, kept under build/demo, made again when what they are made
of changes.
"""

import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from riskstream.domain.risk.features import declare, standard
from riskstream.domain.risk.features.owned import kernel
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.steps import Steps
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.rows.transactions import Reading
from riskstream.workbench.simulator import events, population, simulate
from riskstream.workbench.simulator.simulate import START_MS, Simulation
from riskstream.workbench.training import fit
from riskstream.workbench.training.fit import FitSettings, train

HISTORY = Simulation(seed=1, customers=4500, days=75)
MONTH = Simulation(seed=2, customers=1100, days=30, start_ms=START_MS + 90 * DAY_MS)
"""A later month of other people: another seed."""
TRANSACTIONS = 40_000
_NAMES = {
    "model",
    "history.parquet",
    "month.parquet",
    "made-of.txt",
    "training.json",
    "live",
    "reports",
    "summary.json",
}


def is_demo_folder(folder: Path) -> bool:
    """True where a folder holds what the demo makes and nothing else."""
    names = {each.name for each in folder.iterdir() if not each.name.startswith(".")}
    return "history.parquet" in names and names <= _NAMES


def prepare(folder: Path, say: Callable[[str], None], steps: Steps) -> tuple[Path, Path]:
    """(model folder, Parquet of the month's transactions to send)."""
    folder.mkdir(parents=True, exist_ok=True)
    model, month, stamp = folder / "model", folder / "month.parquet", folder / "made-of.txt"
    sources = "".join(
        inspect.getsource(each)
        for each in (events, population, simulate, declare, standard, kernel, fit)
    )
    made_of = hashlib.sha256(f"{HISTORY}{MONTH}{TRANSACTIONS}{sources}".encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == made_of and model.exists() and month.exists():
        say("model and data are there from the last run")
        return model, month
    stamp.unlink(missing_ok=True)
    say(f"simulating a history of {HISTORY.days} days")
    history = folder / "history.parquet"
    with steps("history", None):
        pq.write_table(simulate.simulate(HISTORY), history, compression="zstd")
        pq.write_table(simulate.simulate(MONTH).slice(0, TRANSACTIONS), month, compression="zstd")
    say("computing features of the history")
    data = read_dataset(history, STANDARD, Reading(steps=steps))
    say(f"training on {len(data.labels):,} transactions")
    metrics = train(data, STANDARD, FitSettings(), model, steps)
    say(
        f"model trained, average precision {metrics['average_precision']:.3f} on its "
        "validation rows"
    )
    (folder / "training.json").write_text(json.dumps(metrics, indent=2) + "\n")
    stamp.write_text(made_of)
    return model, month
