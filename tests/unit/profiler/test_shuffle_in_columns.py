"""What the shuffle writes from columns is what each record gives by itself."""

import random
from typing import Any

import numpy as np
import pytest
from tests.support.builders import NOW_MS, frame

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.features.declare import Entity
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka.lanes.ports import Intake
from riskstream.profiler.shuffle import LABELS, TRANSACTIONS, ShuffleCore, transaction_hashes

ENTITIES = tuple(STANDARD_PROFILES.profiles)
EVENTS = codec("profile-event.v1")
KEYS = (None, "t", "ü" * 9, "k" * 256)


def _label(**changes: Any) -> bytes:
    said = {
        "label_id": "l",
        "transaction_id": "t-1",
        "customer_id": "c-1",
        "outcome": "FRAUD",
        "source": "IMPORT",
        "occurred_at": NOW_MS,
        "known_at": NOW_MS + 5,
    }
    return codec("label.v1").encode({**said, **changes})


def _frame(rng: random.Random, topic: str) -> bytes | None:
    ids = {
        "terminal_id": rng.choice(KEYS),
        "device_id": rng.choice(KEYS),
        "transaction_id": f"t-{rng.randrange(9)}",
        "occurred_at": NOW_MS - rng.randrange(10**6),
    }
    if topic == LABELS:
        made = _label(**ids, outcome=rng.choice(["FRAUD", "GENUINE", "UNKNOWN"]))
    else:
        kind, corrects = rng.choice(["PURCHASE", "REFUND"]), rng.choice([None] * 5 + ["t-0"])
        made = frame(**ids, customer_id="c-1", kind=kind, corrects=corrects)
    broken: list[bytes | None] = [None, b"no", made[:-1]]
    return rng.choice(broken) if rng.random() < 0.1 else made


def _event(entity: Entity, index: int, topic: str, value: bytes, row: int) -> tuple[bytes, bytes]:
    """Key and frame of what one good record gives an entity, of partition 3 and offset 10 + row."""
    name = "transaction.v1" if topic == TRANSACTIONS else "label.v1"
    said = codec(name).decode(value)
    is_label = topic == LABELS
    record = {
        "entity": entity.name,
        "key": said[entity.key],
        "kind": "LABEL" if is_label else "EVENT",
        "src_partition": 3,
        "src": 10 + row,
        "src_index": index,
        "src_appended_at": NOW_MS + row,
        "transaction_hash": int(transaction_hashes(ColumnDecoder(name).decode([value]))[0]),
        "occurred_at": said["occurred_at"],
        "amount_minor": 0 if is_label else said["base_amount_minor"],
        "outcome": said["outcome"] if is_label else "UNKNOWN",
        "source": said["source"] if is_label else "UNKNOWN",
        "known_at": said["known_at"] if is_label else None,
        "transaction_kind": "UNKNOWN" if is_label else said["kind"],
    }
    return said[entity.key].encode(), EVENTS.encode(record)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("topic", [TRANSACTIONS, LABELS])
def test_events_are_those_of_one_record_after_the_other(topic: str, seed: int) -> None:
    rng = random.Random(seed)
    n = rng.choice([0, 1, 5, 60])
    values = [_frame(rng, topic) for _ in range(n)]
    intake = Intake(
        topic=topic,
        values=Joined.of(values),
        keys=Joined.of([b"c-1"] * n),
        partitions=np.full(n, 3, np.int32),
        offsets=10 + np.arange(n),
        appended_at=NOW_MS + np.arange(n),
    )
    core = ShuffleCore(ENTITIES, 64)
    found = list(core.take(intake))
    name = "transaction.v1" if topic == TRANSACTIONS else "label.v1"
    wanted = []
    for index, entity in enumerate(ENTITIES):
        for row, value in enumerate(values):
            try:
                said = codec(name).decode(value)
            except Exception:
                continue
            is_left_out = said.get("corrects") or said.get("outcome") == "UNKNOWN"
            if not is_left_out and said[entity.key]:
                wanted.append((*_event(entity, index, topic, value or b"", row), row))
    assert found == wanted
    rejected = [row for row, value in enumerate(values) if value is None or len(value) < 20]
    assert topic == TRANSACTIONS or {row for row, _ in core.broken} >= set(rejected)
