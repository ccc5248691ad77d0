"""What a random table says: the contract's fields of each row."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

NOW_MS = 1_800_000_000_000
GRAINS_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
DIGITS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
"""Currencies, and the digits of their minor units."""
_FIRST_MS, _LAST_MS = 978_307_200_000, 1_780_000_000_000  # 2001 to 2026
_CHANGES_MS = (1_729_983_600_000, 1_711_843_200_000, 1_730_606_400_000)
"""Hours near which clocks of Berlin and New York are changed."""
_WILD = (
    " a ",
    "a,b",
    "a;b",
    'say "x"',
    '5" pipe',
    '"',
    "'x'",
    "'s",
    "two\nlines",
    "two\r\nlines",
    "a\tb",
    "a|b",
    "Müller",
    "日本語",
    "🙂",
    "\u00a0x\u00a0",
    "\ufeffx",
    "=1+1",
    "#1",
    "-",
    "\\N",
    "a\\",
    "a\\b",
    "C:\\x\\",
    "1E10",
    "2.29116E+15",
    "1.0",
    "NULL",
    "nan",
    "null",
    "true",
    "1,5",
    "2024-03-01",
    "0x1F",
    "+7",
    "00",
    "{}",
    '{"a": 1}',
    "a\u2028b",
    "a\x0bb",
    "\x85",
    "e\u0301",
    "x" * 256,
    "x" * 257,
)
_KINDS = ("PURCHASE", "REFUND", "CASH", "TRANSFER")
_CHANNELS = ("POS", "ECOM", "ATM", "MOBILE", "BRANCH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """n rows by field, None where a row has none; `is_fraud` too. All times are multiples of
    `grain`. `is_tame`: no text of it is one that a reader may refuse.
    """

    fields: dict[str, list[Any]]
    grain: str
    is_tame: bool

    @property
    def rows(self) -> int:
        return len(self.fields["transaction_id"])

    def are_refunds(self) -> list[bool]:
        return [each == "REFUND" for each in self.fields["kind"]]


def truth_of(rng: Random) -> Truth:
    """A table of 1 to 25 rows."""
    n = rng.randint(1, 25)
    is_tame = rng.random() < 0.6
    grain = rng.choice(list(GRAINS_MS))
    currencies = [rng.choice(list(DIGITS))] * n
    if rng.random() < 0.3:
        currencies = [rng.choice(list(DIGITS)) for _ in range(n)]
    most = rng.choice([500, 10**5, 10**9, 10**13])
    step = 1 if rng.random() < 0.8 else 1000
    kinds = [rng.choice(_KINDS) for _ in range(n)]
    if rng.random() < 0.5:
        kinds = [rng.choice(_KINDS[:2]) for _ in range(n)]
    fields: dict[str, list[Any]] = {
        "transaction_id": _unique(_ids(rng, n, is_tame=is_tame)),
        "customer_id": _ids(rng, n, is_tame=is_tame),
        "account_token": _ids(rng, n, is_tame=is_tame),
        "terminal_id": _some(rng, _ids(rng, n, is_tame=is_tame)),
        "merchant_id": _some(rng, _ids(rng, n, is_tame=is_tame)),
        "mcc": _some(rng, [rng.randint(0, 9999) for _ in range(n)]),
        "country": _some(rng, [rng.choice(["DE", "FR", "NA", "NO"]) for _ in range(n)]),
        "channel": [rng.choice(_CHANNELS) for _ in range(n)],
        "kind": kinds,
        "amount_minor": [rng.randint(0, most) // step * step for _ in range(n)],
        "currency": currencies,
        "occurred_at": _times(rng, n, GRAINS_MS[grain]),
        "is_fraud": _some(rng, [rng.random() < 0.3 for _ in range(n)]),
    }
    return Truth(fields=fields, grain=grain, is_tame=is_tame)


def _ids(rng: Random, n: int, *, is_tame: bool) -> list[str]:
    style = rng.choice(["digits", "long", "padded", "words"] if is_tame else ["wild", "words"])
    if style == "wild":
        return [rng.choice(_WILD) for _ in range(n)]
    draws: dict[str, Callable[[], str]] = {
        "digits": lambda: str(rng.randint(0, 10**9)),
        "long": lambda: str(rng.randint(0, 10 ** rng.randint(14, 19))),
        "padded": lambda: f"{rng.randint(0, 10**6):08d}",
        "words": lambda: f"{rng.choice(['c-', 'k_', 'Größe ', 'id'])}{rng.randint(0, 999)}",
    }
    draw = draws[style]
    return [draw() for _ in range(n)]


def _unique(ids: list[str]) -> list[str]:
    """The ids but those that came before: these get another one."""
    seen: set[str] = set()
    out = []
    for at, each in enumerate(ids):
        name = each if each not in seen else str(10**9 + 1 + at)
        seen.add(name)
        out.append(name)
    return out


def _some(rng: Random, values: list[Any]) -> list[Any]:
    """The values, or some of them."""
    share = rng.choice([0.0, 0.0, 0.3, 1.0])
    return [None if rng.random() < share else each for each in values]


def _times(rng: Random, n: int, grain_ms: int) -> list[int]:
    first = rng.randint(_FIRST_MS, _LAST_MS)
    span = rng.choice([10**6, 10**8, 10**10])
    if rng.random() < 0.3:
        first, span = rng.choice(_CHANGES_MS) - 7_200_000, 14_400_000
    return [(first + rng.randint(0, span)) // grain_ms * grain_ms for _ in range(n)]
