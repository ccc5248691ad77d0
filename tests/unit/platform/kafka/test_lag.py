"""Lag in seconds: from the append of the last record taken, zero at the end, growing while nothing
is taken.
"""

import pytest
from prometheus_client import CollectorRegistry, Gauge

from riskstream.platform.kafka.lanes.lag import Lag


def test_lag_grows_until_the_end_is_reached_and_goes_with_the_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = CollectorRegistry()
    now = [1000.0]
    monkeypatch.setattr("riskstream.platform.kafka.lanes.lag.time.time", lambda: now[0])
    lag = Lag(Gauge("lag_seconds", "x", ["topic", "partition"], registry=registry))

    def shown(partition: int = 3) -> float | None:
        return registry.get_sample_value("lag_seconds", {"topic": "t", "partition": str(partition)})

    lag.own("t", 3)
    now[0] = 1002.0
    assert shown() == 2.0  # taking it up takes time as well
    lag.taken("t", 3, 6, 900_000)
    assert shown() == 102.0
    now[0] = 1003.0
    assert shown() == 103.0
    lag.reached_end("t", 3, 7)
    assert shown() == 0.0
    now[0] = 2000.0
    assert shown() == 0.0
    lag.taken("t", 3, 7, 1_999_500)
    assert shown() == 0.5
    lag.forget("t", 3)
    assert shown() is None
    lag.taken("t", 3, 8, 0)
    lag.reached_end("t", 3, 9)
    lag.forget("t", 3)
    assert shown() is None


def test_an_end_that_is_told_before_the_records_before_it_are_taken_stays() -> None:
    """The client gives both in one batch, and says the end once."""
    registry = CollectorRegistry()
    lag = Lag(Gauge("lag_seconds", "x", ["topic", "partition"], registry=registry))

    def shown() -> float | None:
        return registry.get_sample_value("lag_seconds", {"topic": "t", "partition": "3"})

    lag.own("t", 3)
    lag.reached_end("t", 3, 10)
    lag.taken("t", 3, 9, 1000)
    assert shown() == 0.0
    lag.taken("t", 3, 10, 1000)
    assert shown() != 0.0, "a record behind that end"
    lag.reached_end("t", 3, 12)
    lag.taken("t", 3, 10, 1000)
    assert shown() != 0.0, "a lane that waits at 11 is behind"
