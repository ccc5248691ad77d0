"""A transaction of protobuf is the record, or has the faults, that it has as JSON."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import NOW_MS, request
from tests.support.protos import batch, message, transaction

from riskstream.domain.contracts.codec import codec
from riskstream.gateway import core
from riskstream.gateway.once.refusing import other_body
from riskstream.gateway.once.several import Many
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import read_rates
from riskstream.gateway.rpc import reading
from riskstream.gateway.rpc.batch import RpcBatchReader, receipt_batch
from riskstream.gateway.rpc.messages import message_class, numbers_of

RATES = read_rates(None)
READER = RpcBatchReader(RATES)
TEXTS = [
    "", "x", "x" * 256, "x" * 257, "é" * 128, "é" * 129, "\n", "\x00", "EUR", "JPY", "KWD", "ZZZ",
    "eur", "EU", "B1", "\U0001f600", "4111 1111 1111 1111", "id-4111111111111111", "1" * 40,
    "2024-05-06-17-18-19-20", "r" * 64, "t-1",
]  # fmt: skip
AMOUNTS = [0, -1, 1, 9999, 10_000, 10**13, 10**13 + 1, 2**63 - 1, -(2**63), 4111111111111111]
CODES = [0, -1, 9999, 10_000, 2**31 - 1, -(2**31)]
TIMES = [0, -1, NOW_MS, NOW_MS // 1000, NOW_MS * 1000, NOW_MS + 86_400_000, 31_535_999_999]
_NAMES = [
    "transaction_id", "customer_id", "account_token", "terminal_id", "merchant_id", "country",
    "currency", "base_currency", "rates_version", "device_id", "counterparty_id", "corrects",
]  # fmt: skip
_text = st.sampled_from([None, *TEXTS])
_amount = st.sampled_from([None, *AMOUNTS])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(_NAMES, _text),
        "amount_minor": _amount,
        "base_amount_minor": _amount,
        "mcc": st.sampled_from([None, *CODES]),
        "occurred_at": st.sampled_from([None, *TIMES]),
        "channel": st.sampled_from([None, *numbers_of("Channel")]),
        "kind": st.sampled_from([None, *numbers_of("Kind")]),
    },
)  # fmt: skip


def _told(read: Any, raw: bytes) -> Any:
    """The record, or all that is wrong."""
    try:
        return read(raw, RATES, NOW_MS)
    except Problem as problem:
        return problem.body()


def _given(changes: dict[str, Any]) -> dict[str, Any]:
    """A body; null is no value here, for protobuf has none."""
    body = {**request(), **changes}
    return {name: value for name, value in body.items() if value is not None}


def _are_read_alike(bodies: list[dict[str, Any]]) -> None:
    """As JSON, as a message alone, and in a batch."""
    told = []
    for body in bodies:
        raw = transaction(body).SerializeToString()
        told.append(_told(reading.read_transaction, raw))
        found = _told(core.read_transaction, json.dumps(body).encode())
        is_card = isinstance(found, dict) and found["type"].endswith("card-number")
        assert told[-1] == found or (is_card and told[-1]["type"] == found["type"])
    made = READER.read(batch(-7, bodies).SerializeToString(), NOW_MS)
    assert (made.sequence, made.problem, len(made.batch)) == (-7, None, len(bodies))
    for at, each in enumerate(told):
        if isinstance(each, dict):
            assert made.batch.frames[at] is None
            assert made.batch.problems[at].body() == each
        else:
            assert made.batch.frames[at] == codec("transaction.v1").encode(each)
            assert made.batch.keys[at] == each.customer_id.encode()


@settings(max_examples=100, deadline=None)
@given(st.lists(CHANGES, min_size=4, max_size=8))
def test_json_and_protobuf_give_one_record_or_the_same_faults(rows: list[dict[str, Any]]) -> None:
    _are_read_alike([_given(each) for each in rows])


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (_NAMES, TEXTS),
        (["amount_minor", "base_amount_minor"], AMOUNTS),
        (["mcc"], CODES),
        (["occurred_at"], TIMES),
        (["channel"], list(numbers_of("Channel"))),
        (["kind"], list(numbers_of("Kind"))),
    ],
)
def test_each_value_of_a_field_is_judged_as_json_judges_it(
    names: list[str], values: list[Any]
) -> None:
    for also in ({}, {"base_currency": "EUR"}, {"base_amount_minor": 5, "base_currency": "EUR"}):
        for name in names:
            _are_read_alike([_given({**also, name: value}) for value in (None, *values)])


def test_plain_ones_are_read_as_columns() -> None:
    body = batch(1, [request(mcc=5411, country="BE"), request(currency="JPY"), request(mcc=-1)])
    found = READER._reader.read(body.SerializeToString())
    assert found.rows.is_plain.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        (b"\xff\xff", "$", "no Transaction"),
        (b"\x0a\x05abc", "$", "no Transaction"),
        (b"\x0a\x02\xff\xfe", "$", "not UTF-8"),
        (transaction(request()).SerializeToString() + b"\x22\x02\xff\xfe", "$", "not UTF-8"),
        (
            transaction(request(terminal_id="\uff14111 1111 1111 1111")).SerializeToString(),
            "$.terminal_id",
            "card number",
        ),
        (
            transaction(request()).SerializeToString() + b"\xb8\x06\x01",
            '$["103"]',
            "103 is unknown",
        ),
        (transaction(request()).SerializeToString() + b"\x40\x63", "$.channel", "give one of POS"),
        (transaction(request()).SerializeToString() + b"\x08\x01", '$["1"]', "1 is unknown"),
    ],
)
def test_what_json_cannot_hold_is_refused_alone_and_in_a_batch(
    raw: bytes, path: str, words: str
) -> None:
    told = _told(reading.read_transaction, raw)
    assert told["errors"][0]["path"] == path
    assert words in told["errors"][0]["detail"]
    made = READER.read(b"\x12" + _size(raw) + raw, NOW_MS)
    assert made.batch.problems[0].body() == told


def _size(raw: bytes) -> bytes:
    return bytes([len(raw)]) if len(raw) < 128 else bytes([len(raw) & 127 | 128, len(raw) >> 7])


@pytest.mark.parametrize(
    ("raw", "code", "sequence"),
    [
        (b"", "empty-body", 0),
        (b"\x08\x07", "empty-body", 7),
        (b"\x08\x07\x12\x05abc", "malformed-message", 7),
        (b"\x08\x07\x1a\x01a", "malformed-message", 7),
        (b"\x08" + b"\xff" * 10, "malformed-message", 0),
        (b"\x08\x02" + b"\x12\x00" * 1001, "too-many-items", 2),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused_as_a_whole(
    raw: bytes, code: str, sequence: int
) -> None:
    made = READER.read(raw, NOW_MS)
    assert made.problem is not None
    counts = Counter[str]()
    told = message_class("ReceiptBatch").FromString(
        receipt_batch(made, Many([], [], [], []), counts)
    )
    assert (told.problem.code, told.sequence, len(told.receipts)) == (code, sequence, 0)
    assert counts == {code: 1}


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    READER.read(raw, NOW_MS)
    READER.read(b"\x12" + _size(raw) + raw, NOW_MS)
    _told(reading.read_request, raw)
    _told(lambda raw, *_: reading.read_query(raw), raw)


@pytest.mark.parametrize("place", [(0, 0), (3, 127), (127, 128), (2**31 - 1, 2**63 - 1)])
def test_receipts_are_told_in_order(place: tuple[int, int]) -> None:
    bodies = [request(), request(mcc=-1), request(transaction_id="t-2")]
    found: list[tuple[list[dict[str, Any]], list[Any], set[int]]] = [
        (bodies, [place, None], {0}),
        (bodies[::2] * 2, [place, other_body(by_key=False), place, place], {2}),
        ([bodies[0]] * 3, [place] * 3, set()),
        ([bodies[0]] * 3, [place] * 3, {1}),
    ]
    for rows, places, again in found:
        made, counts = READER.read(batch(5, rows).SerializeToString(), NOW_MS), Counter[str]()
        sent = [at for at, frame in enumerate(made.batch.frames) if frame is not None]
        many = Many.of(made.batch, sent)
        many.found, many.again = places, again
        raw = receipt_batch(made, many, counts)
        told = message_class("ReceiptBatch").FromString(raw)
        assert (told.sequence, told.accepted, told.refused) == (
            5,
            len(rows) - counts.total(),
            counts.total(),
        )
        assert (told.receipts[0].partition, told.receipts[0].offset) == place
        codes = [each.problem.code for each in told.receipts]
        expected = {3: [""] * 3, 4: ["", "id-reused", "", ""]}[len(rows)]
        assert codes == (["", "invalid-field", "unavailable"] if rows is bodies else expected)
        assert {at for at, each in enumerate(told.receipts) if each.replayed} == again


def test_a_request_has_a_deadline_and_a_key() -> None:
    body = message_class("DecisionRequest")(
        transaction=transaction(request()), deadline_ms=0, idempotency_key="k-1"
    )
    found, deadline, keys = reading.read_request(body.SerializeToString(), RATES, NOW_MS)
    assert (found.transaction_id, deadline, keys) == ("t-1", 0, ["k-1"])
    body.ClearField("deadline_ms")
    body.ClearField("idempotency_key")
    assert reading.read_request(body.SerializeToString(), RATES, NOW_MS)[1:] == (None, [])
    body.idempotency_key = ""  # it is given, and no key
    assert reading.read_request(body.SerializeToString(), RATES, NOW_MS)[2] == [""]
    for raw, path in (
        (body.SerializeToString() + b"\x20\x01", '$["4"]'),
        (b"", "$.transaction_id"),
    ):
        told = _told(reading.read_request, raw)
        assert told["errors"][0]["path"] == path


def test_a_query_has_a_transaction_and_may_have_a_customer() -> None:
    query = message_class("DecisionQuery")(transaction_id="t-1")
    assert reading.read_query(query.SerializeToString()) == ("t-1", None)
    query.customer_id = ""
    assert reading.read_query(query.SerializeToString()) == ("t-1", "")
    told = _told(lambda raw, *_: reading.read_query(raw), query.SerializeToString() + b"\x20\x01")
    assert told["errors"][0]["path"] == '$["4"]'


def test_a_label_is_read_as_json_is() -> None:
    body = {
        "label_id": "l-1", "transaction_id": "t-1", "customer_id": "c-1", "outcome": "FRAUD",
        "source": "ANALYST", "occurred_at": NOW_MS - 5,
    }  # fmt: skip
    for changes in ({}, {"known_at": 0}, {"base_currency": "USD"}, {"outcome": "UNKNOWN"}):
        given = {**body, **changes}
        raw = message("Label", given).SerializeToString()
        told = _told(lambda raw, rates, now: reading.read_label(raw, now, rates.base), raw)
        as_json = json.dumps(given).encode()
        found = _told(lambda raw, rates, now: core.read_label(raw, now, rates.base), as_json)
        assert told == found
