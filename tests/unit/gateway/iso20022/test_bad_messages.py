"""Each thing that is wrong with a message or a transaction, told with its line and its place."""

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import pytest
from tests.support.builders import NOW_MS
from tests.support.iso20022 import (
    IBANS,
    MAPPINGS,
    RATES,
    SPACE,
    credit,
    group,
    order,
    pacs008,
    pain001,
    read,
    refused,
)

from riskstream.gateway.iso20022.limits import Limits
from riskstream.gateway.iso20022.message import read_message
from riskstream.gateway.iso20022.safe_xml import SafeXml
from riskstream.gateway.problem import Problem

LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + "]>"
)
OUTSIDE = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<!DOCTYPE d [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]>'
GOOD = pacs008()


def _behind(declaration: str, place: str) -> str:
    """A message with a document type, and something in the place of its first id."""
    head, body = GOOD.split("\n", 1)
    return f"{head}\n{declaration}\n{body.replace('T-1', place)}"


MALFORMED = [
    (b"", "empty-body", "empty"),
    (b"  \n", "malformed-xml", "no element found"),
    (b"{}", "malformed-xml", "line 1"),
    (_behind(LAUGHS, "&m;"), "xml-document-type", "line 2"),
    (_behind(OUTSIDE, "&x;"), "xml-document-type", "line 2"),
    (_behind(PARAMETER, "x"), "xml-document-type", "line 2"),
    (_behind('<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd">', "x"), "xml-document-type", "line"),
    (GOOD.replace("T-1", "<!-- <!DOCTYPE -->"), "xml-document-type", "line 4"),
    (GOOD.replace("T-1", "<![CDATA[<!ENTITY]]>"), "xml-document-type", "line 4"),
    (GOOD.replace("T-1", "&x;"), "malformed-xml", "undefined entity at line 4"),
    (GOOD.replace("T-1", "&#0;"), "malformed-xml", "line 4"),
    (GOOD.replace("T-1", "a\0b"), "malformed-xml", "line 4"),
    (GOOD.replace("T-1", "a\x1bb"), "malformed-xml", "line 4"),
    (GOOD.replace("T-1", "&#xD800;"), "malformed-xml", "line 4"),
    (GOOD.encode().replace(b"T-1", b"\xff"), "xml-encoding", "not UTF-8 at byte "),
    (GOOD.encode().replace(b"T-1", b"\xed\xa0\x80"), "xml-encoding", "not UTF-8 at byte "),
    (GOOD.encode().replace(b"T-1", b"\xc0\x80"), "xml-encoding", "not UTF-8 at byte "),
    (GOOD.encode()[:-3] + b"\xc3", "xml-encoding", "not UTF-8 at byte "),
    (GOOD.encode("utf-16"), "xml-encoding", "UTF-16"),
    (GOOD.encode("utf-16-be"), "xml-encoding", "UTF-16"),
    (GOOD.encode("utf-16-le"), "xml-encoding", "UTF-16"),
    (GOOD.encode("utf-32"), "xml-encoding", "UTF-32"),
    (GOOD.encode("utf-32-be"), "xml-encoding", "UTF-32"),
    (GOOD.replace('"UTF-8"', '"UTF-7"'), "xml-encoding", "UTF-7"),
    (GOOD.replace('"UTF-8"', '"ISO-8859-1"'), "xml-encoding", "ISO-8859-1"),
    (GOOD.replace('"1.0"', '"1.1"'), "xml-encoding", "XML 1.1"),
    (GOOD.replace("</TxId>", "</TxID>"), "malformed-xml", "mismatched tag at line 4"),
    (GOOD + "<more/>", "malformed-xml", "junk after document element"),
    (GOOD.replace("pacs.008.001.08", "pacs.008.001.01"), "wrong-message", "version"),
    (GOOD.replace("pacs.008.001.08", "pacs.008.001.13"), "wrong-message", "version"),
    (GOOD.replace("pacs.008.001.08", "pacs.009.001.08"), "wrong-message", "pacs.009.001.08"),
    (GOOD.replace(SPACE, "urn:other:"), "wrong-message", "urn:other:"),
    (GOOD.replace(f' xmlns="{SPACE}pacs.008.001.08"', ""), "wrong-message", "no namespace"),
    (GOOD.replace("Document", "Envelope"), "wrong-message", "begins with Envelope"),
    (GOOD.replace("FIToFICstmrCdtTrf", "CstmrCdtTrfInitn"), "wrong-message", "CstmrCdtTrfInitn"),
    (f'<Document xmlns="{SPACE}pacs.008.001.08"/>', "wrong-message", "FIToFICstmrCdtTrf"),
    (pacs008(end="<FIToFICstmrCdtTrf/>"), "wrong-message", "second FIToFICstmrCdtTrf"),
    (pacs008(end="<Other/>"), "wrong-message", "holds Other"),
    (pacs008(end="text"), "mixed-content", "Document holds a text"),
    (pacs008(header="<MsgId>M-9</MsgId>"), "duplicate-element", "MsgId appears twice (line 3)"),
    (pacs008(["<GrpHdr/>"]), "duplicate-element", "GrpHdr appears twice"),
    (pacs008(header="<CtrlSum>1<!-- 0 -->0.5</CtrlSum>"), "invalid-field", "comment"),
    (pacs008(header="text"), "mixed-content", "GrpHdr holds a text"),
    (pain001([], count=0).replace(group(), ""), "no-transaction", "no transaction"),
    (
        pain001([group().replace("</PmtInf>", "<NbOfTxs>1</NbOfTxs></PmtInf>")]),
        "misplaced-element",
        "NbOfTxs comes after a transaction",
    ),
    *((GOOD[:at], "malformed-xml", "line") for at in (60, 200, 400, 800, len(GOOD) - 1)),
]


