"""Topics as code on the real broker."""

import dataclasses
import uuid

import pytest
from tests.support.world import World

from riskstream.domain.contracts.catalog import topics
from riskstream.platform.kafka.clients.topic_steps import Safety
from riskstream.runtime.errors import Fatal


def test_apply_makes_alters_and_then_has_nothing_to_do(world: World) -> None:
    name = f"made-{uuid.uuid4().hex[:6]}.v1"
    topic = dataclasses.replace(topics()["labels.v1"], name=name)
    assert [step.action for step in world.admin.apply([topic], 4)] == ["create"]
    assert world.admin.plan([topic], 4) == []
    changed = dataclasses.replace(topic, config={**topic.config, "retention.ms": "1000"})
    assert [(step.action, step.detail) for step in world.admin.apply([changed], 4)] == [
        ("alter", f"retention.ms: {topic.config['retention.ms']} -> 1000")
    ]
    assert world.admin.plan([changed], 4) == []


def test_a_partition_count_is_never_changed_and_no_topic_is_ever_deleted(world: World) -> None:
    before = world.admin.partitions()
    with pytest.raises(Fatal, match="have 4 partitions, 8 were asked for"):
        world.admin.apply(list(topics().values()), 8)
    assert world.admin.apply([topics()["scores.v1"]], 4) == []
    assert world.admin.partitions() == before


def test_declared_topics_keep_append_time_on_the_broker(world: World) -> None:
    assert world.admin.plan(list(topics().values()), 4) == []


def test_a_topic_that_others_made_unsafe_is_shown_and_made_safe(world: World) -> None:
    name = f"made-{uuid.uuid4().hex[:6]}.v1"
    topic = dataclasses.replace(topics()["labels.v1"], name=name)
    unsafe = {"unclean.leader.election.enable": "true", "message.timestamp.type": "CreateTime"}
    world.admin.apply([dataclasses.replace(topic, config={**topic.config, **unsafe})], 4)
    found = {step.detail for step in world.admin.plan([topic], 4, Safety.of(1))}
    assert found == {
        "unclean.leader.election.enable: true -> false",
        "message.timestamp.type: CreateTime -> LogAppendTime",
    }
    world.admin.apply([topic], 4, Safety.of(1))
    assert world.admin.plan([topic], 4, Safety.of(1)) == []


def test_more_copies_than_brokers_are_refused_and_nothing_is_made(world: World) -> None:
    topic = dataclasses.replace(topics()["labels.v1"], name=f"made-{uuid.uuid4().hex[:6]}.v1")
    with pytest.raises(
        Fatal, match="3 copies of each topic were asked for, and the cluster shows 1 brokers"
    ):
        world.admin.apply([topic], 4, Safety.of(3))
    assert topic.name not in world.admin.partitions()
