"""The Observer: what cores name is there, and what they say arrives."""

import re
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from riskstream.platform.telemetry.metrics import ProfilerMetrics, TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver

SERVICES = Path(__file__).resolve().parents[4] / "services" / "riskstream"


@pytest.mark.parametrize(
    ("service", "metrics"), [("tracker", TrackerMetrics), ("profiler", ProfilerMetrics)]
)
def test_every_metric_that_a_core_names_is_there(
    service: str, metrics: type[TrackerMetrics] | type[ProfilerMetrics]
) -> None:
    there = metrics(CollectorRegistry())
    code = "".join(path.read_text() for path in sorted((SERVICES / service).glob("*.py")))
    named = re.findall(r'_observer\.(count|show)\("(\w+)"', code)
    assert len(named) >= 5
    for how, name in named:
        assert isinstance(getattr(there, name), Counter if how == "count" else Gauge), name


def test_what_a_core_says_is_counted_shown_and_logged() -> None:
    registry = CollectorRegistry()
    with structlog.testing.capture_logs() as logged:
        observer = MetricsObserver(TrackerMetrics(registry), "tracker")
        observer.count("scores")
        observer.count("alerts", 2, decision="block")
        observer.show("customers", 7)
        observer.report("scores are missing before this one", partition=3)
    assert registry.get_sample_value("riskstream_tracker_scores_total") == 1
    assert registry.get_sample_value("riskstream_tracker_alerts_total", {"decision": "block"}) == 2
    assert registry.get_sample_value("riskstream_tracker_customers") == 7
    assert logged == [
        {"event": "scores are missing before this one", "partition": 3, "log_level": "error"}
    ]
