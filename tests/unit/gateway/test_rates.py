"""Rates files."""

from pathlib import Path

import pytest

from riskstream.gateway.rates import read_rates
from riskstream.runtime.errors import Fatal


def test_conversion_rounds_half_to_even(tmp_path: Path) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(
        'version: v\nbase: EUR\nrates:\n  EUR: {per_base: "1", digits: 2}\n  AAA: {per_base: "2", digits: 2}\n'
    )
    rates = read_rates(path)
    assert [rates.to_base(minor, "AAA") for minor in (1, 3, 5, 10**13)] == [0, 2, 2, 5 * 10**12]


@pytest.mark.parametrize(
    "text", ["", "version: v", "rates: 5", "version: v\nbase: EUR\nrates: {EUR: {per_base: x, digits: 2}}", ":"]
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(text)
    with pytest.raises(Fatal, match="the rates cannot be read"):
        read_rates(path)
