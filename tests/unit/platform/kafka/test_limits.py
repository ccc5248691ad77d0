"""Sizes: every text has a bound, every record fits its topic, and what does not fit is cut and says
so.
"""

import hashlib

import numpy as np
import pytest
from tests.support.builders import NOW_MS, frame

from riskstream.domain.contracts.bounds import bounds_of, largest_frame
from riskstream.domain.contracts.catalog import contracts, topics
from riskstream.domain.contracts.columns import MAX_FRAME_BYTES, ColumnDecoder
from riskstream.domain.risk.judge import Judge, Keys
from riskstream.platform.kafka.clients.limits import (
    check,
    fitted,
    least_of_topics,
    producer_bytes,
    record_bytes,
    short_key,
)
from riskstream.platform.kafka.dead_letters import DeadLetter
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.rejects import dead_letter_headers
from riskstream.runtime.errors import Fatal


def _reason(frame_: bytes, key: bytes = b"c-1") -> str:
    decoder = ColumnDecoder("transaction.v1")
    columns, judge = decoder.decode([frame_]), Judge(decoder.layout, "EUR")
    return judge.reason(
        columns, judge.judge(columns, Keys.of([key]), np.array([NOW_MS], np.int64)), 0
    )


def test_every_text_and_array_of_every_contract_has_a_bound_and_fits_its_topic() -> None:
    for name in contracts():
        assert largest_frame(name) > 0
    for topic, needed in least_of_topics(
        [each.name for each in topics().values() if each.contract]
    ).items():
        assert needed <= topics()[topic].max_bytes, topic
    assert largest_frame("transaction.v1") < MAX_FRAME_BYTES
    assert topics()["transactions.v1.dlq"].max_bytes > topics()["transactions.v1"].max_bytes
    assert producer_bytes() >= topics()["transactions.v1.dlq"].max_bytes


@pytest.mark.parametrize(
    "name", [name for name, each in bounds_of("transaction.v1").items() if each.max_bytes]
)
def test_a_text_is_taken_up_to_its_bound_in_bytes_and_rejected_over_it(name: str) -> None:
    most = bounds_of("transaction.v1")[name].max_bytes
    assert most is not None
    letter = "A" if most < 64 else "é"
    fits = "EUR" if name == "base_currency" else letter * (most // len(letter.encode()))
    key = fits.encode() if name == "customer_id" else b"c-1"
    assert _reason(frame(**{name: fits}), key) == ""
    longer = fits + "A"
    key = longer.encode() if name == "customer_id" else b"c-1"
    expected = "no_id" if name in ("transaction_id", "customer_id") else "text_too_long"
    expected = "bad_currency" if "currency" in name else expected
    assert _reason(frame(**{name: longer}), key) == expected


def test_a_large_value_is_told_by_its_first_bytes_and_its_neighbours_are_decoded() -> None:
    assert _reason(frame(terminal_id="T" * 520_000)) == "too_large"
    assert _reason(b"x" * 1_030_000) == "bad_magic"
    columns = ColumnDecoder("transaction.v1").decode(
        [frame(), b"\0" * 100_000, None, frame(transaction_id="t-2")]
    )
    assert columns.status.tolist()[0] == columns.status.tolist()[3] == 0
    assert columns.text("transaction_id", 3) == "t-2"


@pytest.mark.parametrize("country", ["be", "B1", "B"])
def test_a_country_is_two_capital_letters(country: str) -> None:
    assert _reason(frame(country=country)) == "bad_country"


@pytest.mark.parametrize("occurred_at", [0, -1, NOW_MS // 1000])
def test_an_event_time_in_seconds_or_missing_is_rejected(occurred_at: int) -> None:
    assert _reason(frame(occurred_at=occurred_at)) == "occurred_at_out_of_range"


def test_a_key_over_the_bound_is_cut_in_the_score_with_its_length_and_hash() -> None:
    key = b"k" * 1_030_000
    cut, headers = short_key(key)
    assert cut == key[:256]
    told = dict(headers)
    assert told["riskstream-key-bytes"] == b"1030000"
    assert told["riskstream-key-sha256"] == hashlib.sha256(key).hexdigest().encode()
    assert short_key(b"k" * 256) == (b"k" * 256, [])
    assert short_key(None) == (None, [])


@pytest.mark.parametrize(
    ("key", "value"),
    [(1_040_000, 4), (3, 90_000_000), (90_000_000, 90_000_000), (600_000, 600_000)],
)
def test_a_dead_letter_always_fits_and_says_what_was_cut(key: int, value: int) -> None:
    whole = b"k" * key, b"v" * value
    headers = dead_letter_headers("transactions.v1", 1, 2, "bad_magic")
    limit = producer_bytes()
    out = fitted(*whole, list(headers), limit)
    assert record_bytes(*out) <= limit
    told = {
        name: held
        for name, held in out[2]
        if name.startswith(("riskstream-key", "riskstream-value"))
    }
    for part, held, before in zip(("key", "value"), out[:2], whole, strict=True):
        assert held is not None
        assert before.startswith(held)
        assert told.get(f"riskstream-{part}-bytes") == (
            None if held == before else str(len(before)).encode()
        )
    record = Record(
        topic="t",
        partition=0,
        offset=0,
        appended_at=0,
        key=out[0],
        value=out[1],
        headers=out[2],  # type: ignore[arg-type]
    )
    letter = DeadLetter(topic="t", partition=0, offset=0, reason="", detail="", record=record)
    assert letter.is_cut == (out[:2] != whole)


def test_a_topic_that_takes_too_little_is_fatal_and_says_what_to_do() -> None:
    with pytest.raises(
        Fatal,
        match=r"scores\.v1 takes records of 1,000 bytes, 2,000 are needed .*topics "
        r"apply",
    ):
        check({"scores.v1": 1000}, {"scores.v1": 2000}, "here")
    check({"scores.v1": 2000}, {"scores.v1": 2000}, "here")
