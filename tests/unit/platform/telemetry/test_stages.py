"""The stages' histogram says what prometheus_client's own would."""

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from riskstream.platform.telemetry.stages import Stages


def test_it_is_shown_as_a_histogram_with_a_label_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = (0.001, 0.01, 1.0)
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    now = [0.0]
    monkeypatch.setattr("riskstream.platform.telemetry.stages.time.perf_counter", lambda: now[0])
    stages = Stages("x_seconds", "What it is", ("a", "b"), bounds, ours)
    histogram = Histogram("x_seconds", "What it is", ["stage"], buckets=bounds, registry=theirs)
    for a, b in ((0.001, 0.5), (0.002, 3.0), (0.0, 0.25)):
        now[0] = 0.0
        stages.begin()
        now[0] = a
        stages.mark("a")
        now[0] = a + b
        stages.mark("b")
        histogram.labels("a").observe(a)
        histogram.labels("b").observe(a + b - a)
    assert stages.last == {"a": 0.0, "b": 0.25}

    def lines(registry: CollectorRegistry) -> list[str]:
        return sorted(
            line
            for line in generate_latest(registry).decode().splitlines()
            if "_created" not in line
        )

    assert lines(ours) == lines(theirs)
