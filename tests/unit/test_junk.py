"""A record in any topic that is none of ours, and what each of its readers does: it goes on, and
counts or holds.
"""

from typing import Any

import pytest
from tests.support.readers import (
    OURS_UNKNOWN,
    READERS,
    VALUES,
    example,
    profiler_restores,
    reporter_restores_totals,
    scorer_follows_rules,
    services_read_claims,
    tracker_restores,
)
from tests.support.rule_records import rule

from riskstream.domain.contracts.catalog import topics
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.domain.risk.features.declare import TERMINAL
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.profiler.outputs import STATE

KEYS: dict[str, bytes] = {
    "no text": b"\xff\xfe\0",
    "empty": b"",
    "deep JSON": b"[" * 1900,
    "a number": b"5",
    "pairs": b'[["a"],{"b":1}]',
    "one text": b'["a"]',
    "another partition": b"99",
    "minus one": b"-1",
    "many digits": b"9" * 5000,
    ("an hour"): b"0|9|9",
    "null": b"null",
    "half a pair": b'["a", null]',
}


HOLD = {
    "alerts.v1",
    "customer-risk.v1",
    STATE,
    "terminal-risk.v1",
    "device-risk.v1",
    "card-risk.v1",
}
"""States of our own are waited for while only their schema is not known."""
NOBODYS = {"answers.v1", "risk-reports.v1"}
"""Read by nobody in this repository."""


def test_every_topic_has_its_readers_here() -> None:
    assert topics().keys() == READERS.keys() | NOBODYS


@pytest.mark.parametrize("topic", READERS)
@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_is_none_of_ours(topic: str, name: str) -> None:
    if name == "a transaction" and topic == "transactions.v1":
        return
    value = VALUES[name] if (name, topic) != ("a rule", "rules.v1") else rule("r", reason="")
    for read in READERS[topic]:
        if topic in HOLD and name in OURS_UNKNOWN:
            with pytest.raises(SchemaWait, match=f"{topic} 0:0"):
                read(b"k", value)
        else:
            read(b"k", value)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_none_of_ours(name: str) -> None:
    key = KEYS[name]
    services_read_claims(key, codec("owner.v1").encode(example("owner.v1")))
    reporter_restores_totals(key, codec("report-total.v1").encode(example("report-total.v1")))
    scorer_follows_rules("rules.v1")(key, rule("r"))
    scorer_follows_rules("lists.v1")(key, codec("list.v1").encode(example("list.v1")))
    tracker_restores("customer-risk.v1")(
        key, codec("customer-risk.v1").encode(example("customer-risk.v1"))
    )
    profiler_restores("terminal-risk.v1")(
        key, codec("terminal-risk.v1").encode(example("terminal-risk.v1"))
    )
    profiler_restores(STATE)(key, codec(STATE).encode(example(STATE)))


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": []},
        {"ends": [1, 2]},
        {"sums": []},
        {"last_hashes": [1] * 17},
        {"transaction_hash": 5, "occurred_at": None},
    ],
)
def test_a_part_of_a_state_that_does_not_hold_together(changes: dict[str, Any]) -> None:
    part = {
        "entity": "terminal",
        "key": "t",
        "src": 1,
        "ends": [1],
        "counts": [1],
        "sums": [5],
        "frauds": [0],
        "last_hashes": [3],
    }
    profiler_restores(STATE)(b"terminal 1 t", codec(STATE).encode({**part, **changes}))


@pytest.mark.parametrize(
    "changes", [{"vector": [1.0]}, {"previous_vector": [1.0, 2.0]}, {"as_of_partition": 3}]
)
def test_a_vector_that_does_not_hold_together(changes: dict[str, Any]) -> None:
    wide = [1.0] * len(STANDARD_PROFILES.profiles[TERMINAL])
    vector = {
        **example("terminal-risk.v1"),
        "terminal_id": "t",
        "as_of_partition": 0,
        "feature_set": STANDARD_PROFILES.label,
        "vector": wide,
        "previous_vector": wide,
        **changes,
    }
    profiler_restores("terminal-risk.v1")(b"t", codec("terminal-risk.v1").encode(vector))
