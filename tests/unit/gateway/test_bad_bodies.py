"""Every bad body is one problem with the path of the field; nothing of it is taken."""

import json

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
    assert problem.path == path
    assert words in problem.detail
    assert problem.body()["errors"] == [{"path": path, "detail": problem.detail}]


def test_a_good_body_gets_its_base_amount() -> None:
    found = read_transaction(json.dumps(request(amount_minor=10_956, currency="USD")).encode(), RATES, NOW_MS)
    assert (found.base_amount_minor, found.base_currency, found.rates_version) == (10_000, "EUR", RATES.version)


def test_minor_units_follow_the_currency() -> None:
    yen = read_transaction(json.dumps(request(amount_minor=15_568, currency="JPY")).encode(), RATES, NOW_MS)
    dinar = read_transaction(json.dumps(request(amount_minor=3368, currency="KWD")).encode(), RATES, NOW_MS)
    assert (yen.base_amount_minor, dinar.base_amount_minor) == (10_000, 1000)


def test_the_callers_own_base_amount_stands() -> None:
    body = request(currency="XAU", base_amount_minor=77, base_currency="USD", rates_version="mine")
    found = read_transaction(json.dumps(body).encode(), RATES, NOW_MS)
    assert (found.base_amount_minor, found.base_currency, found.rates_version) == (77, "USD", "mine")


def test_the_largest_amount_is_taken() -> None:
    assert read_transaction(json.dumps(request(amount_minor=10**13)).encode(), RATES, NOW_MS).amount_minor == 10**13
