"""Card numbers are found whatever stands between their digits, refused and never repeated."""

import json
import random
import uuid
from contextlib import suppress
from typing import Any

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import request
from tests.support.guarded import Guarded

from riskstream.gateway.auth.caller import SCOPES
from riskstream.gateway.auth.cards import SCHEMES, check_body, holds_card_number
from riskstream.gateway.core import read_label, read_transaction
from riskstream.gateway.edge import request_id_of
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import read_rates

NOW_MS = 1_717_236_000_000
CARDS = {
    "Visa": "4111111111111111",
    "Visa of 13": "4222222222222",
    "Visa of 19": "4000000000000000006",
    "Mastercard": "5555555555554444",
    "Mastercard of the 2 series": "2223003122003222",
    "American Express": "378282246310005",
    "Diners Club": "36227206271667",
    "Discover": "6011111111111117",
    "JCB": "3530111333300000",
    "UnionPay": "6200000000000005",
    "Maestro": "6759649826438453",
    "RuPay": "6521111111111110",
    "Mir": "2200000000000004",
}
CARD = CARDS["Visa"]


def _full_width(text: str) -> str:
    return "".join(chr(ord(each) + 0xFEE0) for each in text)


WRITTEN = {
    "plain": CARD,
    "spaces": "4111 1111 1111 1111",
    "dashes": "4111-1111-1111-1111",
    "dots": "4111.1111.1111.1111",
    "odd groups": "41 11111-11111.1111",
    "each digit alone": "-".join(CARD),
    "two spaces": "4111  1111  1111  1111",
    "full width": _full_width(CARD),
    "full width with its own dots": "\uff0e".join(
        map(_full_width, ("4111", "1111", "1111", "1111"))
    ),
    "Arabic digits": "".join(chr(0x660 + int(each)) for each in CARD),
    "Devanagari digits": "".join(chr(0x966 + int(each)) for each in CARD),
    "mixed scripts": "4111" + _full_width("1111") + CARD[8:],
    "superscripts": "⁴" + "¹" * 15,
    "circled": "④" + "①" * 15,
    "no-break spaces": "4111\u00a01111\u00a01111\u00a01111",
    "zero-width spaces": "\u200b".join(CARD),
    "soft hyphens": "\u00ad".join(CARD),
    "en dashes": "4111\u20131111\u20131111\u20131111",
    "minus signs": "4111\u22121111\u22121111\u22121111",
    "key caps": "\ufe0f\u20e3".join(CARD),
    "tabs": "4111\t1111\t1111\t1111",
    "in a sentence": f"the card {CARD} was lost",
    "after a date": "2026-11-28 4111 1111 1111 1111",
    "before more digits": "4111 1111 1111 1111 12/27 123",
    "after letters": f"PAN{CARD}",
    "after one letter of a hash": f"c{CARD}",
    "after an underscore": f"card_{CARD}",
    "before letters": f"{CARD}x",
    "as on a magnetic stripe": f";{CARD}=27121010000012345678?",
}
NONE = {
    "a wrong last digit": "4111111111111112",
    "no scheme's beginning": "1111111111111117",
    "no scheme's length": "41111111111111112" + "1",
    "12 digits": "411111111110",
    "20 digits": "41111111111111111111",
    "a letter between": "41111111a11111111",
    "ms since 1970": "1717236000002",
    "ns since 1970": "1717236000000000005",
    "a UUID": "41111111-1111-4111-8111-11111111111a",
    "a hash": "4111111111111111ab",
    "an object id": "507f1f77bcf86cd799439011",
    "a decimal": "0.4111111111111111",
    "a telephone number": "+49 1512 3456780",
    "an IBAN": "BE71 0961 2345 6769",
    "nothing": "",
}


def _body(**changes: Any) -> bytes:
    return json.dumps(request(occurred_at=NOW_MS, **changes)).encode()


def _path(body: bytes) -> str | None:
    try:
        check_body(body)
    except Problem as problem:
        return problem.errors[0].path if problem.code == "card-number" else None
    return None


@pytest.mark.parametrize("name", CARDS)
def test_numbers_of_every_scheme_are_found(name: str) -> None:
    assert holds_card_number(CARDS[name])
    assert _path(_body(account_token=CARDS[name])) == "$.account_token"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_number_is_found_however_it_is_written(name: str) -> None:
    text = WRITTEN[name]
    assert holds_card_number(text)
    row = request(occurred_at=NOW_MS, customer_id=text)
    assert _path(json.dumps(row).encode()) == "$.customer_id", "escaped"
    assert _path(json.dumps(row, ensure_ascii=False).encode()) == "$.customer_id"


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_card_number_passes(name: str) -> None:
    assert not holds_card_number(NONE[name])
    assert _path(_body(customer_id=NONE[name])) is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (f'{{"a": {{"b": ["x", "{CARD}"]}}}}', "$.a.b[1]"),
        (f'{{"{CARD}": 1}}', "$"),
        (f'{{"a": {{"x {CARD}": 1}}}}', "$.a"),
        (f'{{"mcc": {CARD}}}', "$.mcc"),
        (f'{{"amount_minor": {CARD}}}', "$.amount_minor"),
        ('{"mcc": 4222222222222}', "$.mcc"),
        (f'{{"a": "{CARD}", "a": "b"}}', "$.a"),
        (f'["{CARD}"]', "$[0]"),
        (f'"{CARD}"', "$"),
        ('{"a": "\\u0034' + CARD[1:] + '"}', "$.a"),
        ('{"odd name": "' + CARD + '"}', '$["odd name"]'),
    ],
)
def test_a_number_is_found_wherever_it_stands(body: str, path: str) -> None:
    assert _path(body.encode()) == path


