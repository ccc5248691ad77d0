"""Rows to train on: vectors with labels, point in time."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.steps import Advance
from riskstream.workbench.mapping.survey import LeftOut
from riskstream.workbench.rows.transactions import (
    AS_IS,
    Reading,
    Transactions,
    read_transactions,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """`rows` float32[n, columns] of the feature set, `labels` bool[n], `occurred_at` ms int64[n],
    `customers` a number of each row's, `amounts_minor` int64[n] as features cannot hold them
    (float32), in time order. `base_currency` "": not said.
    """

    rows: NDArray[np.float32]
    labels: NDArray[np.bool_]
    occurred_at: NDArray[np.int64]
    customers: NDArray[np.int32]
    amounts_minor: NDArray[np.int64]
    base_currency: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)


def read_dataset(
    path: Path,
    features: FeatureSet,
    reading: Reading = AS_IS,
) -> Dataset:
    """Fatal as `read_transactions`, and where there are no labels or labels of one class only."""
    read = read_transactions(path, reading, is_labelled=True)
    labels = labels_of(read)
    with reading.steps("features", len(labels)) as advance:
        rows = read.vectors(features, advance)
    with reading.steps("check that no row knows a later one", None) as advance:
        check_no_leak(read, features, rows, advance)
    return Dataset(
        rows=rows,
        labels=labels,
        occurred_at=read.columns.occurred_at,
        customers=read.customers,
        amounts_minor=read.columns.base_amount_minor,
        base_currency=read.base_currency,
        left_out=read.left_out,
    )


def check_no_leak(
    read: Transactions,
    features: FeatureSet,
    rows: NDArray[Any],
    advance: Advance = lambda _: None,
) -> None:
    """Fatal where a row's vector changes when everything later than it is taken away: then it knew
    what came after.
    """
    n = len(rows)
    for place in sorted({n // 4, n // 2, 3 * n // 4}):
        room = np.empty((place + 1, rows.shape[1]), rows.dtype)
        alone = read.until(place + 1).vectors(features, advance, out=room)[place]
        differs = ~((alone == rows[place]) | (np.isnan(alone) & np.isnan(rows[place])))
        if differs.any():
            name = features.names[int(np.flatnonzero(differs)[0])]
            raise Fatal(
                what=f"feature {name} of row {place} depends on later rows or labels",
                where=str(read.path),
                do="correct the feature, or the times at which labels become known",
                exit_code=Exit.INPUT,
            )


def labels_of(read: Transactions) -> NDArray[np.bool_]:
    """Labels to train on or to compare with. Fatal where they are of one class."""
    labels = np.zeros(0, np.bool_) if read.labels is None else read.labels
    check_two_classes(labels, read.path)
    return labels


def check_two_classes(labels: NDArray[np.bool_], path: Path) -> None:
    if labels.all() or not labels.any():
        raise Fatal(
            what="the labels are all fraud or all genuine",
            where=str(path),
            do="give data with frauds and genuine ones",
            exit_code=Exit.INPUT,
        )
