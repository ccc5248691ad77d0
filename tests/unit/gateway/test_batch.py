"""A body of many transactions is read as each of them alone would be."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.bodies import BAD_BODIES
from tests.support.builders import NOW_MS, request

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.json_rows import json_rows_reader
from riskstream.gateway.batch import Batch, BatchReader
from riskstream.gateway.core import FILLED, read_transaction
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import read_rates

RATES = read_rates(None)
READER = BatchReader(RATES)
NAMES = [*json_rows_reader("transaction.v1", FILLED).names, "nonsense"]
VALUES = [
    "", "x", "x" * 256, "x" * 257, "é" * 128, "é" * 129, "a\\u0041", "\\n", "\\ud800", "\x00",
    "\x1f", "EUR", "JPY", "KWD",
    "ZZZ", "eur", "EU", "BE", "B1", "POS", "UNKNOWN", "CASH", "\U0001f600",
]  # fmt: skip
NUMBERS = [
    "0", "-0", "-1", "00", "01", "1.0", "1e3", "9999", "10000", "10000000000000",
    "10000000000001", "9223372036854775807", "9223372036854775808", "123456789012345678",
    "1234567890123456789", "NaN", "Infinity", "-", "+1", "1_0", str(NOW_MS), str(NOW_MS // 1000),
    str(NOW_MS * 1000), str(NOW_MS + 400_000), "31535999999", "null", "true", "{}", "[]", '{"a":1}',
]  # fmt: skip


def _alone(raw: bytes) -> tuple[str, bytes | None, Any]:
    """(id, frame, problem's body) of an object that comes alone."""
    try:
        found = read_transaction(raw, RATES, NOW_MS)
    except Problem as problem:
        return "", None, problem.body()
    return found.transaction_id, codec("transaction.v1").encode(found), None


def _read(body: bytes) -> Batch | None:
    """None where the body is refused as a whole."""
    try:
        return READER.read(body, NOW_MS, 10_000)
    except Problem:
        return None


def _is_read_as_alone(parts: list[bytes], space: str = "") -> int:
    """How many of the parts are plain."""
    gap = space.encode()
    body = b"[" + (gap + b"," + gap).join(parts) + gap + b"]"
    batch = READER.read(body, NOW_MS, 10_000)
    assert len(batch) == len(parts)
    for at, part in enumerate(parts):
        name, frame, problem = _alone(part)
        assert (batch.ids[at], batch.frames[at]) == (name, frame)
        found = batch.problems.get(at)
        assert (found.body() if found else None) == problem
        if frame is not None:
            assert batch.keys[at] == codec("transaction.v1").decode(frame)["customer_id"].encode()
    rows = json_rows_reader("transaction.v1", FILLED).read(body, 10_000)
    return int(rows.is_plain.sum())


def test_plain_ones_are_read_as_columns() -> None:
    parts = [
        json.dumps(request(transaction_id=f"t-{at}", currency=currency, mcc=at, terminal_id=None))
        for at, currency in enumerate(("EUR", "JPY", "KWD", "USD"))
    ]
    parts += [
        json.dumps(request(base_amount_minor=7, base_currency="EUR", rates_version="r")),
        json.dumps(request(base_amount_minor=None, rates_version=None)),
        json.dumps(request(customer_id="ü" * 128)).replace("\\u00fc", "ü"),
    ]
    assert _is_read_as_alone([each.encode() for each in parts]) == len(parts)
    assert _is_read_as_alone([each.encode() for each in parts], " \r\n\t") == len(parts)


@pytest.mark.parametrize("case", range(len(BAD_BODIES)))
def test_each_bad_body_is_refused_as_alone_and_the_others_are_taken(case: int) -> None:
    body = BAD_BODIES[case][0]
    good = json.dumps(request(transaction_id="good")).encode()
    try:
        is_one = isinstance(json.loads(body.decode()), dict)
    except (ValueError, RecursionError):
        is_one = False
    if is_one:
        _is_read_as_alone([good, body, good])
        return
    batch = _read(b"[" + b",".join([good, body, good]) + b"]")
    if batch is not None:  # what is no object spoils the body, or itself alone
        assert batch.ids[0] == batch.ids[-1] == "good"
        assert batch.problems


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_stands_in_an_object_it_is_read_as_alone(seed: int) -> None:
    rng = random.Random(seed)
    parts = []
    for number in range(rng.randint(1, 8)):
        fields = {
            key: json.dumps(value, ensure_ascii=False)
            for key, value in request(transaction_id=f"t-{number}").items()
        }
        for _ in range(rng.choice([0, 0, 1, 1, 2, 5])):
            value = rng.choice([*NUMBERS, *(f'"{each}"' for each in VALUES)])
            fields[rng.choice(NAMES)] = value
        if rng.random() < 0.1:
            fields.pop(rng.choice(list(fields)))
        pairs = list(fields.items())
        rng.shuffle(pairs)
        if rng.random() < 0.1:
            pairs.append(rng.choice(pairs))
        gap = rng.choice(["", " ", "\n\t"])
        inside = f"{gap},{gap}".join(f'"{key}"{gap}:{gap}{value}' for key, value in pairs)
        parts.append(f"{{{gap}{inside}{gap}}}".encode())
    _is_read_as_alone(parts, rng.choice(["", " ", "\n"]))


@settings(max_examples=400, deadline=None)
@given(
    at=st.integers(0, 600),
    byte=st.sampled_from(list(b'"\\{}[]:,0-. \n\x00\xc3\xff')),
    cut=st.booleans(),
)
def test_damage_is_refused_or_read_as_it_stands(at: int, byte: int, cut: bool) -> None:
    body = bytearray(json.dumps([request(transaction_id=f"t-{n}") for n in range(3)]).encode())
    at %= len(body)
    body = body[:at] if cut else body[:at] + bytes([byte]) + body[at + 1 :]
    batch = _read(bytes(body))
    if batch is None:
        return
    for number, frame in enumerate(batch.frames):
        if frame is None:
            assert number in batch.problems
    try:
        objects = json.loads(bytes(body).decode())
    except ValueError:
        # what was taken is right by itself; the others are refused
        return
    assert len(objects) == len(batch)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-an-array"),
        (b"{}", "not-an-array"),
        (b"[1", "not-an-array"),
        (b"[1,]", "not-an-array"),
        (b"[,1]", "not-an-array"),
        (b"[1 2]", "malformed-json"),
        (b"[] x", "not-an-array"),
        (b"[{}]]", "not-an-array"),
        (b"[" * 5000, "not-an-array"),
        (b"\xff[]", "malformed-json"),
        (b"\xef\xbb\xbf[]", "not-an-array"),
        (b"[{},{},{}]", "too-many-items"),
    ],
)
def test_what_is_no_array_of_few_is_refused(body: bytes, code: str) -> None:
    try:
        batch = READER.read(body, NOW_MS, 2)
    except Problem as problem:
        found = {problem.code}
    else:
        found = {each.code for each in batch.problems.values()}
    assert found == {code}


def test_a_card_number_is_refused_where_it_stands_and_the_others_are_taken() -> None:
    kinds: list[dict[str, Any]] = [
        {},
        {"account_token": "4111 1111 1111 1111"},
        {"terminal_id": "é"},
        {"mcc": None},
    ]
    parts = [
        json.dumps(request(transaction_id=f"t-{at}", **kind), ensure_ascii=False).encode()
        for at, kind in enumerate(kinds)
    ]
    _is_read_as_alone(parts)
    batch = READER.read(b"[" + b",".join(parts) + b"]", NOW_MS, 10)
    assert {at: each.code for at, each in batch.problems.items()} == {1: "card-number"}
    assert b"4111" not in json.dumps(batch.problems[1].body()).encode()


def test_an_empty_array_is_an_empty_batch() -> None:
    assert len(READER.read(b" [ ] ", NOW_MS, 10)) == 0