@pytest.mark.parametrize(
    ("body", "code", "words"), MALFORMED, ids=[f"{code} {words}" for _, code, words in MALFORMED]
)
def test_a_bad_message_is_refused(body: str | bytes, code: str, words: str) -> None:
    problem = refused(body)
    assert (problem.status, problem.code) == (400, code)
    assert words in problem.detail
    assert all(each.path.startswith("/") for each in problem.errors)
    assert len(msgspec.json.encode(problem.body())) < 2048


@pytest.mark.parametrize("size", [1, 5, 8])
def test_a_document_type_between_two_pieces_is_seen(size: int) -> None:
    filling = " " * (65_536 - len('<?xml version="1.0"?>') - size)
    body = f'<?xml version="1.0"?>{filling}{LAUGHS}{GOOD}'.encode()
    assert refused(body).code == "xml-document-type"


def test_a_message_leaves_no_parser_behind() -> None:
    """Where parser and reader knew each other to the end, each message would wait for a sweep."""
    gc.collect()
    gc.disable()
    try:
        for body in (GOOD, GOOD[:-9], pacs008(count=2)):
            with suppress(Problem):
                read(body)
        assert not [each for each in gc.get_objects() if isinstance(each, SafeXml)]
    finally:
        gc.enable()


def test_a_byte_order_mark_of_utf_8_is_read() -> None:
    assert read("\ufeff" + GOOD) == read(GOOD)


BAD_TRANSACTIONS = [
    (credit().replace("T-1", "x" * 10_000), "PmtId/TxId", "10,000 bytes of UTF-8, 256 at most"),
    (credit().replace("T-1", ""), "PmtId/TxId", "it is empty"),
    (credit().replace("T-1", "a<b/>c"), "PmtId/TxId", "elements inside"),
    (credit().replace("T-1", "a<!-- b -->c"), "PmtId/TxId", "a comment or an instruction"),
    (credit().replace("T-1", "a<?b?>c"), "PmtId/TxId", "a comment or an instruction"),
    (credit().replace("<TxId>", "<TxId>T-0</TxId><TxId>"), "PmtId/TxId", "appears twice"),
    (credit(more="<PmtId/>"), "PmtId", "PmtId appears twice"),
    (credit().replace("<PmtId>", "<PmtId>text"), "PmtId", "PmtId holds a text"),
    (credit(more="text"), "", "CdtTrfTxInf holds a text"),
    (
        credit().replace(
            "<TxId>", '<TxId xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true">'
        ),
        "PmtId/TxId",
        "it is nil",
    ),
    (credit(amount="1e3"), "IntrBkSttlmAmt", "without sign or exponent"),
    (credit(amount="-1"), "IntrBkSttlmAmt", "without sign or exponent"),
    (credit(amount="1.001"), "IntrBkSttlmAmt", "EUR has 2 digits"),
    (credit(amount="100000000000.01"), "IntrBkSttlmAmt", "give 0 to 10,000,000,000,000"),
    (credit(currency="eur"), "IntrBkSttlmAmt/@Ccy", 'it is "eur", not shaped [A-Z]{3}'),
    (credit(currency="XYZ"), "IntrBkSttlmAmt/@Ccy", "there is no rate for XYZ"),
    (credit().replace(' Ccy="EUR"', ""), "IntrBkSttlmAmt/@Ccy", "none of IntrBkSttlmAmt/@Ccy"),
    (credit(more="<AccptncDtTm>2024-05-31</AccptncDtTm>"), "AccptncDtTm", "no time like"),
    (credit(more="<AccptncDtTm>2031-05-31T00:00:00Z</AccptncDtTm>"), "AccptncDtTm", "ahead"),
    (credit().replace(IBANS[0], "DE00370400440532013000"), "DbtrAcct/Id/IBAN", "check digits"),
    (credit().replace(IBANS[1], "x"), "CdtrAcct/Id/IBAN", "not written as an IBAN"),
]


