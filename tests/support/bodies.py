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
    (_raw('"amount_minor": 1000', '"amount_minor": NaN'), "$.amount_minor", "NaN"),
    (_raw('"amount_minor": 1000', '"amount_minor": Infinity'), "$.amount_minor", "Infinity"),
    (_raw('"amount_minor": 1000', '"amount_minor": -Infinity'), "$.amount_minor", "-Infinity"),
    (
        _raw('"amount_minor": 1000', '"amount_minor": 1e400'),
        "$.amount_minor",
        "1e400, which has a fraction or an exponent",
    ),
    (
        _raw('"amount_minor": 1000', '"amount_minor": ' + "9" * 5000),
        "$.amount_minor",
        "(5,000 characters), which is out of range",
    ),
    (_raw('"currency": "EUR"', '"currency": "EUR", "amount_minor": 2'), "$.amount_minor", "twice"),
    (_with(amount_minor="1000"), "$.amount_minor", "it is a text; give a whole number"),
    (_with(amount_minor=10.5), "$.amount_minor", "it is 10.5, which has a fraction"),
    (_with(amount_minor=1000.0), "$.amount_minor", "it is 1000.0, which has a fraction"),
    (_with(amount_minor=True), "$.amount_minor", "it is true; give a whole number"),
    (_with(amount_minor=None), "$.amount_minor", "it is null; give a whole number"),
    (_with(amount_minor=-1), "$.amount_minor", "it is -1; give 0 to 10,000,000,000,000"),
    (_with(amount_minor=10**13 + 1), "$.amount_minor", "give 0 to 10,000,000,000,000"),
    (_with(amount_minor=2**63), "$.amount_minor", "it is 9223372036854775808"),
    (_with(amount_minor=2**70), "$.amount_minor", "1180591620717411303424, which is out of range"),
    (_with(amount_minor=10**13, currency="GBP"), "$.amount_minor", "10^13"),
    (_with(currency="ZZZ"), "$.currency", "no rate for ZZZ"),
    (_with(currency="eur"), "$.currency", '"eur", not shaped [A-Z]{3}'),
    (_with(currency="EURO"), "$.currency", "4 bytes of UTF-8, 3 at most"),
    (_with(base_amount_minor=5), "$.base_currency", "without base_currency"),
    (
        _with(channel="TELEPATHY"),
        "$.channel",
        ('"TELEPATHY"; give one of POS, ECOM, ATM, MOBILE, BRANCH'),
    ),
    (_with(channel="UNKNOWN"), "$.channel", '"UNKNOWN"; give one of POS'),
    (_with(kind="GIFT"), "$.kind", "give one of PURCHASE, REFUND, CASH, TRANSFER"),
    (_with(kind="purchase"), "$.kind", '"purchase"; give one of PURCHASE'),
    (_with(kind=3), "$.kind", "3; give one of PURCHASE"),
    (_with(kind=...), "$.kind", "missing"),
    (_with(channel=...), "$.channel", "missing"),
    (_with(channel=None), "$.channel", "null; give one of POS"),
    (_with(mcc=10_000), "$.mcc", "it is 10000; give 0 to 9,999"),
    (_with(country="Belgium"), "$.country", "7 bytes of UTF-8, 2 at most"),
    (_with(transaction_id=...), "$.transaction_id", "missing"),
    (_with(customer_id=...), "$.customer_id", "missing"),
    (_with(occurred_at=...), "$.occurred_at", "missing"),
    (_with(transaction_id=""), "$.transaction_id", "it is empty"),
    (_with(customer_id="c" * 257), "$.customer_id", "257 bytes of UTF-8, 256 at most"),
    (_with(customer_id="é" * 129), "$.customer_id", "258 bytes"),
    (_with(transaction_id="\ud800"), "$.transaction_id", "surrogate"),
    (_with(terminal_id="t\udfff"), "$.terminal_id", "surrogate"),
    (_with(currency="EUR\n"), "$.currency", "4 bytes of UTF-8"),
    (_with(country="RU\n"), "$.country", "3 bytes of UTF-8"),
    (_with(currency="\ud800"), "$.currency", "surrogate"),
    (_with(channel="\ud800"), "$.channel", "give one of POS"),
    (_with(**{"\ud800": 1}), '$["?"]', "unknown"),
    (_with(**{"card number": 1}), '$["card number"]', "unknown"),
    (_with(termnal_id="t"), "$.termnal_id", "did you mean terminal_id?"),
    (_with(occurred_at=0), "$.occurred_at", "left out"),
    (_with(customer_id=17), "$.customer_id", "it is a number; give a text"),
    (_with(customer_id={"a": 1}), "$.customer_id", "it is an object; give a text"),
    (_with(customer_id=["a"]), "$.customer_id", "it is a list; give a text"),
    (_with(mcc=5411.0), "$.mcc", "fraction"),
    (_with(mcc=False), "$.mcc", "it is false"),
    (_with(mcc="5411"), "$.mcc", "it is a text"),
    (_with(country=""), "$.country", "not shaped"),
    (_with(terminal_id=""), "$.terminal_id", "it is empty"),
    (_with(corrects="x" * 257), "$.corrects", "257 bytes"),
    (_with(corrects="t-1"), "$.corrects", "it is the transaction's own transaction_id"),
    (_with(rates_version="é" * 33), "$.rates_version", "66 bytes of UTF-8, 64 at most"),
    (b"\xef\xbb\xbf" + _with(), "$", "byte order mark"),
    (json.dumps(request()).encode("utf-16"), "$", "not UTF-8"),
    (_with() + b"x", "$", "Extra data"),
    (_with() + _with(), "$", "Extra data"),
    (_with(occurred_at=NOW_MS * 1000), "$.occurred_at", "microseconds"),
    (_with(occurred_at=NOW_MS // 1000), "$.occurred_at", "seconds"),
    (_with(occurred_at=NOW_MS + 3_600_000), "$.occurred_at", "5 minutes"),
    (_with(occurred_at=-1), "$.occurred_at", "before 1970"),
    (_with(occurred_at=31_535_999_999), "$.occurred_at", "before 1971"),
    (_with(occurred_at=2**63), "$.occurred_at", "microseconds or nanoseconds"),
    (_with(occurred_at=1e400), "$.occurred_at", "no number of JSON"),
    (
        _with(occurred_at="2024-06-01T10:00:00Z"),
        "$.occurred_at",
        ("it is a text; give a whole number"),
    ),
    (_with(amount=5), "$.amount", "unknown"),
]
