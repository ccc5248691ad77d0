"""What a lane shows of a partition that it holds. No server answers: nothing of it needs one."""

from threading import Event

import pytest
from confluent_kafka import TopicPartition
from prometheus_client import CollectorRegistry

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.kafka.lanes.exact.lane import Lane, Stores
from riskstream.platform.kafka.lanes.exact.openings import MOST_REOPENINGS
from riskstream.platform.kafka.lanes.exact.owned import Owned, Phase
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.ports import Outcome
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.models import NO_MODEL


def _lane(registry: CollectorRegistry) -> Lane:
    settings = LaneSettings(
        kafka="127.0.0.1:9",
        group="g",
        source="source",
        output="output",
        dead_letters="letters",
        drain_ms=1,
    )
    core, store = (
        ScorerCore(STANDARD, *NO_MODEL, 16, "EUR"),
        RedisStateStore("redis://127.0.0.1:9/0", "test"),
    )
    return Lane(settings, core, Stores(store), LaneMetrics(registry), Event())


@pytest.mark.parametrize("was_slow", [True, False])
def test_a_store_that_answers_late_again_and_again_holds_nothing_and_one_that_goes_back_does(
    was_slow: bool,
) -> None:
    lane = _lane(CollectorRegistry())
    lane._member.client.incremental_assign([TopicPartition("source", 3, 0)])
    lane._owned[3] = Owned(partition=3, number=1)
    outcome = Outcome(frames=[], rejected=[], abandoned=frozenset({3}))
    for _ in range(2 * MOST_REOPENINGS):
        lane._owned[3].touched_unreadable = was_slow
        lane._partitions.take_up_abandoned(outcome)
    assert (lane._owned[3].phase is Phase.HELD) == (not was_slow)
    lane._member.client.close()


@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_held_partition_that_moved_away_is_not_shown_as_held(is_revoked: bool) -> None:
    registry = CollectorRegistry()
    lane = _lane(registry)
    mine = [TopicPartition("source", 3, 0)]
    lane._member.client.incremental_assign(mine)
    lane._owned[3] = Owned(partition=3, number=1)
    lane._partitions.hold(lane._owned[3], "a test")
    assert registry.get_sample_value("riskstream_scorer_held", {"partition": "3"}) == 1
    (lane._on_revoke if is_revoked else lane._partitions.forget)(lane._member.client, mine)
    assert registry.get_sample_value("riskstream_scorer_held", {"partition": "3"}) == 0
    lane._member.client.close()
