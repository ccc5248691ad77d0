"""The columnar codec equals the per-record codec."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import score

from riskstream.domain.contracts import columns as columns_module
from riskstream.domain.contracts.catalog import Contract, contract, contracts, schema_id, shipped
from riskstream.domain.contracts.codec import Codec, codec
from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.columns import REASONS, ColumnDecoder
from riskstream.domain.contracts.plan import BOOL, ENUM, INT
from riskstream.runtime.errors import Fatal, Rejected

NAMES = sorted(contracts())
LONGS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(width=32, allow_nan=False)


def strategy(schema: Any) -> st.SearchStrategy[Any]:
    """Values of an Avro type."""
    if isinstance(schema, list):
        return st.one_of(*(strategy(branch) for branch in schema))
    if isinstance(schema, dict):
        if schema["type"] == "enum":
            return st.sampled_from(schema["symbols"])
        if schema["type"] == "array":
            return st.lists(strategy(schema["items"]), max_size=5)
        if schema["type"] == "record":
            return st.fixed_dictionaries(
                {field["name"]: strategy(field["type"]) for field in schema["fields"]}
            )
        return strategy(schema["type"])
    if schema == "riskstream.Tile":
        fields = {
            field["name"]: field["type"] for field in contract("customer-risk.v1").schema["fields"]
        }
        return strategy(fields["hourly"]["items"])
    return {
        "string": st.text(max_size=20),
        "long": LONGS,
        "int": st.integers(-(2**31), 2**31 - 1),
        "float": FLOATS,
        "double": st.floats(allow_nan=False),
        "boolean": st.booleans(),
        "null": st.none(),
    }[schema]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_columns_equal_records(name: str, data: st.DataObject) -> None:
    records = data.draw(st.lists(strategy(contract(name).schema), min_size=1, max_size=6))
    frames = [codec(name).encode(record) for record in records]
    columns = ColumnDecoder(name).decode(frames)
    assert columns.status.tolist() == [0] * len(records)
    assert [columns.record(index) for index in range(len(records))] == [
        codec(name).decode(frame) for frame in frames
    ]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_broken_frames_are_judged_alike_and_never_crash(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["transaction.v1", "score.v1", "customer-risk.v1"]))
    frame = bytearray(codec(name).encode(data.draw(strategy(contract(name).schema))))
    for _ in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(["flip", "cut", "add"]))
        at = data.draw(st.integers(0, max(len(frame) - 1, 0)))
        if kind == "flip" and frame:
            frame[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del frame[at:]
        else:
            frame += data.draw(st.binary(max_size=3))
    broken = bytes(frame)
    columns = ColumnDecoder(name).decode([broken])
    try:
        record = codec(name).decode(broken)
    except Rejected:
        assert columns.status[0] != 0
        return
    # fastavro takes what Avro does not allow: negative enum and union indices, numbers over 64
    # bits.
    if columns.status[0] == 0:
        assert repr(columns.record(0)) == repr(record)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\0", "short"),
        (b"\0\0\0\0", "short"),
        (b'{"transaction_id": "t"}', "bad_magic"),
        (b"\1" + b"\0" * 20, "bad_magic"),
        (b"\0\0\0\0\7" + b"\0" * 20, "unknown_schema"),
    ],
)
def test_both_codecs_give_the_same_reason(frame: bytes | None, reason: str) -> None:
    columns = ColumnDecoder("transaction.v1").decode([frame])
    assert REASONS[int(columns.status[0])] == reason
    with pytest.raises(Rejected) as caught:
        codec("transaction.v1").decode(frame)
    assert caught.value.reason == reason


def test_every_cut_of_a_frame_is_truncated_and_one_more_byte_is_trailing() -> None:
    path = shipped("schemas") / "examples" / "transaction.v1" / "transfer.json"
    frame = codec("transaction.v1").encode(json.loads(path.read_text()))
    cuts = [frame[:size] for size in range(5, len(frame))]
    columns = ColumnDecoder("transaction.v1").decode([*cuts, frame + b"\0", frame])
    assert {REASONS[int(status)] for status in columns.status[: len(cuts)]} == {"truncated"}
    assert REASONS[int(columns.status[-2])] == "trailing_bytes"
    assert columns.status[-1] == 0


def test_text_that_is_not_utf8_is_rejected_and_the_rest_of_the_batch_is_not() -> None:
    good = codec("transaction.v1").encode(_example())
    bad = good.replace(b"t-1001", b"t-\xff\xfe01")
    columns = ColumnDecoder("transaction.v1").decode([good, bad, good])
    assert [REASONS.get(int(status), "ok") for status in columns.status] == ["ok", "bad_text", "ok"]


def test_an_older_version_is_read_with_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    now = contract("label.v1").schema
    old = {
        **now,
        "fields": [
            f for f in now["fields"] if f["name"] not in ("loss_minor", "base_currency", "source")
        ],
    }
    both = Contract(
        name="label.v1",
        schema=now,
        id=schema_id(now),
        versions={schema_id(now): now, schema_id(old): old},
    )
    monkeypatch.setattr(columns_module, "contract", lambda _: both)
    record = {
        "label_id": "l",
        "transaction_id": "t",
        "customer_id": "c",
        "outcome": "FRAUD",
        "occurred_at": 1,
        "known_at": 2,
    }
    frame = Codec.of("label.v1", old, [old]).encode(record)
    columns = ColumnDecoder("label.v1").decode(
        [frame, codec("label.v1").encode({**record, "loss_minor": 9})]
    )
    assert columns.record(0) == {
        **record,
        "loss_minor": 0,
        "base_currency": "EUR",
        "source": "UNKNOWN",
        "terminal_id": None,
        "device_id": None,
    }
    assert columns.record(1)["loss_minor"] == 9


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_encoded_columns_equal_encoded_records(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    ids = data.draw(st.lists(st.text(max_size=12), min_size=n, max_size=n))
    longs = data.draw(st.lists(LONGS, min_size=n, max_size=n))
    scores = data.draw(st.lists(st.one_of(st.none(), FLOATS), min_size=n, max_size=n))
    vectors = data.draw(st.lists(st.lists(FLOATS, max_size=3), min_size=n, max_size=n))
    reasons = data.draw(
        st.lists(st.lists(st.sampled_from(["A", "BÉ"]), max_size=4), min_size=n, max_size=n)
    )
    places = data.draw(st.lists(st.lists(LONGS, max_size=3), min_size=n, max_size=n))
    encoder = ColumnEncoder(
        "score.v1", capacity=8, vector_width=3, long_width=3, from_input=("transaction_id",)
    )
    raw = [text.encode() for text in ids]
    ends = np.cumsum([len(each) for each in raw])
    starts, lengths = encoder.spans("transaction_id")
    lengths[:n] = [len(each) for each in raw]
    starts[:n] = ends - lengths[:n]
    encoder.numbers("src")[:n] = longs
    encoder.numbers("verdict")[:n] = 1
    encoder.set_word("model_version", slice(None), "m")
    for nullable in (
        "reason",
        "customer_id",
        "occurred_at",
        "base_amount_minor",
        "base_currency",
        "decision",
        "feature_set",
        "release_id",
        "rules_version",
        "stage2_score",
        "corrected_at",
        "corrected_amount_minor",
    ):
        encoder.nulls(nullable)[:n] = 1
    codes, counts = encoder.codes("reasons")
    for index in range(n):
        value = scores[index]
        encoder.nulls("score")[index] = value is None
        encoder.floats("score")[index] = 0 if value is None else value
        encoder.vector_lengths[index] = len(vectors[index])
        encoder.vectors[index, : len(vectors[index])] = vectors[index]
        encoder.long_counts[index] = len(places[index])
        encoder.longs[index, : len(places[index])] = places[index]
        counts[index] = len(reasons[index])
        codes[index, : len(reasons[index])] = [encoder.word(text) for text in reasons[index]]
    joined = b"".join(raw)
    frames = encoder.encode(n, np.frombuffer(joined, np.uint8) if joined else np.zeros(1, np.uint8))
    for index, frame in enumerate(frames):
        expected = {
            "src": longs[index],
            "prev": 0,
            "src_appended_at": 0,
            "verdict": "GOOD",
            "reason": None,
            "reject_rules_version": 0,
            "transaction_id": ids[index],
            "customer_id": None,
            "occurred_at": None,
            "base_amount_minor": None,
            "base_currency": None,
            "score": scores[index],
            "decision": None,
            "reasons": reasons[index],
            "flags": [],
            "model_version": "m",
            "feature_set": None,
            "features": vectors[index],
            "profiles": places[index],
            "release_id": None,
            "rules_version": None,
            "rules": [],
            "stage2_score": None,
        }
        assert frame == codec("score.v1").encode(expected)
        assert ColumnDecoder("score.v1").decode([frame]).record(0)["profiles"] == places[index]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_arrays_of_records_are_encoded_as_they_were_read(data: st.DataObject) -> None:
    """Items of all records stand in one array, with others between them."""
    name = "customer-risk.v1"
    records = data.draw(st.lists(strategy(contract(name).schema), min_size=1, max_size=6))
    frames = [codec(name).encode(record) for record in records]
    columns, n = ColumnDecoder(name).decode(frames), len(frames)
    encoder = ColumnEncoder(name, capacity=8, from_input=("customer_id", "base_currency"))
    (hourly, hour_ends), (daily, day_ends) = columns.rows("hourly"), columns.rows("daily")
    between = np.full((2, hourly.shape[1]), 7)
    for field in ("hourly", "daily"):
        starts, lengths = encoder.spans(field)
        ends = hour_ends if field == "hourly" else day_ends
        lengths[:n] = np.diff(ends, prepend=0)
        starts[:n] = ends - lengths[:n] + (len(hourly) + 2 if field == "daily" else 0)
    for field in ("customer_id", "base_currency"):
        starts, lengths = encoder.spans(field)
        starts[:n], lengths[:n] = columns.span(field)
    encoder.floats("last_score")[:n] = columns.numbers("last_score")
    for each in encoder.layout.fields:
        if each.kind in (BOOL, INT, ENUM):
            encoder.numbers(each.name)[:n] = columns.numbers(each.name)
    items = np.concatenate([hourly, between, daily])
    assert encoder.encode(n, columns.data, items).present() == frames
    short = items[: len(items) - 1]
    if encoder.spans("daily")[1][n - 1]:
        with pytest.raises(Fatal, match="no room"):
            encoder.encode(n, columns.data, short)


def test_an_array_of_more_records_than_bytes_is_truncated() -> None:
    good = codec("customer-risk.v1").encode(
        json.loads(
            (shipped("schemas") / "examples" / "customer-risk.v1" / "after-a-hole.json").read_text()
        )
    )
    columns = ColumnDecoder("customer-risk.v1").decode([good])
    [start] = columns.span("hourly")[0].tolist()
    for count in (
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x40",
    ):
        broken = good[:start] + count + good[start + 1 :]
        assert (
            REASONS[int(ColumnDecoder("customer-risk.v1").decode([broken]).status[0])]
            == "truncated"
        )


def test_a_score_of_the_first_release_has_the_later_fields_by_default() -> None:
    old = contract("score.v1").versions
    first = next(
        schema
        for schema in old.values()
        if all(field["name"] != "profiles" for field in schema["fields"])
    )
    path = shipped("schemas") / "examples" / "score.v1" / "approved.json"
    record = json.loads(path.read_text())
    kept = {field["name"]: record[field["name"]] for field in first["fields"]}
    columns = ColumnDecoder("score.v1").decode([Codec.of("score.v1", first, [first]).encode(kept)])
    assert columns.record(0)["profiles"] == columns.record(0)["rules"] == []
    assert columns.record(0)["rules_version"] is None


def _example() -> dict[str, Any]:
    path = shipped("schemas") / "examples" / "transaction.v1" / "card-purchase.json"
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def test_lists_of_many_rows_are_those_of_each_row() -> None:
    said = [
        score(features=[0.5 * at, -1.0, 2.0], flags=flags)
        for at, flags in enumerate([[], ["cold"], ["stale", "cold"], ["scolded"], ["partial"]])
    ]
    frames = [codec("score.v1").encode(each) for each in said]
    columns = ColumnDecoder("score.v1").decode([b"", *frames])
    rows = np.array([1, 3, 4, 5])
    found = columns.float_rows("features", rows, 3)
    assert found.tolist() == [
        [0.0, -1.0, 2.0],
        [1.0, -1.0, 2.0],
        [1.5, -1.0, 2.0],
        [2.0, -1.0, 2.0],
    ]
    one_by_one = [columns.floats_of("features", row, 3).tolist() for row in rows.tolist()]
    assert found.tolist() == one_by_one
    assert columns.float_rows("features", rows[:0], 3).shape == (0, 3)
    assert columns.names_one("flags", rows, [b"cold", b"parti"]).tolist() == [
        False,
        True,
        True,  # part of a word counts: flags are ours, and none is part of another
        True,
    ]