@pytest.mark.parametrize(
    "body",
    [
        '{"amount_minor": 4222222222222}',
        '{"occurred_at": 4222222222222}',
        '{"score": 0.4111111111111111}',
        f'{{"a": "{CARD}',
        '{"a": "' + CARD[:8] + '", "b": "' + CARD[8:] + '"}',
        "[" * 9000 + f'"{CARD}"',
        "",
    ],
)
def test_amounts_times_decimals_and_what_is_no_json_pass(body: str) -> None:
    assert _path(body.encode()) is None


def test_ids_that_are_plain_numbers_are_rarely_refused() -> None:
    chance = random.Random(5)

    def share(make: Any, count: int = 4000) -> float:
        return sum(holds_card_number(make()) for _ in range(count)) / count

    assert share(lambda: str(1_700_000_000_000 + chance.randrange(10**11))) == 0
    assert share(lambda: str(1_700_000_000_000_000 + chance.randrange(10**14))) == 0
    assert share(lambda: str(uuid.UUID(int=chance.getrandbits(128)))) == 0
    assert share(lambda: f"{chance.getrandbits(256):064x}") == 0
    assert share(lambda: str(chance.randrange(10**9, 10**12))) == 0
    # of 16 random digits Luhn alone would refuse one in ten
    assert share(lambda: str(chance.randrange(10**15, 10**16))) < 0.05


@given(st.integers(0, len(SCHEMES) - 1), st.data())
def test_a_right_last_digit_is_found_and_a_wrong_one_is_not(row: int, data: st.DataObject) -> None:
    _, least, most, sizes = SCHEMES[row]
    size = data.draw(st.sampled_from(list(sizes)))
    head = str(data.draw(st.integers(least, most)))
    rest = data.draw(st.text("0123456789", min_size=size - 7, max_size=size - 7))
    found = [holds_card_number(head + rest + str(last)) for last in range(10)]
    assert sum(found) == 1
    body = f'{{"a": "{head}{rest}{found.index(True)}"}}'
    assert _path(body.encode()) == "$.a"


@given(st.text(max_size=60))
def test_a_body_and_its_text_are_judged_alike(text: str) -> None:
    for is_ascii in (True, False):
        body = json.dumps({"a": text}, ensure_ascii=is_ascii).encode(errors="replace")
        if "?" not in body.decode() or is_ascii:
            assert (_path(body) == "$.a") == holds_card_number(text)


def test_both_records_are_looked_at_before_anything_is_said_of_them() -> None:
    rates = read_rates(None)
    for body in (_body(kind=CARD), _body(mcc=int(CARD)), _body(**{CARD: "x"})):
        with pytest.raises(Problem) as found:
            read_transaction(body, rates, NOW_MS)
        assert CARD not in json.dumps(found.value.body())
        assert found.value.code == "card-number"
    with pytest.raises(Problem, match="") as label:
        read_label(json.dumps({"label_id": CARD}).encode(), NOW_MS)
    assert label.value.body()["errors"][0]["path"] == "$.label_id"


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (f"/subjects/{CARD}", []),
        (f"/v1/transactions?deadline_ms={CARD}", []),
        ("/v1/transactions?card=4111%201111%201111%201111", []),
        ("/v1/transactions?card=4111+1111+1111+1111", []),
        ("/v1/transactions", [("X-Deadline-Ms", CARD)]),
        ("/v1/transactions", [("Content-Type", f"text/{CARD}")]),
    ],
)
def test_a_number_outside_of_the_body_is_refused_too(
    target: str, headers: list[tuple[str, str]]
) -> None:
    guarded = Guarded()
    key = guarded.keys.make(*SCOPES)
    with structlog.testing.capture_logs() as events:
        found = guarded.ask(target, headers=[*headers, ("X-API-Key", key)])
    assert (found.status, found.body["type"]) == (422, "urn:riskstream:problem:card-number")
    assert "1111" not in str(found) + str(events)
    assert guarded.reached == []


def test_a_request_id_that_is_a_card_number_is_not_repeated() -> None:
    assert (
        request_id_of([(b"x-request-id", b"my-4111-1111-1111-1111")]) != b"my-4111-1111-1111-1111"
    )
    assert request_id_of([(b"x-request-id", b"my-request-7")]) == b"my-request-7"


def test_a_body_made_to_be_slow_ends_soon() -> None:
    """No quadratic work, which would take minutes here."""
    for unit in ("1 ", "4 1", "4-", "41111111111 ", "4111111111111112 ", "4.1.1.1.1.1."):
        with suppress(Problem):
            check_body(json.dumps({"a": unit * (60_000 // len(unit))}).encode())
