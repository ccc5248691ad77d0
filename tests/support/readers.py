"""Every reader of every topic, with what it must do with a value that is none of the topic's
contract.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from riskstream.domain.contracts.catalog import contract, shipped
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.domain.risk.features.declare import TERMINAL, FeatureSet
from riskstream.domain.risk.features.profiles.log import ProfileLog
from riskstream.domain.risk.features.profiles.vector import topic_of
from riskstream.domain.risk.features.sets import SETS
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.adapters.key_records import KeyRecords
from riskstream.platform.adapters.redis_profiles import RedisProfileView
from riskstream.platform.adapters.release_channel import Channel
from riskstream.platform.adapters.rule_records import RuleRecords
from riskstream.platform.adapters.signing import PublicKey
from riskstream.platform.kafka.claims import Claim, take_claim
from riskstream.platform.kafka.dead_letters import dead_letters_of
from riskstream.platform.kafka.lanes.exact.output_tail import OutputTail
from riskstream.platform.kafka.lanes.exact.standing import Hold
from riskstream.platform.kafka.lanes.ports import Intake
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.schemas import TopicSchemas
from riskstream.platform.telemetry.metrics import ProfilerMetrics, TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler.core import ProfilerCore
from riskstream.profiler.outputs import STATE
from riskstream.profiler.shuffle import ShuffleCore
from riskstream.reporter.totals import Totals
from riskstream.runtime.errors import Rejected
from riskstream.scorer.answer_reader import ScoreAnswerReader
from riskstream.tracker.core import TrackerCore
from tests.support.builders import NOW_MS, frame, score
from tests.support.rule_records import rule

VALUES: dict[str, bytes] = {
    "empty": b"",
    "short": b"\0\0",
    "text": b"hello",
    "JSON": b'{"a":1}',
    "zeros": b"\0" * 64,
    "ones": b"\xff" * 64,
    "large": b"\xff" * 1_030_000,
    "an unknown schema": b"\0\xde\xad\xbe\xef" + b"\2" * 40,
    ("all ends"): b"\0" + b"\x7f" * 300,
    "a rule": rule("r"),
    "a transaction": frame(),
}
OURS_UNKNOWN = ("an unknown schema", "zeros", "all ends", "a rule", "a transaction")
"""Values with the frame of a record: their schema is not that of the topic, and may be known to a
later version.
"""


def example(name: str, at: int = 0) -> dict[str, Any]:
    path = sorted((shipped("schemas") / "examples" / name).glob("*.json"))[at]
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def record_of(topic: str, key: bytes, value: bytes | None, offset: int = 0) -> Record:
    return Record(
        topic=topic,
        partition=0,
        offset=offset,
        appended_at=NOW_MS,
        key=key,
        value=value,
        headers=[],
    )


def set_with(topic: str) -> FeatureSet:
    """A feature set that has the entity of a topic of vectors."""
    return next(
        (
            each
            for each in SETS.values()
            if any(topic_of(entity) == topic for entity in each.profiles)
        ),
        STANDARD_PROFILES,
    )


def profiler_core(features: FeatureSet) -> tuple[ProfilerCore, ProfilerMetrics]:
    metrics = ProfilerMetrics(CollectorRegistry())
    core = ProfilerCore(features, MetricsObserver(metrics, "profiler"))
    core.resume(0, None)
    return core, metrics


def tracker_core() -> tuple[TrackerCore, TrackerMetrics]:
    metrics = TrackerMetrics(CollectorRegistry())
    core = TrackerCore(MetricsObserver(metrics, "tracker"))
    core.resume(0, None)
    return core, metrics


def intake_of(topic: str, values: list[bytes | None]) -> Intake:
    n = len(values)
    return Intake(
        topic=topic,
        values=values,
        keys=[b"c-1"] * n,
        partitions=np.zeros(n, np.int32),
        offsets=np.arange(n),
        appended_at=np.full(n, NOW_MS),
    )


def profiler_shuffles_transactions(key: bytes, value: bytes) -> None:
    """Left out: the scorer writes the dead letter. `key` is the customer's."""
    shuffle = ShuffleCore((TERMINAL,), 64)
    junk = Intake(
        topic="transactions.v1",
        values=[value, frame()],
        keys=[key, b"c-1"],
        partitions=np.zeros(2, np.int32),
        offsets=np.arange(2),
        appended_at=np.full(2, NOW_MS),
    )
    assert [row for _, _, row in shuffle.take(junk)] == [1]


def profiler_shuffles_labels(_: bytes, value: bytes) -> None:
    """A dead letter."""
    shuffle = ShuffleCore((TERMINAL,), 64)
    good = codec("label.v1").encode({**example("label.v1"), "terminal_id": "t"})
    assert [row for _, _, row in shuffle.take(intake_of("labels.v1", [value, good]))] == [1]
    assert [row for row, _ in shuffle.broken] == [0]


def profiler_folds_events(_: bytes, value: bytes) -> None:
    log = ProfileLog(STANDARD_PROFILES)
    good = codec("profile-event.v1").encode(example("profile-event.v1"))
    assert log.take([value, good]) == 1
    assert log.positions


def tracker_folds_scores(key: bytes, value: bytes) -> None:
    """Held: a score that is left out would be missing for ever."""
    core, _ = tracker_core()
    core.restore(0, [])
    good = codec("score.v1").encode(score())
    with pytest.raises(SchemaWait, match=r"scores\.v1 0:1") as held:
        core.take(
            0,
            [record_of("scores.v1", b"c-1", good), record_of("scores.v1", key, value, 1)],
            committed=0,
        )
    assert held.value.rows == [1]


