"""Positions in commit metadata: short at 1,000 partitions, read again as they were, in the form of
before as well.
"""

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS

from riskstream.domain.risk.features.profiles.log import ProfileLog
from riskstream.domain.risk.features.profiles.positions_text import packed, unpacked
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka.record import Record, one_by_one
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler.core import ProfilerCore


def _positions(partitions: int, spread: int) -> dict[int, int]:
    dice = np.random.default_rng(partitions)
    series = [
        (p << 16) | (index << 4) | kind
        for p in range(partitions)
        for index in range(3)
        for kind in (1, 2)
    ]
    return {each: 50_000_000 + int(dice.integers(spread)) for each in series}


@pytest.mark.parametrize("partitions", [0, 1, 12, 72, 1000])
@pytest.mark.parametrize("spread", [1, 10_000, 2**40])
def test_positions_are_read_as_they_were_written(partitions: int, spread: int) -> None:
    positions = _positions(partitions, spread)
    assert unpacked(packed(positions)) == positions


def test_the_form_of_before_is_read() -> None:
    log = ProfileLog(STANDARD_PROFILES)
    log.resume("flushed=7;clock=5;10001:2a,20011:ff")
    assert (log.clock_ms, log._last) == (5, {0x10001: 42, 0x20011: 255})


@pytest.mark.parametrize("spread", [1, 1_000_000])
@pytest.mark.parametrize("partitions", [12, 72, 1000])
def test_the_metadata_of_any_number_of_partitions_fits_and_is_taken_up(
    partitions: int, spread: int
) -> None:
    core = ProfilerCore(
        STANDARD_PROFILES, MetricsObserver(ProfilerMetrics(CollectorRegistry()), "profiler")
    )
    core.resume(0, None)
    log = core._partitions[0].log
    log.clock_ms, log._last = NOW_MS, _positions(partitions, spread)
    state = core.flush(0)
    metadata = f"flushed={2**40};{core.metadata(0)}"
    assert len(metadata.encode()) <= 4096
    records = [
        Record(
            topic=o.topic,
            partition=0,
            offset=n,
            appended_at=0,
            key=o.key,
            value=o.value,
            headers=[],
        )
        for n, o in enumerate(one_by_one(state))
    ]
    again = ProfilerCore(
        STANDARD_PROFILES, MetricsObserver(ProfilerMetrics(CollectorRegistry()), "profiler")
    )
    again.resume(0, metadata)
    again.restore(0, records)
    assert again._partitions[0].log._last == log._last
    assert again._partitions[0].log.clock_ms == NOW_MS
