"""The student: its graph equals its numbers, takes raw rows, and its smaller variants stay close to
it.
"""

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from riskstream.domain.risk.evaluation import average_precision
from riskstream.workbench.training.fit import FitSettings, boost
from riskstream.workbench.training.student import (
    Student,
    distil,
    export_student,
    halved,
    quantised,
    strongest_splits,
)

Fitted = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64], Student]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    rng = np.random.default_rng(0)
    rows = rng.lognormal(2, 2, (12_000, 6)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[:, 5] = 3.0  # a column that says nothing
    risk = (
        np.log1p(np.nan_to_num(rows[:, 0]))
        + 2 * (np.nan_to_num(rows[:, 1]) > 30)
        - np.isnan(rows[:, 2])
    )
    labels = rng.random(len(rows)) < 1 / (1 + np.exp(-(risk - 7)))
    booster = boost(rows[:9000], labels[:9000], FitSettings(trees=60, leaves=8, patience=0))
    margins = np.asarray(booster.predict(rows, raw_score=True))
    return (
        rows,
        labels,
        margins,
        distil(rows[:9000], margins[:9000], splits=strongest_splits(booster)),
    )


def _run(raw: bytes, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = ort.InferenceSession(raw, providers=["CPUExecutionProvider"]).run(
        None, {"features": rows}
    )[0]
    return found[:, 0]


def test_the_graph_equals_the_numbers_on_raw_rows(fitted: Fitted) -> None:
    rows, _, _, student = fitted
    strange = np.concatenate(
        [
            rows[:300],
            np.full((1, 6), np.nan, np.float32),
            np.full((1, 6), 3e38, np.float32),
            -rows[:5],
        ]
    )
    found = _run(export_student(student), strange)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-student.margins(strange))), atol=1e-5)
    assert np.isfinite(found).all()


def test_it_ranks_nearly_as_the_trees_do(fitted: Fitted) -> None:
    rows, labels, margins, student = fitted
    held = slice(9000, None)
    trees = average_precision(labels[held], margins[held])
    assert average_precision(labels[held], student.margins(rows[held])) >= trees - 0.03


@pytest.mark.parametrize("smaller", [quantised, halved])
def test_smaller_variants_lose_next_to_nothing(fitted: Fitted, smaller: object) -> None:
    rows, labels, _, student = fitted
    raw = export_student(student)
    small = smaller(raw)  # type: ignore[operator]
    full, less = _run(raw, rows[9000:]), _run(small, rows[9000:])
    assert average_precision(labels[9000:], less) >= average_precision(labels[9000:], full) - 0.005
    assert np.abs(full - less).max() < 0.1
    assert not np.array_equal(full, less)


def test_it_is_told_of_the_steps_that_the_trees_cut(fitted: Fitted) -> None:
    student = fitted[3]
    asked = zip(
        student.preparation.split_columns.tolist(),
        student.preparation.split_at.tolist(),
        strict=True,
    )
    assert any(column == 1 and 25 < at < 35 for column, at in asked), (
        "the risk steps up at 30 of column 1"
    )


def test_without_splits_it_is_a_plain_network(fitted: Fitted) -> None:
    rows, _, margins, _ = fitted
    plain = distil(rows[:2000], margins[:2000], epochs=2)
    np.testing.assert_allclose(
        _run(export_student(plain), rows[:50]),
        1 / (1 + np.exp(-plain.margins(rows[:50]))),
        atol=1e-5,
    )


def test_the_same_seed_gives_the_same_bytes(fitted: Fitted) -> None:
    rows, _, margins, _ = fitted
    once, again = (export_student(distil(rows[:2000], margins[:2000], epochs=2)) for _ in range(2))
    assert once == again
