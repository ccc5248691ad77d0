"""topics/ names who reads and writes each topic, and the chart gives rights by it: the services'
code names the same topics.
"""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from riskstream.domain.contracts.catalog import topics
from riskstream.domain.risk.features.profiles.vector import topic_of
from riskstream.domain.risk.features.sets import SETS
from riskstream.platform.kafka.lanes.ports import DerivedWork
from riskstream.platform.telemetry.metrics import ProfilerMetrics, TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler.core import ProfilerCore
from riskstream.tracker.core import TrackerCore

PACKAGE = Path(__file__).resolve().parents[2] / "services" / "riskstream"
SERVICES = ("gateway", "scorer", "tracker", "profiler", "reporter")
OF_EVERY_SERVICE = {"owners.v1", "schemas.v1"}
"""Read and written by what all services share: `platform/kafka/claims.py`, `.../schemas.py`."""
PROFILES = {topic_of(entity) for features in SETS.values() for entity in features.profiles}
OF_A_CONTRACT = {
    "codec",
    "contract",
    "bounds_of",
    "ColumnDecoder",
    "ColumnEncoder",
    "prove_currency",
}
"""Calls whose texts may name a contract, which may be called as its topic is."""


def _topics_in(value: Any) -> set[str]:
    if value is topic_of:
        return PROFILES
    if isinstance(value, str):
        return {value} & topics().keys()
    if isinstance(value, dict):
        return _topics_in([*value, *value.values()])
    if isinstance(value, tuple | list | set | frozenset):
        return {name for each in value for name in _topics_in(each)}
    return set()


def _named(path: Path) -> Iterator[str]:
    """Topics that a module names: in its own texts, or by what it imports from elsewhere."""
    tree = ast.parse(path.read_text())
    of_contracts = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in OF_A_CONTRACT
        for each in node.args[-1:]
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in of_contracts:
            yield from _topics_in(node.value)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("riskstream"):
            module = importlib.import_module(str(node.module))
            for each in node.names:
                yield from _topics_in(getattr(module, each.name))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_names_the_topics_that_name_it_and_no_others(service: str) -> None:
    named = {name for path in (PACKAGE / service).rglob("*.py") for name in _named(path)}
    declared = {
        each.name for each in topics().values() if service in (*each.producers, *each.consumers)
    }
    assert named | OF_EVERY_SERVICE == declared


def _works() -> list[tuple[str, DerivedWork]]:
    registry = CollectorRegistry()
    return [
        ("tracker", TrackerCore(MetricsObserver(TrackerMetrics(registry), "tracker"))),
        (
            "profiler",
            ProfilerCore(
                SETS["standard-profiles"],
                MetricsObserver(ProfilerMetrics(CollectorRegistry()), "profiler"),
            ),
        ),
    ]


def test_what_a_derived_lane_restores_from_is_readable_to_its_service() -> None:
    """A start without offsets reads them; the broker would refuse it then and not before."""
    for service, work in _works():
        for name in (*work.state_topics, *work.tails):
            each = topics()[name]
            is_own_state = service in each.producers and each.is_compacted
            assert is_own_state or service in each.consumers, f"{service}: {name}"
