"""Bad bodies of POST /v1/transactions: (body, path of the problem, words of its detail)."""

import json
from typing import Any

from tests.support.builders import NOW_MS, request


def _with(**changes: Any) -> bytes:
    return json.dumps(request(**changes)).encode()


def _raw(old: str, new: str) -> bytes:
    return json.dumps(request()).replace(old, new).encode()


BAD_BODIES = [
    (b"", "$", "empty"),
    (b"  \n", "$", "empty"),
    (b"{", "$", "line 1"),
    (b"{'a': 1}", "$", "line 1"),
    (b"\xff\xfe", "$", "UTF-8"),
    (b"[]", "$", "not a JSON object"),
    (b'"text"', "$", "not a JSON object"),
    (b"null", "$", "not a JSON object"),
    (b"[" * 100_000, "$", "deep"),
    (_raw('"amount_minor": 1000', '"amount_minor": NaN'), "$", "NaN"),
    (_raw('"amount_minor": 1000', '"amount_minor": Infinity'), "$", "Infinity"),
    (_raw('"amount_minor": 1000', '"amount_minor": -Infinity'), "$", "-Infinity"),
    (_raw('"amount_minor": 1000', '"amount_minor": 1e400'), "$.amount_minor", "Expected `int`"),
    (_raw('"amount_minor": 1000', '"amount_minor": ' + "9" * 5000), "$", "number"),
    (_raw('"currency": "EUR"', '"currency": "EUR", "amount_minor": 2'), "$.amount_minor", "twice"),
    (_with(amount_minor="1000"), "$.amount_minor", "Expected `int`"),
    (_with(amount_minor=10.5), "$.amount_minor", "Expected `int`"),
    (_with(amount_minor=True), "$.amount_minor", "Expected `int`"),
    (_with(amount_minor=None), "$.amount_minor", "Expected `int`"),
    (_with(amount_minor=-1), "$.amount_minor", ">= 0"),
    (_with(amount_minor=10**13 + 1), "$.amount_minor", "<= 10000000000000"),
    (_with(amount_minor=2**63), "$.amount_minor", "found 9223372036854775808"),
    (_with(amount_minor=2**70), "$.amount_minor", "found 1180591620717411303424"),
    (_with(amount_minor=10**13, currency="GBP"), "$.amount_minor", "10^13"),
    (_with(currency="ZZZ"), "$.currency", "no rate for ZZZ"),
    (_with(currency="eur"), "$.currency", "found eur"),
    (_with(currency="EURO"), "$.currency", "found EURO"),
    (_with(base_amount_minor=5), "$.base_currency", "without base_currency"),
    (_with(channel="TELEPATHY"), "$.channel", "TELEPATHY"),
    (_with(channel="UNKNOWN"), "$.channel", "UNKNOWN"),
    (_with(kind="GIFT"), "$.kind", "GIFT"),
    (_with(mcc=10_000), "$.mcc", "9999"),
    (_with(country="Belgium"), "$.country", "Belgium"),
    (_with(transaction_id=...), "$.transaction_id", "missing"),
    (_with(customer_id=...), "$.customer_id", "missing"),
    (_with(occurred_at=...), "$.occurred_at", "missing"),
    (_with(transaction_id=""), "$.transaction_id", "length >= 1"),
    (_with(customer_id="c" * 257), "$.customer_id", "length <= 256"),
    (_with(customer_id="é" * 129), "$.customer_id", "258 bytes"),
    (_with(transaction_id="\ud800"), "$.transaction_id", "surrogate"),
    (_with(terminal_id="t\udfff"), "$.terminal_id", "surrogate"),
    (_with(currency="EUR\n"), "$.currency", "found EUR"),
    (_with(country="RU\n"), "$.country", "found RU"),
    (_with(currency="\ud800"), "$.currency", "surrogate"),
    (_with(channel="\ud800"), "$.channel", "surrogate"),
    (_with(**{"\ud800": 1}), "$.?", "unknown"),
    (_with(occurred_at=0), "$.occurred_at", "left out"),
    (_with(customer_id=17), "$.customer_id", "Expected `str`"),
    (_with(customer_id={"a": 1}), "$.customer_id", "Expected `str`"),
    (_with(occurred_at=NOW_MS * 1000), "$.occurred_at", "microseconds"),
    (_with(occurred_at=NOW_MS // 1000), "$.occurred_at", "seconds"),
    (_with(occurred_at=NOW_MS + 3_600_000), "$.occurred_at", "5 minutes"),
    (_with(occurred_at=-1), "$.occurred_at", "before 1970"),
    (_with(occurred_at="2024-06-01T10:00:00Z"), "$.occurred_at", "Expected `int`"),
    (_with(amount=5), "$.amount", "unknown"),
]