def scorer_recovers_answers(_: bytes, value: bytes) -> None:
    """Left out: what it may stand in the place of is missed. A schema that is not known holds the
    partition.
    """
    tail = OutputTail("127.0.0.1:1", "scores.v1", ScoreAnswerReader())
    found, good = tail.empty(), codec("score.v1").encode(score(src=5, prev=4))
    if any(VALUES[name] == value for name in OURS_UNKNOWN):
        with pytest.raises(Hold) as held:
            tail._collect([value, good], np.arange(2), -1, found)
        schema = int.from_bytes(value[1:5], "big")
        assert f"at offset 0 has schema {schema}, which this scorer" in held.value.why
        assert "`riskstream topics apply` of the version that wrote it" in held.value.why
        assert (Path(__file__).parents[2] / held.value.why.split()[-1]).is_file(), (
            "it names the runbook last"
        )
        return
    tail._collect([value, good], np.arange(2), -1, found)
    assert found.highest() >= 5


def tracker_restores(topic: str) -> Callable[[bytes, bytes], None]:
    def restore(key: bytes, value: bytes) -> None:
        core, metrics = tracker_core()
        core.restore(0, [record_of(topic, key, value)])
        assert metrics.unreadable_states.labels(topic=topic)._value.get() == 1

    return restore


def profiler_restores(topic: str) -> Callable[[bytes, bytes], None]:
    def restore(key: bytes, value: bytes) -> None:
        features = set_with(topic)
        core, metrics = profiler_core(features)
        core.restore(0, [record_of(topic, key, value)])
        assert metrics.unreadable_states.labels(topic=topic)._value.get() == 1
        view = RedisProfileView("redis://127.0.0.1:1/0", features, core.clocks, metrics)
        if (reader := view._readers.get(topic)) is not None:
            view._take(reader, 0, [value])
        view.close()

    return restore


def scorer_follows_rules(topic: str) -> Callable[[bytes, bytes], None]:
    def follow(key: bytes, value: bytes) -> None:
        records = RuleRecords()
        for offset, (at, each) in enumerate([(key, value), (b"good", rule("good"))]):
            records.take(record_of(topic if at == key else "rules.v1", at, each, offset))
        assert records.said("rules.v1").keys() == {"good"}
        assert [each.offset for each in records.refused()] == [0]

    return follow


def gateway_follows_keys(key: bytes, value: bytes) -> None:
    """It lets nobody in, and hides no key that is right."""
    records = KeyRecords()
    good = json.loads((shipped("schemas") / "examples/api-key.v1/plain.json").read_text())
    for offset, (at, each) in enumerate(
        [(key, value), (good["key_id"].encode(), codec("api-key.v1").encode(good))]
    ):
        records.take(record_of("api-keys.v1", at, each, offset))
    assert records.said().keys() == {good["key_id"]}
    assert [each.offset for each in records.refused()] == [0]


def scorer_follows_releases(key: bytes, value: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    told: list[tuple[str, str]] = []
    channel = Channel(
        PublicKey.of(Ed25519PrivateKey.generate().public_key()),
        "standard.v1",
        lambda key, why: told.append((key, why)),
    )
    for _ in range(3):
        channel.take(key, value)
        channel.take_waiting()
    assert len(told) == 1, "once"
    assert channel.head is None


def services_ask_for_schemas(_: bytes, value: bytes) -> None:
    schemas = TopicSchemas("127.0.0.1:1")
    schemas._add(value, 0, 0)
    real = contract("label.v1").schema
    schemas._add(
        codec("schema.v1").encode({"schema_id": 7, "contract": "x", "schema": json.dumps(real)}),
        0,
        1,
    )
    assert schemas._held == {7: real}


def services_read_claims(key: bytes, value: bytes) -> None:
    """By its key alone: of which schema the value is does not matter."""
    found: dict[bytes, Claim] = {}
    take_claim(found, record_of("owners.v1", key, value))
    take_claim(found, record_of("owners.v1", b'["topic a 1", "tracker"]', None, 1))
    take_claim(found, record_of("owners.v1", b'["topic a 1", "tracker"]', value, 2))
    assert [(each.subject, each.holder) for each in found.values()] == [("topic a 1", "tracker")]


def reporter_restores_totals(key: bytes, value: bytes) -> None:
    totals = Totals()
    with pytest.raises(Rejected):
        totals.restore([record_of("report-totals.v1", key, value)], 4)
    assert not any(each.hours for each in totals.partitions.values())
    assert totals.partitions.keys() <= set(range(4))


def commands_read_dead_letters(key: bytes, value: bytes) -> None:
    assert not list(dead_letters_of([record_of("transactions.v1.dlq", key, value)]))


READERS: dict[str, list[Callable[[bytes, bytes], None]]] = {
    "transactions.v1": [profiler_shuffles_transactions],
    "labels.v1": [profiler_shuffles_labels],
    "profile-events.v1": [profiler_folds_events],
    "scores.v1": [tracker_folds_scores, scorer_recovers_answers],
    "alerts.v1": [tracker_restores("alerts.v1")],
    "customer-risk.v1": [tracker_restores("customer-risk.v1")],
    STATE: [profiler_restores(STATE)],
    **{
        topic: [profiler_restores(topic)]
        for topic in ("terminal-risk.v1", "device-risk.v1", "card-risk.v1")
    },
    "rules.v1": [scorer_follows_rules("rules.v1")],
    "lists.v1": [scorer_follows_rules("lists.v1")],
    "releases.v1": [scorer_follows_releases],
    "api-keys.v1": [gateway_follows_keys],
    "schemas.v1": [services_ask_for_schemas],
    "owners.v1": [services_read_claims],
    "report-totals.v1": [reporter_restores_totals],
    "transactions.v1.dlq": [commands_read_dead_letters],
    "labels.v1.dlq": [commands_read_dead_letters],
}
