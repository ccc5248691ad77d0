"""Amounts of money: whole minor units of a currency, added exactly, and as people read and write
them.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
"""Currencies whose minor unit has not two digits, by ISO 4217."""
_DIGITS = {code: digits for digits, codes in _CODES.items() for code in codes.split()}


def digits_of(currency: str) -> int:
    """Digits of a currency's minor unit."""
    return _DIGITS.get(currency, 2)


def exact(amounts_minor: NDArray[np.integer]) -> NDArray[Any]:
    """The amounts in a type in which the sum of all of them, and of any part, is exact: int64, else
    Python's integers.
    """
    n = len(amounts_minor)
    largest = max(int(amounts_minor.max()), -int(amounts_minor.min())) if n else 0
    return amounts_minor.astype(np.int64 if n * largest < 2**62 else object)


def shown(minor: int, currency: str) -> str:
    """Minor units as people read them: 123456 of EUR is 1,234.56."""
    digits = digits_of(currency)
    major, rest = divmod(abs(int(minor)), 10**digits)
    return f"{'-' if minor < 0 else ''}{major:,}" + (f".{rest:0{digits}d}" if digits else "")


def minor_of(major: float, currency: str) -> int:
    """Minor units of an amount as people write it, rounded half to even."""
    return int(Decimal(str(major)).scaleb(digits_of(currency)).to_integral_value(ROUND_HALF_EVEN))
