"""The simulated data is no toy: models of it need more than one column."""

from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.risk.evaluation import average_precision
from riskstream.domain.risk.features.offline import vectors
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.runtime.durations import DAY_MS
from riskstream.workbench.rows.columns import transaction_columns
from riskstream.workbench.simulator.simulate import START_MS, Simulation, simulate


def test_no_single_column_reaches_half_of_the_models_average_precision() -> None:
    """Else it is a toy: each raw column alone, fitted on one population, against the model, on
    another's later month.
    """
    before = simulate(Simulation(seed=11, customers=2500, days=45))
    after = simulate(Simulation(seed=12, customers=1500, days=30, start_ms=START_MS + 60 * DAY_MS))
    labels, truth = before["is_fraud"].to_numpy(), after["is_fraud"].to_numpy()
    rows = [
        vectors(STANDARD, transaction_columns(table, Path("simulated")))
        for table in (before, after)
    ]
    model = average_precision(truth, _fitted(rows[0], labels).predict(rows[1]))
    for name in before.column_names:
        if name in ("is_fraud", "attack", "label_known_at", "transaction_id", "corrects"):
            continue
        alone = [_one_column(before[name], before[name]), _one_column(after[name], before[name])]
        found = average_precision(truth, _fitted(alone[0], labels).predict(alone[1]))
        assert found < model / 2, (name, found, model)


def _fitted(rows: NDArray[np.float32], labels: NDArray[np.bool_]) -> lgb.Booster:
    parameters = {
        "objective": "binary",
        "verbose": -1,
        "max_bin": 2047,
        "min_data_in_leaf": 40,
        "num_threads": 2,
        "seed": 0,
    }
    return lgb.train(parameters, lgb.Dataset(rows, labels.astype(np.int8)), 80)


def _one_column(column: pa.ChunkedArray, known: pa.ChunkedArray) -> NDArray[np.float32]:
    """A column as one number a row: itself, or its place among the texts that were seen."""
    if pa.types.is_string(column.type):
        column = pc.index_in(column, pc.unique(known))
    values = pc.fill_null(column.cast(pa.float64()), -1.0)
    return np.asarray(values.to_numpy(), np.float32).reshape(-1, 1)
