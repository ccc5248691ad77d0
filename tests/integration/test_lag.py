"""Lag from outside: told of a group whose processes are all gone, of one that never was, and of one
that works.
"""

import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from confluent_kafka import TopicPartition
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from tests.support.builders import rows
from tests.support.world import PARTITIONS, World

from riskstream.lag.app import LagService
from riskstream.lag.settings import LagSettings
from riskstream.platform.kafka.clients.client import consumer
from riskstream.platform.telemetry.metrics import LagMetrics
from riskstream.workbench.local.services import start_service, wait_ready

DEADLINE_S = 40.0
Shown = dict[tuple[str, str, str], float]


def _get(url: str) -> Shown:
    """By (sample, group, topic) the sum over partitions."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    out: Shown = {}
    for each in (
        sample
        for family in families
        for sample in family.samples
        if sample.name.startswith("riskstream_lag_")
    ):
        key = (
            each.name.removeprefix("riskstream_lag_"),
            each.labels.get("group", ""),
            each.labels.get("topic", ""),
        )
        out[key] = out.get(key, 0.0) + each.value
    return out


@pytest.fixture
def gone() -> str:
    """A group of this test alone."""
    return f"gone-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def lag(world: World, gone: str, tmp_path: Path) -> Iterator[str]:
    """URL of a lag service that also expects `gone` and a group that never was."""
    groups = f"scorer=transactions.v1,tracker=scores.v1,{gone}=transactions.v1,never-was=scores.v1"
    service = start_service(
        "lag", tmp_path, "--kafka", world.kafka, "--groups", groups, "--every-s", "0.3"
    )
    try:
        wait_ready([service])
        yield service.telemetry
    finally:
        service.server.stop()


def _until(url: str, holds: Callable[[Shown], bool]) -> Shown:
    end = time.monotonic() + DEADLINE_S
    while not holds(shown := _get(url)):
        assert time.monotonic() < end, shown
        time.sleep(0.1)
    return shown


def test_it_tells_of_dead_groups_what_they_cannot_tell_themselves(
    world: World, gone: str, lag: str
) -> None:
    member = consumer(world.kafka, gone)
    member.subscribe(["transactions.v1"])
    end = time.monotonic() + DEADLINE_S
    while not member.assignment():
        assert time.monotonic() < end
        member.poll(0.1)
    _until(
        lag, lambda shown: shown["has_members", gone, ""] == shown["has_members", "scorer", ""] == 1
    )
    world.send(rows(world.tag, 0, 100))
    done = [
        TopicPartition("transactions.v1", number, at)
        for number, at in enumerate(world.ends("transactions.v1"))
    ]
    member.commit(offsets=done, asynchronous=False)
    member.close()
    events, seconds = ("events", gone, "transactions.v1"), ("seconds", gone, "transactions.v1")
    before = _until(lag, lambda shown: shown["has_members", gone, ""] == 0 and shown[events] == 0)
    world.send(rows(world.tag, 100, 50))
    world.scores(150)
    shown = _until(lag, lambda shown: shown[events] == 50 and shown[seconds] > 0.5)
    assert (
        shown["appended_total", "", "transactions.v1"]
        - before["appended_total", "", "transactions.v1"]
        == 50
    )
    last = _until(lag, lambda shown: shown["events", "scorer", "transactions.v1"] == 0)
    assert last["seconds", "scorer", "transactions.v1"] == 0
    assert last["has_members", "never-was", ""] == 0
    assert last["events", "never-was", "scores.v1"] == sum(world.ends("scores.v1"))
    assert last["seconds", "never-was", "scores.v1"] > 1


def test_it_says_when_the_cluster_last_answered_and_nothing_before(world: World) -> None:
    registry = CollectorRegistry()
    settings = LagSettings(kafka=world.kafka, groups="scorer=transactions.v1")
    service = LagService(settings, LagMetrics(registry), Event(), world.admin)
    assert registry.get_sample_value("riskstream_lag_seen_timestamp_seconds") is None
    service.look()
    seen = registry.get_sample_value("riskstream_lag_seen_timestamp_seconds")
    assert seen == pytest.approx(time.time(), abs=5)
    places = [
        registry.get_sample_value(
            "riskstream_lag_events",
            {"group": "scorer", "topic": "transactions.v1", "partition": str(n)},
        )
        for n in range(PARTITIONS)
    ]
    assert None not in places
