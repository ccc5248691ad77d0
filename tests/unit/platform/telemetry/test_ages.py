"""A histogram that counts records, not batches."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from riskstream.platform.telemetry.ages import Ages

BOUNDS_S = (0.01, 0.05, 0.5, 5.0)
NOW_S = 1_750_000_000.0


def _read(registry: CollectorRegistry, name: str) -> dict[str, float]:
    out = {}
    for family in registry.collect():
        for sample in family.samples:
            if family.name == name and not sample.name.endswith("_created"):
                out[sample.name.removeprefix(name) + str(sample.labels.get("le", ""))] = (
                    sample.value
                )
    return out


@given(
    batches=st.lists(
        st.lists(
            st.one_of(st.integers(-50, 20_000), st.sampled_from([0, 10, 50, 500, 5000])),
            max_size=40,
        ),
        max_size=6,
    )
)
def test_it_counts_each_record_as_a_histogram_that_observes_each(batches: list[list[int]]) -> None:
    registry, patch = CollectorRegistry(), pytest.MonkeyPatch()
    mine = Ages("mine", "-", BOUNDS_S, registry)
    oracle = Histogram("theirs", "-", buckets=BOUNDS_S, registry=registry)
    with patch.context() as given_time:
        given_time.setattr("riskstream.platform.telemetry.ages.time.time", lambda: NOW_S)
        for batch in batches:
            mine.observe(np.array([int(NOW_S * 1000) - age for age in batch], np.int64))
            for age in batch:
                oracle.observe(max(age, 0) / 1000)
    found, expected = _read(registry, "mine"), _read(registry, "theirs")
    assert found == pytest.approx(expected, abs=1e-6)
    assert found["_count"] == sum(map(len, batches))


def test_a_late_batch_weighs_as_many_records_as_it_has() -> None:
    registry = CollectorRegistry()
    mine = Ages("mine", "-", BOUNDS_S, registry)
    now_ms = int(time.time() * 1000)
    for _ in range(100):
        mine.observe(np.array([now_ms], np.int64))
    mine.observe(np.full(2048, now_ms - 3000, np.int64))
    found = _read(registry, "mine")
    late = 1 - found["_bucket0.5"] / found["_count"]
    assert late == pytest.approx(2048 / 2148)


def test_it_is_shown_as_prometheus_reads_it() -> None:
    registry = CollectorRegistry()
    Ages("mine_seconds", "How old", (0.5, 1.0), registry).observe(np.array([0], np.int64))
    text = generate_latest(registry).decode()
    assert "# TYPE mine_seconds histogram" in text
    assert 'mine_seconds_bucket{le="0.5"} 0.0' in text
    assert 'mine_seconds_bucket{le="+Inf"} 1.0' in text
