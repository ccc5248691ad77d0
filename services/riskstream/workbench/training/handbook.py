"""The public book's protocol: train on past days, let a week pass for the labels, test on a week
without known cards.

Le Borgne et al., Fraud Detection Handbook (2022), chapters 3 and 5. The settings here were chosen
on the validation weeks (2018-07-04 to 07-31, each with its own training span before it); the test
week is read once, at the end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.evaluation import average_precision, card_precision, roc_auc
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.handbook import HANDBOOK, HANDBOOK_ADDED
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.rows.dataset import labels_of
from riskstream.workbench.rows.transactions import Transactions
from riskstream.workbench.training.export import export
from riskstream.workbench.training.fit import FitSettings, boost
from riskstream.workbench.training.gates import exported_scores

WEEK, DELAY = 7, 7
"""Days of a test week, and days after which a label is known."""


def _day(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000) // DAY_MS


TEST = _day("2018-08-08")
VALIDATION = tuple(_day("2018-07-04") + 7 * week for week in range(4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One model: its inputs, how many days it trains on, and how."""

    name: str
    features: FeatureSet
    days: int
    settings: FitSettings


VARIANTS = (
    Variant(
        name="week",
        features=HANDBOOK_ADDED,
        days=7,
        settings=FitSettings(
            trees=300,
            leaves=15,
            learning_rate=0.03,
            min_leaf_rows=10,
            column_share=0.5,
            row_share=0.7,
            l2=1.0,
            max_bin=4095,
            patience=0,
        ),
    ),
    Variant(
        name="book",
        features=HANDBOOK,
        days=84,
        settings=FitSettings(
            trees=400,
            leaves=31,
            learning_rate=0.04,
            min_leaf_rows=40,
            column_share=0.6,
            row_share=0.8,
            l2=5.0,
            max_bin=4095,
            patience=0,
        ),
    ),
    Variant(
        name="added",
        features=HANDBOOK_ADDED,
        days=84,
        settings=FitSettings(
            trees=400,
            leaves=31,
            learning_rate=0.04,
            min_leaf_rows=40,
            column_share=0.6,
            row_share=0.8,
            l2=5.0,
            max_bin=4095,
            patience=0,
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A variant's trees, their ONNX model and figures, the rows trained and tested on, and the
    scores of the latter.

    `inputs` float32[n, columns] are of all rows of the file.
    """

    variant: Variant
    booster: lgb.Booster
    onnx: bytes
    inputs: NDArray[np.float32]
    training: NDArray[np.int64]
    figures: dict[str, float]
    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


def split(
    data: Transactions, test_day: int, train_days: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(training rows, test rows) for the test week that begins on `test_day` (days since 1970).

    Training ends DELAY + 1 days before it. From the test rows of a day go those of cards whose
    fraud is known by then: in the last week of training, or on a day up to DELAY + 1 before.
    """
    day = data.columns.occurred_at // DAY_MS
    labels, cards = labels_of(data), data.customers
    last = test_day - DELAY - 1
    training = np.flatnonzero((day > last - train_days) & (day <= last))
    if not len(training) or day[0] > last - train_days + 1 or day[-1] < test_day + WEEK - 1:
        begin, end = (
            datetime.fromtimestamp(each * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
            for each in (last - train_days + 1, test_day + WEEK - 1)
        )
        raise Fatal(
            what=f"the handbook's weeks are {begin} to {end}, and the file does not hold them",
            where=str(data.path),
            do="give the book's data",
            exit_code=Exit.INPUT,
        )
    known = set(cards[labels & (day > last - WEEK) & (day <= last)].tolist())
    test = []
    for each in range(test_day, test_day + WEEK):
        known |= set(cards[labels & (day == each - DELAY - 1)].tolist())
        rows = np.flatnonzero(day == each)
        test.append(rows[~np.isin(cards[rows], list(known))])
    return training, np.concatenate(test)


def figures(
    data: Transactions, rows: NDArray[np.int64], scores: NDArray[np.floating]
) -> dict[str, float]:
    """AUC, average precision and Card Precision@100 of scored rows."""
    labels, day = labels_of(data)[rows], data.columns.occurred_at[rows] // DAY_MS
    return {
        "auc": roc_auc(labels, scores),
        "average_precision": average_precision(labels, scores),
        "card_precision_100": card_precision(labels, scores, data.customers[rows], day),
    }


def validated(
    data: Transactions, variant: Variant, inputs: NDArray[np.float32]
) -> dict[str, float]:
    """Mean figures over the validation weeks."""
    found = []
    for first in VALIDATION:
        training, held = split(data, first, variant.days)
        booster = boost(inputs[training], labels_of(data)[training], variant.settings)
        found.append(figures(data, held, np.asarray(booster.predict(inputs[held]))))
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def run(data: Transactions, say: Callable[[str], Any], *, validate: bool) -> Iterator[Tested]:
    """Train and test every variant; with `validate` its figures on the validation weeks come
    first.
    """
    inputs: dict[str, NDArray[np.float32]] = {}
    for variant in VARIANTS:
        name = variant.features.name
        if name not in inputs:
            say(f"computing {variant.features.label}")
            inputs[name] = data.vectors(variant.features, is_at_event=True)
        if validate:
            say(f"{variant.name}: {len(VALIDATION)} validation weeks")
            say(f"{variant.name}: validation {_shown(validated(data, variant, inputs[name]))}")
        training, test = split(data, TEST, variant.days)
        say(f"{variant.name}: training on {len(training):,} rows of {variant.days} days")
        booster = boost(inputs[name][training], labels_of(data)[training], variant.settings)
        onnx = export(booster, len(variant.features.names))
        scores, _ = exported_scores(booster, onnx, inputs[name][test])
        yield Tested(
            variant=variant,
            booster=booster,
            onnx=onnx,
            inputs=inputs[name],
            training=training,
            figures=figures(data, test, scores),
            rows=test,
            scores=scores,
        )


def _shown(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items())
