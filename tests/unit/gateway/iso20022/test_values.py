"""Amounts are exact by the digits of their currency, times by their zone."""

import hashlib
import hmac
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.iso20022 import credit, pacs008, read

from riskstream.gateway.iso20022.values import (
    amount_of,
    instant_of,
    token_of,
    total_of,
    why_no_iban,
)
from riskstream.gateway.rates import Rates

RATES = Rates(version="v", base="CLF", factors={"CLF": Decimal(1), "JPY": Decimal("0.5")})


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("10", "EUR", 1000),
        ("10.5", "EUR", 1050),
        ("10.500", "EUR", 1050),
        ("0", "EUR", 0),
        ("0.00", "EUR", 0),
        ("00010.01", "EUR", 1001),
        (".01", "EUR", 1),
        ("7.", "EUR", 700),
        ("1234", "JPY", 1234),
        ("1234.00", "JPY", 1234),
        ("1.234", "KWD", 1234),
        ("1", "KWD", 1000),
        ("1.2345", "CLF", 12345),
        ("1.23450", "CLF", 12345),
        ("90071992547409.93", "EUR", 9007199254740993),
    ],
)
def test_an_amount_is_exact(text: str, currency: str, minor: int) -> None:
    assert amount_of(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "words"),
    [
        ("1.001", "EUR", "EUR has 2 digits behind the point"),
        ("1.5", "JPY", "JPY has no digit behind the point"),
        ("1.2345", "KWD", "KWD has 3 digits"),
        ("1.23456", "CLF", "CLF has 4 digits"),
        ("1.000001", "EUR", "more than 5 digits behind"),
        ("1e3", "EUR", "without sign or exponent"),
        ("-1", "EUR", "no amount"),
        ("+1", "EUR", "no amount"),
        ("", "EUR", "no amount"),
        (".", "EUR", "no amount"),
        ("1,50", "EUR", "no amount"),
        ("1 000", "EUR", "no amount"),
        ("\u0661", "EUR", "no amount"),
        ("NaN", "EUR", "no amount"),
        ("0x10", "EUR", "no amount"),
        ("1" * 19, "EUR", "more than 18 digits"),
        ("1" * 10_000, "EUR", "no amount"),
    ],
)
def test_what_is_no_exact_amount_is_refused_in_words(text: str, currency: str, words: str) -> None:
    found = amount_of(text, currency)
    assert isinstance(found, str)
    assert words in found
    assert len(found) < 200


def test_amounts_of_a_message_go_to_the_base_exactly() -> None:
    (yen, units), _ = read(
        pacs008([credit(1, "3", "JPY"), credit(2, "1.2345", "CLF")]), rates=RATES
    )
    assert (yen.values["amount_minor"], yen.values["base_amount_minor"]) == (3, 2)
    assert (units.values["amount_minor"], units.values["base_amount_minor"]) == (12345, 12345)


@given(st.decimals(0, 10**13, places=5), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_an_amount_is_what_decimal_says(amount: Decimal, currency: str) -> None:
    digits = {"EUR": 2, "JPY": 0, "KWD": 3, "CLF": 4}[currency]
    scaled, found = amount.scaleb(digits), amount_of(f"{amount:f}", currency)
    assert isinstance(found, str) == (scaled != int(scaled))
    assert isinstance(found, str) or found == scaled
    assert total_of(f"{amount:f}") == int(amount.scaleb(17))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2024-05-31T12:00:00", "without a zone"),
        ("2024-05-31", "no time like"),
        ("2024-02-30T12:00:00Z", "no such day"),
        ("2024-05-31T25:00:00Z", "no such day or time"),
        ("2024-05-31T24:00:01Z", "no such day or time"),
        ("2024-05-31T12:00:60Z", "no such day or time"),
        ("2024-05-31T12:00:00+15:00", "no zone is so far"),
        ("2024-05-31T12:00:00+01:75", "no zone is so far"),
        ("9999-12-31T24:00:00Z", "no such day or time"),
        ("-0044-03-15T12:00:00Z", "no time like"),
        ("\u0662\u066024-05-31T12:00:00Z", "no time like"),
        ("2024-05-31 12:00:00Z", "no time like"),
    ],
)
def test_what_is_no_instant_is_refused_in_words(text: str, words: str) -> None:
    found = instant_of(text, None)
    assert isinstance(found, str)
    assert words in found


def test_a_time_without_zone_is_in_the_declared_one() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert instant_of("2024-05-31T12:00:00", berlin) == instant_of("2024-05-31T10:00:00Z", None)
    assert instant_of("2024-01-31T12:00:00", berlin) == instant_of("2024-01-31T11:00:00Z", None)
    for text in ("2024-10-27T02:30:00", "2024-03-31T02:30:00"):
        assert "not one instant" in str(instant_of(text, berlin))


@pytest.mark.parametrize("text", ["DE88370400440532013000", "DE8937", "DE89 3704", "", "D" * 999])
def test_an_iban_is_checked_and_never_told(text: str) -> None:
    why = why_no_iban(text)
    assert why
    assert not text or text not in why


def test_a_token_is_an_hmac() -> None:
    expected = hmac.new(b"k", b"a", hashlib.sha256).hexdigest()[:32]
    assert token_of("a", b"k") == f"acct-{expected}"
