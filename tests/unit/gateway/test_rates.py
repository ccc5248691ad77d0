"""Rates files."""

from decimal import Decimal
from pathlib import Path

import pytest

from riskstream.gateway.rates import read_rates
from riskstream.runtime.errors import Fatal


def test_conversion_rounds_half_to_even(tmp_path: Path) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(
        'version: v\nbase: EUR\nrates:\n  EUR: {per_base: "1", digits: 2}\n  AAA: '
        '{per_base: "2", digits: 2}\n'
    )
    rates = read_rates(path)
    assert [rates.to_base(minor, "AAA") for minor in (1, 3, 5, 10**13)] == [0, 2, 2, 5 * 10**12]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version: v",
        "rates: 5",
        ("version: v\nbase: EUR\nrates: {EUR: {per_base: x, digits: 2}}"),
        ":",
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(text)
    with pytest.raises(Fatal, match="the rates cannot be read"):
        read_rates(path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('JPY: {per_base: "155", digits: 2}', "JPY has 2 digits, 0 by ISO 4217"),
        ('KWD: {per_base: "0.3", digits: 2}', "KWD has 2 digits, 3 by ISO 4217"),
        ('USD: {per_base: "0", digits: 2}', "USD has per_base 0, not a number above 0"),
        ('USD: {per_base: "-1.1", digits: 2}', "USD has per_base -1.1"),
        ('USD: {per_base: ".nan", digits: 2}', "the rates cannot be read"),
        ('USD: {per_base: "Infinity", digits: 2}', "USD has per_base Infinity"),
        ('usd: {per_base: "1.1", digits: 2}', "usd is not a currency"),
        ("NO: {per_base: 1, digits: 2}", "False is not a currency"),
        ('EUR: {per_base: "1.1", digits: 2}', "EUR is the base, and its per_base is not 1"),
    ],
)
def test_a_rate_that_would_convert_wrongly_is_one_sentence(
    tmp_path: Path, row: str, said: str
) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(
        f'version: v\nbase: EUR\nrates:\n  EUR: {{per_base: "1", digits: 2}}\n  {row}\n'
    )
    with pytest.raises(Fatal, match=said):
        read_rates(path)


@pytest.mark.parametrize(
    ("base", "minor", "currency", "expected"),
    [
        ("JPY", 100, "EUR", 156),
        ("JPY", 155, "JPY", 155),
        ("KWD", 100, "EUR", 334),
        ("KWD", 155, "JPY", 333),
        ("EUR", 1000, "KWD", 299),
    ],
)
def test_bases_of_no_digits_and_of_three(
    tmp_path: Path, base: str, minor: int, currency: str, expected: int
) -> None:
    per_eur = {"EUR": Decimal(1), "JPY": Decimal("155.68"), "KWD": Decimal("0.33444")}
    digits = {"EUR": 2, "JPY": 0, "KWD": 3}
    rows = [
        f'  {code}: {{per_base: "{each / per_eur[base]}", digits: {digits[code]}}}'
        for code, each in per_eur.items()
    ]
    path = tmp_path / "rates.yaml"
    path.write_text("\n".join(["version: v", f"base: {base}", "rates:", *rows, ""]))
    rates = read_rates(path, base)
    assert rates.to_base(minor, currency) == expected
