"""Whatever bytes come, the answer is transactions or a Problem, and nothing of it is large."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.iso20022 import credit, group, order, pacs008, pain001, read

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.iso20022.converter import Item
from riskstream.gateway.iso20022.limits import Limits
from riskstream.gateway.iso20022.message import Summary
from riskstream.gateway.problem import Problem

SEEDS = [
    pacs008([credit(1), credit(2)], header="<CtrlSum>21</CtrlSum>").encode(),
    pain001([group([order(1), order(2)]), group([order(3)])], count=3).encode(),
]
BITS = [
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;", b"&#x10FFFF;", b"<![CDATA[", b"]]>",
    b"<!--", b"-->", b"<?a b?>", b"\0", b"\xff", b"\xef\xbb\xbf", b"<a>", b"</a>", b"<a/>",
    b" a='1'",
    b" xmlns='x'", b" xmlns:x='y'", b"x:", b"1e5", b"-1", b"9" * 40, b"\xd9\xa1", b"Ccy", b"<Id>",
    b"</CdtTrfTxInf>", b"<CdtTrfTxInf>", b"<PmtInf>", b"</PmtInf>", b"<GrpHdr>", b"</GrpHdr>",
    b"<IBAN>", b"</IBAN>", b"<Document>", b"</Document>", b"x" * 300, b"<" * 50, b"<a>" * 40,
    b" xsi:nil='true'", b"<TxId>", b"\r\n", b"]", b"'", b'"', b">", b"<", b"&",
]  # fmt: skip
LIMITS = Limits(max_bytes=100_000, max_transactions=50, max_names=200, max_paths=300)
CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["put", "cut", "copy", "flip"]),
        st.sampled_from(BITS) | st.binary(max_size=8),
        st.integers(0, 300),
    ),
    min_size=1,
    max_size=6,
)


def _changed(body: bytes, changes: list[tuple[float, str, bytes, int]]) -> bytes:
    for place, what, bit, size in changes:
        at = int(place * len(body))
        head, rest = body[:at], body[at:]
        if what == "put":
            body = head + bit + rest
        elif what == "cut":
            body = head + rest[size:]
        elif what == "copy":
            body = head + rest[:size] + rest
        elif rest:
            body = head + bytes([rest[0] ^ (1 << size % 8)]) + rest[1:]
    return body


def _check(body: bytes) -> None:
    try:
        items, summary = read(body, limits=LIMITS)
    except Problem as error:
        problem = error
    else:
        _check_read(items, summary)
        return
    assert problem.status in (400, 413)
    assert problem.detail
    assert len(msgspec.json.encode(problem.body())) < 16_384


def _check_read(items: list[Item], summary: Summary) -> None:
    assert summary.transactions == len(items)
    for item in items:
        assert bool(item.values) != bool(item.faults)
        msgspec.json.encode([each.body() for each in item.faults])
        if item.values:
            codec("transaction.v1").encode(Transaction(**item.values))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SEEDS), CHANGES)
def test_a_damaged_message_is_read_or_refused(
    body: bytes, changes: list[tuple[float, str, bytes, int]]
) -> None:
    _check(_changed(body, changes))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400) | st.lists(st.sampled_from(BITS), max_size=20).map(b"".join))
def test_any_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(Problem):
        read(body, limits=LIMITS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_message_cut_anywhere_is_refused(seed: bytes) -> None:
    for at in range(0, len(seed) - 1, 7):
        with pytest.raises(Problem):
            read(seed[:at])
