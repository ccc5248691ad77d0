"""Exchange rates: an amount in its currency to minor units of the base currency, exactly, half to
even.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from riskstream.domain.risk.money import digits_of
from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

_CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """`factors`: minor units of the base for one minor unit of each currency."""

    version: str
    base: str
    factors: dict[str, Decimal]

    def to_base(self, amount_minor: int, currency: str) -> int:
        """Amount in minor units of the base currency; KeyError for a currency without a rate."""
        return int(
            _CONTEXT.multiply(amount_minor, self.factors[currency]).to_integral_value(
                context=_CONTEXT
            )
        )


def read_rates(path: Path | None, base_currency: str | None = None) -> Rates:
    """Rates of a file, or the reference rates that ship; Fatal where they are not to
    `base_currency`.
    """
    path = path or Path(__file__).with_name("rates.yaml")
    rates = _read(path)
    if base_currency not in (None, rates.base):
        raise Fatal(
            what=f"the rates are to {rates.base}, base_currency is {base_currency}",
            where=str(path),
            do=f"give --rates whose base is {base_currency}, written like gateway/rates.yaml",
            exit_code=Exit.INPUT,
        )
    return rates


def _read(path: Path) -> Rates:
    try:
        data = yaml.safe_load(path.read_text())
        per_base = {code: _per_base(code, rate) for code, rate in data["rates"].items()}
        if per_base[data["base"]] != 1:
            raise ValueError(f"{data['base']} is the base, and its per_base is not 1")
        factors = {
            code: _CONTEXT.divide(
                Decimal(1).scaleb(digits_of(data["base"]) - digits_of(code)), each
            )
            for code, each in per_base.items()
        }
        return Rates(version=str(data["version"]), base=str(data["base"]), factors=factors)
    except (
        OSError,
        yaml.YAMLError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        InvalidOperation,
    ) as error:
        has_words = isinstance(error, OSError | yaml.YAMLError | ValueError)
        raise Fatal(
            what=f"the rates cannot be read: {cause(error) if has_words else repr(error)}",
            where=str(path),
            do="write them like gateway/rates.yaml",
            exit_code=Exit.INPUT,
        ) from error


def _per_base(code: Any, rate: dict[str, Any]) -> Decimal:
    """Units of a currency for one of the base; ValueError where it is none, or its minor unit is
    not ISO 4217's.
    """
    if not isinstance(code, str) or not re.fullmatch(r"[A-Z]{3}", code):
        raise ValueError(f"{code} is not a currency code of three capital letters")
    if int(rate["digits"]) != digits_of(code):
        raise ValueError(f"{code} has {rate['digits']} digits, {digits_of(code)} by ISO 4217")
    per_base = Decimal(str(rate["per_base"]))
    if not per_base.is_finite() or per_base <= 0:
        raise ValueError(f"{code} has per_base {rate['per_base']}, not a number above 0")
    return per_base
