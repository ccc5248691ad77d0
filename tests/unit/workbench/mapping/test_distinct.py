"""Different values and repeats are counted in bounded memory, exactly or by a sample."""

import numpy as np
import pyarrow as pa
import pytest

from riskstream.workbench.mapping.distinct import Distinct, Repeats
from riskstream.workbench.mapping.hashed import hashes


def _hashes(numbers: np.ndarray) -> np.ndarray:
    return hashes(pa.chunked_array([pa.array(numbers).cast(pa.string())]))


@pytest.mark.parametrize("different", [0, 1, 999, 250_000])
def test_as_many_as_are_kept_are_counted_exactly(different: int) -> None:
    counted, rng = Distinct(), np.random.default_rng(different)
    for _ in range(5 if different else 0):
        numbers = np.concatenate([np.arange(different), rng.integers(0, different, 1000)])
        counted.add(_hashes(rng.permutation(numbers)))
    assert (counted.count(), counted.is_exact) == (different, True)


def test_more_are_counted_by_a_sample() -> None:
    counted = Distinct(most=1 << 16)
    for first in range(0, 1_000_000, 50_000):
        counted.add(_hashes(np.arange(first, first + 100_000)))
    assert not counted.is_exact
    assert counted.count() == pytest.approx(1_050_000, rel=0.02)
    assert len(counted._kept) <= 1 << 16


def test_repeats_are_rows_that_came_before() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 50_000, 100_000)
    counted = Repeats(block=1 << 12)
    assert counted.count() == 0
    for part in np.array_split(_hashes(numbers), 7):
        counted.add(part)
    assert counted.count() == len(numbers) - len(set(numbers.tolist()))
