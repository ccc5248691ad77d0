"""A small model for load tests, trained once on simulated history."""

from pathlib import Path

import pyarrow.parquet as pq

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train


def small_model(folder: Path, trees: int = 100) -> Path:
    """The model's folder; made where it is not there yet. It has exactly `trees` trees of 31
    leaves.
    """
    if (folder / "reasons.npz").exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    data = folder.with_suffix(".parquet")
    pq.write_table(simulate(Simulation(seed=1, customers=1500, days=45)), data)
    train(read_dataset(data, STANDARD), STANDARD, FitSettings(trees=trees, patience=0), folder)
    data.unlink()
    return folder
