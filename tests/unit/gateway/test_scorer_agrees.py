"""Whatever a body holds, the gateway and the scorer agree on what is a transaction."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import NOW_MS, request

from riskstream.domain.contracts import json_checks
from riskstream.domain.contracts.bounds import bounds_of
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.contracts.records import Transaction
from riskstream.domain.risk import validity
from riskstream.domain.risk.judge import Judge, Keys
from riskstream.gateway.core import read_transaction
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import read_rates

RATES = read_rates(None)
DECODER = ColumnDecoder("transaction.v1")
JUDGE = Judge(DECODER.layout, "EUR")
FILLED = {"base_amount_minor": 1000, "base_currency": "EUR", "rates_version": ""}
ONLY_THE_DOOR = {"unknown-field", "duplicate-key", "unknown-currency", "missing-field"}
"""What no frame can show: the scorer never sees an unknown field, and takes any currency for which
a base amount is given.
"""

_texts = st.one_of(
    st.text(max_size=4),
    st.sampled_from(
        ["EUR", "EUR\n", "eur", "USD", "RU", "RU\n", "ZZZ", "", "POS", "UNKNOWN", "\u212a"]
    ),
    st.sampled_from(
        ["x" * 256, "x" * 257, "é" * 128, "é" * 129, "😀" * 64, "😀" * 65, "x" * 64, "x" * 65]
    ),
)
_numbers = st.one_of(
    st.integers(-2, 2),
    st.sampled_from(
        [9999, 10_000, 10**13, 10**13 + 1, 2**31, 2**63 - 1, 2**63, -(2**63), 31_535_999_999]
    ),
    st.sampled_from(
        [NOW_MS, NOW_MS + 300_000, NOW_MS + 300_001, NOW_MS // 1000, NOW_MS * 1000, 31_536_000_000]
    ),
)
_values = st.one_of(
    _texts,
    _numbers,
    st.floats(),
    st.booleans(),
    st.none(),
    st.just(...),
    st.just([]),
    st.just({"a": 1}),
)
_names = st.sampled_from(list(bounds_of("transaction.v1")))
_bodies = st.dictionaries(_names, _values, max_size=3).map(lambda changes: request(**changes))


def _verdict(record: dict[str, Any]) -> str | None:
    """The scorer's word for a record, "" where it is good; None where Avro carries it not, or as
    something else (1.5 as 1).
    """
    try:
        frame = codec("transaction.v1").encode(record)
        key = record["customer_id"].encode()
    except Exception:  # whatever fastavro raises at a value of another type
        return None
    carried = codec("transaction.v1").decode(frame)
    if any(type(carried.get(name)) is not type(value) for name, value in record.items()):
        return None
    columns = DECODER.decode([frame])
    reject = JUDGE.judge(columns, Keys.of([key]), np.array([NOW_MS]))
    return JUDGE.reason(columns, reject, 0)


def _is_for_the_scorer(fault: Any, body: dict[str, Any]) -> bool:
    """Whether the scorer looks at it as well. It takes an empty text for one that is left out, and
    UNKNOWN for a choice.
    """
    value = body.get(fault.path.removeprefix("$."))
    return (
        fault.code not in ONLY_THE_DOOR
        and value not in ("UNKNOWN", None)
        and (
            value != ""
            or fault.path in ("$.transaction_id", "$.customer_id", "$.currency", "$.base_currency")
        )
    )


def _read(body: bytes) -> Transaction | Problem:
    try:
        return read_transaction(body, RATES, NOW_MS)
    except Problem as problem:
        return problem


@settings(max_examples=500, deadline=None)
@given(_bodies)
def test_what_the_gateway_takes_the_scorer_takes_and_what_it_refuses_the_scorer_rejects(
    body: dict[str, Any],
) -> None:
    found = _read(json.dumps(body).encode())
    if isinstance(found, Transaction):
        assert _verdict({name: getattr(found, name) for name in bounds_of("transaction.v1")}) == ""
    elif any(_is_for_the_scorer(fault, body) for fault in found.errors):
        assert _verdict({**FILLED, **body}) != "", found.body()


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        _values, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner)
    ),
    st.binary(),
)
def test_any_json_and_any_bytes_are_taken_or_are_one_problem(value: Any, raw: bytes) -> None:
    for body in (
        json.dumps(value, default=str).encode(),
        raw,
        json.dumps(request(mcc=1)).encode() + raw,
    ):
        found = _read(body)
        if isinstance(found, Problem):
            assert json.loads(json.dumps(found.body()).encode())["status"] == 400
            assert found.errors


def test_both_sides_take_the_same_time_ahead() -> None:
    assert json_checks.MAX_AHEAD_MS == validity.MAX_AHEAD_MS
