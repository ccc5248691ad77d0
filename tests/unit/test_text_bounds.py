"""Every text of every contract has a bound, held by each of its readers: what is over it is
counted, kept or waited for.
"""

import json
from typing import Any

import pytest
from tests.support.builders import score
from tests.support.readers import (
    READERS,
    example,
    record_of,
    reporter_restores_totals,
    scorer_follows_releases,
    services_read_claims,
    tracker_core,
)

from riskstream.domain.contracts.bounds import bounds_of, decoded, fault_of
from riskstream.domain.contracts.catalog import contracts, topics
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import MAX_FRAME_BYTES
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.record import one_by_one
from riskstream.platform.kafka.schemas import TopicSchemas
from riskstream.runtime.errors import Rejected

TEXTS = [
    (name, field)
    for name in contracts()
    for field, bounds in bounds_of(name).items()
    if bounds.kind == "string" and (bounds.max_bytes or MAX_FRAME_BYTES) < MAX_FRAME_BYTES
]
OTHERS = {services_read_claims, reporter_restores_totals, scorer_follows_releases}
"""Readers that do not look at the texts of a value, or at a signature first."""


def _with(name: str, field: str, size: int) -> dict[str, Any]:
    """A record whose text has so many bytes of UTF-8, and more bytes than characters."""
    text = "é" * (size // 2) + "a" * (size % 2)
    return {**example(name), field: [text] if bounds_of(name)[field].is_array else text}


@pytest.mark.parametrize(("name", "field"), TEXTS)
def test_a_text_is_taken_up_to_its_bound_in_bytes(name: str, field: str) -> None:
    most = bounds_of(name)[field].max_bytes
    assert most is not None
    assert fault_of(name, _with(name, field, most)) == ""
    with pytest.raises(Rejected, match="out_of_bounds"):
        decoded(codec(name), codec(name).encode(_with(name, field, most + 1)))


@pytest.mark.parametrize(("name", "field"), TEXTS)
@pytest.mark.parametrize("over", [1, 10_000, 2 * MAX_FRAME_BYTES])
def test_no_reader_ends_at_a_text_over_its_bound(name: str, field: str, over: int) -> None:
    most = bounds_of(name)[field].max_bytes
    assert most is not None
    frame = codec(name).encode(_with(name, field, most + over))
    for topic in (each.name for each in topics().values() if each.contract == name):
        for read in READERS.get(topic, []):
            if read not in OTHERS:
                read(b"c-1", frame)


def test_an_alert_of_a_score_at_its_bounds_can_be_written() -> None:
    core, _ = tracker_core()
    core.restore(0, [])
    widest = {
        "transaction_id": "é" * 128,
        "customer_id": "ü" * 128,
        "reasons": ["r" * 240] * 8,
        "model_version": "m" * 256,
        "decision": "BLOCK",
    }
    made = core.take(
        0, [record_of("scores.v1", b"c-1", codec("score.v1").encode(score(**widest)))], committed=0
    )
    [alert] = one_by_one(made)
    assert decoded(codec("alert.v1"), alert.value)["reasons"] == widest["reasons"]
    long = codec("score.v1").encode(score(src=1, prev=0, reasons=["r"] * 9))
    with pytest.raises(SchemaWait, match="reasons has 9 items"):
        core.take(0, [record_of("scores.v1", b"c-1", long, 1)], committed=0)


@pytest.mark.parametrize(
    "schema",
    [
        "[" * 100_000,
        "5",
        "[]",
        "{}",
        '{"type": "record"}',
        ('{"type": "record", "fields": 3}'),
        "\ud800",
    ],
)
def test_a_published_schema_that_is_none_hides_no_other(schema: str) -> None:
    if schema == "\ud800":
        schema = json.dumps(schema)
    schemas = TopicSchemas("127.0.0.1:1")
    schemas._add(
        codec("schema.v1").encode({"schema_id": 6, "contract": "x", "schema": schema}), 0, 0
    )
    real = json.dumps(contracts()["label.v1"].schema)
    schemas._add(codec("schema.v1").encode({"schema_id": 7, "contract": "x", "schema": real}), 0, 1)
    assert schemas._held.keys() == {7}