@pytest.mark.parametrize(
    ("credits", "path", "words"),
    BAD_TRANSACTIONS,
    ids=[f"{path} {words}" for _, path, words in BAD_TRANSACTIONS],
)
def test_a_bad_transaction_is_told_with_place_and_line(credits: str, path: str, words: str) -> None:
    items, summary = read(pacs008([credit(7), credits]))
    assert [bool(each.faults) for each in items] == [False, True]
    assert (items[1].values, summary.wrong) == ({}, 1)
    root = "/Document/FIToFICstmrCdtTrf/CdtTrfTxInf[2]"
    (fault,) = items[1].faults
    assert fault.path == (f"{root}/{path}" if path else root)
    assert words in fault.detail
    assert fault.detail.endswith("(line 5)")
    assert len(fault.detail) < 250


def test_all_that_is_missing_is_told_at_once() -> None:
    (item,), _ = read(pain001([group(["<CdtTrfTxInf><x/></CdtTrfTxInf>"])]))
    assert [(each.path.rpartition("]/")[2], each.code) for each in item.faults] == [
        ("Amt/InstdAmt", "missing-field"),
        ("Amt/InstdAmt/@Ccy", "missing-field"),
    ]
    assert "Amt/InstdAmt, EqvtAmt/Amt" in item.faults[0].detail
    (item,), _ = read(pain001([group(account="<Ccy>EUR</Ccy>")]))
    paths = {each.path for each in item.faults}
    assert paths == {"/Document/CstmrCdtTrfInitn/PmtInf[1]/DbtrAcct/Id/IBAN"}
    assert [each.detail.partition(" ")[0] for each in item.faults] == [
        "customer_id",
        "account_token",
    ]


def test_an_order_may_have_its_amount_in_another_currency() -> None:
    amount = '<EqvtAmt><Amt Ccy="USD">1.00</Amt><CcyOfTrf>JPY</CcyOfTrf></EqvtAmt>'
    (item,), _ = read(pain001([group([order(amount=amount)])]))
    assert (item.values["amount_minor"], item.values["currency"]) == (100, "USD")


SMALL = Limits(
    max_bytes=200_000,
    max_transactions=2,
    max_depth=8,
    max_text=1000,
    max_attributes=2,
    max_names=60,
    max_paths=50,
)
OVER = [
    (pacs008([credit(n) for n in range(3)]), "more than 2 transactions"),
    (pacs008([credit(more="<a>" * 9 + "</a>" * 9)]), "elements are more than 8 deep"),
    (pacs008([credit(more=f"<a>{'x' * 1001}</a>")]), "a text has more than 1,000 characters"),
    (pacs008([credit(more=f"<a b='{'x' * 1001}'/>")]), "a text has more than 1,000 characters"),
    (pacs008([credit(more="<a b='' c='' d=''/>")]), "an element has 3 attributes, 2 at most"),
    (pacs008([credit(more="".join(f"<a{n}/>" for n in range(99)))]), "different"),
    (pacs008([credit(more="".join(f"<a xmlns='u{n}'/>" for n in range(99)))]), "different names"),
    (pacs008([credit(more="<a> </a>" * 30_000)]), "200000 bytes at most"),
    (pacs008([credit(more=f"<!--{'x' * 190_000}")]), "a tag or comment has 190,"),
]


@pytest.mark.parametrize(("body", "words"), OVER, ids=[words for _, words in OVER])
def test_a_message_over_a_limit_is_refused(body: str, words: str) -> None:
    problem = refused(body, SMALL)
    assert words in problem.detail
    assert problem.code in ("xml-limit", "body-too-large")


@pytest.mark.parametrize(
    "opening", ["<a b='", "<!--", "<a", "<?a ", "<![CDATA[", "</a", "<a xmlns:"]
)
def test_what_never_ends_costs_little_memory(opening: str) -> None:
    """16 MB of it, in pieces of 100 bytes."""
    head = GOOD[: GOOD.index("<TxId>")] + opening
    filling = b"x" * 100

    def chunks() -> Iterator[bytes]:
        yield head.encode()
        for _ in range(160_000):
            yield filling

    tracemalloc.start()
    problem = refused(chunks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert problem.code == "xml-limit"
    assert peak < 4_000_000


def test_a_file_of_many_transactions_is_not_held() -> None:
    """2,000 of them, 1 MB: a DOM of them would be ten times as much."""

    def chunks() -> Iterator[bytes]:
        head, end = pacs008(["|"], count=2_000).split("|")
        yield head.encode()
        for number in range(2_000):
            yield credit(number).encode()
        yield end.encode()

    tracemalloc.start()
    message = read_message(chunks(), MAPPINGS, RATES, NOW_MS)
    count = sum(not each.faults for each in message)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == message.summary.transactions == 2_000
    assert peak < 3_000_000
