"""Every bad body is one problem with the path of the field; nothing of it is taken."""

import json

import msgspec
import pytest
from tests.support.bodies import BAD_BODIES
from tests.support.builders import NOW_MS, request

from riskstream.gateway.core import read_transaction
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import read_rates

RATES = read_rates(None)


@pytest.mark.parametrize(("body", "path", "words"), BAD_BODIES)
def test_a_bad_body_is_refused_with_its_path(body: bytes, path: str, words: str) -> None:
    with pytest.raises(Problem) as caught:
        read_transaction(body, RATES, NOW_MS)
    problem = caught.value
    assert problem.status == 400
    assert words in problem.detail
    assert [(each["path"], each["detail"]) for each in problem.body()["errors"]] == [
        (path, problem.detail)
    ]
    msgspec.json.encode(problem.body())


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(Problem) as caught:
        read_transaction(b"{}", RATES, NOW_MS)
    ids = {"$.transaction_id", "$.customer_id", "$.account_token"}
    rest = {"$.channel", "$.kind", "$.amount_minor", "$.currency", "$.occurred_at"}
    assert {fault.path for fault in caught.value.errors} == ids | rest
    assert caught.value.body()["type"] == "urn:riskstream:problem:missing-field"
    by_path = {each["path"]: each for each in caught.value.body()["errors"]}
    assert by_path["$.channel"]["allowed"] == "one of POS, ECOM, ATM, MOBILE, BRANCH"
    assert by_path["$.customer_id"]["allowed"] == "a text in UTF-8: 1 to 256 bytes"
    assert by_path["$.amount_minor"]["allowed"] == "a whole number: from 0, to 10,000,000,000,000"
    bad = (
        b'{"a": 1, "kind": "GIFT", "kind": "GIFT", "currency": "eur", "mcc": true, '
        b'"occurred_at": 0, "base_amount_minor": NaN}'
    )
    with pytest.raises(Problem) as caught:
        read_transaction(bad, RATES, NOW_MS)
    codes = {(each["path"], each["code"]) for each in caught.value.body()["errors"]}
    assert {
        ("$.a", "unknown-field"),
        ("$.kind", "duplicate-key"),
        ("$.kind", "invalid-field"),
        ("$.currency", "invalid-field"),
        ("$.mcc", "invalid-field"),
        ("$.occurred_at", "bad-time"),
        ("$.base_amount_minor", "invalid-field"),
        ("$.customer_id", "missing-field"),
    } <= codes
    assert caught.value.code == "invalid-body"


def test_thousands_of_faults_give_an_answer_of_a_few_kilobytes() -> None:
    body = json.dumps(request(**{f"field {n}": n for n in range(4000)})).encode()
    with pytest.raises(Problem) as caught:
        read_transaction(body, RATES, NOW_MS)
    assert len(caught.value.errors) == 32
    assert len(msgspec.json.encode(caught.value.body())) < 8192


def test_a_good_body_gets_its_base_amount() -> None:
    found = read_transaction(
        json.dumps(request(amount_minor=10_956, currency="USD")).encode(), RATES, NOW_MS
    )
    assert (found.base_amount_minor, found.base_currency, found.rates_version) == (
        10_000,
        "EUR",
        RATES.version,
    )


def test_minor_units_follow_the_currency() -> None:
    yen = read_transaction(
        json.dumps(request(amount_minor=15_568, currency="JPY")).encode(), RATES, NOW_MS
    )
    dinar = read_transaction(
        json.dumps(request(amount_minor=3368, currency="KWD")).encode(), RATES, NOW_MS
    )
    assert (yen.base_amount_minor, dinar.base_amount_minor) == (10_000, 1000)


def test_the_callers_own_base_amount_stands() -> None:
    body = request(currency="XAU", base_amount_minor=77, base_currency="EUR", rates_version="mine")
    found = read_transaction(json.dumps(body).encode(), RATES, NOW_MS)
    assert (found.base_amount_minor, found.base_currency, found.rates_version) == (
        77,
        "EUR",
        "mine",
    )


def test_the_largest_amount_is_taken() -> None:
    assert (
        read_transaction(
            json.dumps(request(amount_minor=10**13)).encode(), RATES, NOW_MS
        ).amount_minor
        == 10**13
    )
