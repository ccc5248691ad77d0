"""What alerts and scaling are made of: each record is one observation, however large its batch or
its commit was.
"""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families
from tests.support.builders import rows
from tests.support.world import World


def _count(world: World, service: str, sample: str) -> float:
    with urllib.request.urlopen(
        f"{world.chain.services[service].telemetry}/metrics", timeout=5
    ) as answer:
        text = answer.read().decode()
    found = [
        each
        for family in text_string_to_metric_families(text)
        for each in family.samples
        if each.name == sample
    ]
    return sum(each.value for each in found)


def test_each_score_and_each_committed_record_is_one_observation_of_its_age(world: World) -> None:
    scored, committed = (
        "riskstream_scorer_event_age_seconds_count",
        "riskstream_tracker_source_age_seconds_count",
    )
    world.wait_for_tracker()
    before = _count(world, "scorer", scored), _count(world, "tracker", committed)
    world.send(rows(world.tag, 0, 700))
    world.scores(700)
    world.wait_for_tracker()
    assert _count(world, "scorer", scored) - before[0] == 700
    assert _count(world, "tracker", committed) - before[1] == 700
