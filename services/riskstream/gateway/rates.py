"""Exchange rates: an amount in its currency to minor units of the base currency, exactly, half to even."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from pathlib import Path

import yaml

from riskstream.runtime.errors import Fatal

_CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """`factors`: minor units of the base for one minor unit of each currency."""

    version: str
    base: str
    factors: dict[str, Decimal]

    def to_base(self, amount_minor: int, currency: str) -> int:
        """Amount in minor units of the base currency; KeyError for a currency without a rate."""
        return int(_CONTEXT.multiply(amount_minor, self.factors[currency]).to_integral_value(context=_CONTEXT))


def read_rates(path: Path | None, base_currency: str | None = None) -> Rates:
    """Rates of a file, or the reference rates that ship; Fatal where they are not to `base_currency`."""
    path = path or Path(__file__).with_name("rates.yaml")
    rates = _read(path)
    if base_currency not in (None, rates.base):
        raise Fatal(
            what=f"the rates are to {rates.base}, base_currency is {base_currency}", where=str(path),
            do=f"give --rates whose base is {base_currency}, written like gateway/rates.yaml", exit_code=2,
        )  # fmt: skip
    return rates


def _read(path: Path) -> Rates:
    try:
        data = yaml.safe_load(path.read_text())
        base_digits = int(data["rates"][data["base"]]["digits"])
        factors = {
            code: _CONTEXT.divide(Decimal(1).scaleb(base_digits - int(rate["digits"])), Decimal(str(rate["per_base"])))
            for code, rate in data["rates"].items()
        }
        return Rates(version=str(data["version"]), base=str(data["base"]), factors=factors)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise Fatal(
            what=f"the rates cannot be read: {error!r}",
            where=str(path),
            do="write them like gateway/rates.yaml",
            exit_code=2,
        ) from error
