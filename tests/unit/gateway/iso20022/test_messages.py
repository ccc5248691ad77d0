"""What is read of a good message, what is left out, and which totals must hold."""

import json
import re
from datetime import datetime

import msgspec
import pytest
from tests.support.builders import NOW_MS
from tests.support.iso20022 import (
    IBANS,
    RATES,
    credit,
    group,
    order,
    pacs008,
    pain001,
    read,
    refused,
)

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.core import read_transaction
from riskstream.gateway.iso20022.values import token_of

DEBTOR, CREDITOR = (token_of(each, b"k") for each in IBANS[:2])
VALUES = {
    "customer_id": DEBTOR,
    "account_token": DEBTOR,
    "counterparty_id": CREDITOR,
    "channel": "ECOM",
    "kind": "TRANSFER",
    "amount_minor": 1050,
    "currency": "EUR",
    "base_amount_minor": 1050,
    "base_currency": "EUR",
    "rates_version": "",
    "occurred_at": NOW_MS,
}


@pytest.mark.parametrize("version", [f"{each:02}" for each in range(2, 13)])
def test_pacs_008_of_each_version_is_read(version: str) -> None:
    items, summary = read(pacs008(version=version), key=b"k")
    assert [(each.values, each.faults) for each in items] == [
        ({"transaction_id": "T-1", **VALUES}, ())
    ]
    assert summary.message == f"pacs.008.001.{version}"
    assert (summary.message_id, summary.transactions, summary.wrong) == ("M-1", 1, 0)


@pytest.mark.parametrize("version", [f"{each:02}" for each in range(3, 12)])
def test_pain_001_of_each_version_is_read(version: str) -> None:
    items, summary = read(pain001(version=version), key=b"k")
    assert [each.values for each in items] == [{"transaction_id": "I-1", **VALUES}]
    assert summary.message == f"pain.001.001.{version}"


def test_a_transaction_is_the_one_that_the_json_door_reads_and_fits_a_frame() -> None:
    (item,), _ = read(pacs008([credit(currency="USD")]))
    body = {name: item.values[name] for name in item.values if name not in ("rates_version",)}
    for name in ("base_amount_minor", "base_currency"):
        del body[name]
    found = read_transaction(json.dumps(body).encode(), RATES, NOW_MS)
    assert found == Transaction(**item.values)
    frame = codec("transaction.v1").encode(Transaction(**item.values))
    assert codec("transaction.v1").decode(frame)["transaction_id"] == "T-1"


def test_a_prefix_is_the_same_as_none() -> None:
    plain = pacs008([credit(), credit(2)])
    head, body = plain.split("?>", 1)
    prefixed = re.sub(r"<(/?)([A-Z])", r"<\1p:\2", body).replace("xmlns=", "xmlns:p=")
    assert "<p:Document xmlns:p=" in prefixed
    assert read(f"{head}?>{prefixed}") == read(plain)


def test_groups_of_pain_001_keep_their_debtors_apart() -> None:
    account = f"<Id><IBAN>{IBANS[2]}</IBAN></Id>"
    groups = [group([order(1), order(2)]), group([order(1)], account=account)]
    items, summary = read(pain001(groups, count=3), key=b"k")
    assert [each.values["customer_id"] for each in items] == [
        DEBTOR,
        DEBTOR,
        token_of(IBANS[2], b"k"),
    ]
    assert dict(summary.left_out)["PmtInf/PmtMtd"] == 2
    assert dict(summary.left_out)["PmtInf/CdtTrfTxInf/RmtInf/Ustrd"] == 3


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        ("<InstrId>i</InstrId><EndToEndId>e</EndToEndId><UETR>u</UETR>", "u"),
        ("<InstrId>i</InstrId><EndToEndId>e</EndToEndId>", "i"),
        ("<EndToEndId>e</EndToEndId>", "e"),
        ("<EndToEndId>NOTPROVIDED</EndToEndId>", "M-2/1"),
        ("<EndToEndId>\n  e\t</EndToEndId>", "e"),
        ("<EndToEndId><![CDATA[e<]]>&amp;f&#x67;</EndToEndId>", "e<&fg"),
    ],
)
def test_the_best_id_is_taken(ids: str, found: str) -> None:
    (item,), _ = read(pain001([group([order(ids=ids)])]))
    assert item.values["transaction_id"] == found


@pytest.mark.parametrize(
    ("account", "stands_for"),
    [
        ("<Id><IBAN>de89370400440532013000</IBAN></Id>", None),
        (f"<Id><IBAN>{IBANS[0].lower().replace('de', 'DE')}</IBAN></Id>", IBANS[0]),
        ("<Id><Othr><Id>0001</Id></Othr></Id>", "COBADEFFXXX/0001"),
    ],
)
def test_accounts_without_iban_are_those_of_their_bank(
    account: str, stands_for: str | None
) -> None:
    (item,), _ = read(pain001([group(account=account)]), key=b"k")
    if stands_for is None:
        assert "not written as an IBAN" in item.faults[0].detail
    else:
        assert item.values["customer_id"] == token_of(stands_for, b"k")


def test_a_token_hides_the_account_and_changes_with_the_key() -> None:
    items = [read(pacs008(), key=key)[0][0] for key in (b"a", b"b", b"a")]
    tokens = [each.values["customer_id"] for each in items]
    assert tokens[0] == tokens[2] != tokens[1]
    assert not any(iban in str(items) for iban in IBANS)


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("2024-05-31T12:00:00+02:00", "2024-05-31T10:00:00+00:00"),
        ("2024-05-31T12:00:00.1239Z", "2024-05-31T12:00:00.123000+00:00"),
        ("2024-05-30T24:00:00-05:30", "2024-05-31T05:30:00+00:00"),
    ],
)
def test_the_time_of_acceptance_goes_before_the_message_s(at: str, found: str) -> None:
    (item,), _ = read(pacs008([credit(more=f"<AccptncDtTm>{at}</AccptncDtTm>")]))
    assert item.values["occurred_at"] == round(datetime.fromisoformat(found).timestamp() * 1000)


def test_what_the_mapping_leaves_out_is_counted_with_its_path() -> None:
    extra = (
        '<RmtInf><Ustrd>a</Ustrd><Ustrd>b</Ustrd></RmtInf><Tax Kind="x"/><x:y xmlns:x="z">1</x:y>'
    )
    _, summary = read(pacs008([credit(1, more=extra), credit(2)]))
    assert dict(summary.left_out) == {
        "CdtTrfTxInf/PmtId/EndToEndId": 2,
        "CdtTrfTxInf/PmtId/InstrId": 2,
        "CdtTrfTxInf/DbtrAgt/FinInstnId/BICFI": 2,
        "CdtTrfTxInf/CdtrAgt/FinInstnId/BICFI": 2,
        "CdtTrfTxInf/ChrgBr": 2,
        "CdtTrfTxInf/Dbtr/Nm": 2,
        "CdtTrfTxInf/Cdtr/Nm": 2,
        "CdtTrfTxInf/RmtInf/Ustrd": 2,
        "CdtTrfTxInf/Tax/@Kind": 1,
        "CdtTrfTxInf/y": 1,
        "GrpHdr/SttlmInf/SttlmMtd": 1,
    }


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (pacs008(count=2), "GrpHdr/NbOfTxs", "it is '2', and 1 transaction is there (line 3)"),
        (pacs008().replace("<NbOfTxs>1<", "<NbOfTxs>x<"), "GrpHdr/NbOfTxs", "it is 'x'"),
        (pacs008().replace("<NbOfTxs>1</NbOfTxs>", ""), "GrpHdr/NbOfTxs", "it is missing"),
        (pacs008(header="<CtrlSum>10.51</CtrlSum>"), "GrpHdr/CtrlSum", "add up to 10.5 "),
        (pacs008(header="<CtrlSum>1e1</CtrlSum>"), "GrpHdr/CtrlSum", "it is '1e1'"),
        (
            pacs008(header='<TtlIntrBkSttlmAmt Ccy="EUR">9</TtlIntrBkSttlmAmt>'),
            "GrpHdr/TtlIntrBkSttlmAmt",
            "it is '9'",
        ),
        (
            pain001([group(totals="<NbOfTxs>2</NbOfTxs>")]),
            "PmtInf[1]/NbOfTxs",
            "1 transaction is there",
        ),
        (
            pain001([group(), group([order(2)], totals="<CtrlSum>1</CtrlSum>")], count=2),
            "PmtInf[2]/CtrlSum",
            "add up to 10.5 ",
        ),
        (pain001(header="<CtrlSum>0.10</CtrlSum>"), "GrpHdr/CtrlSum", "add up to 10.5 "),
    ],
)
def test_a_message_whose_totals_are_others_is_refused(body: str, path: str, words: str) -> None:
    problem = refused(body)
    assert [each.path.partition("/")[2].split("/", 2)[2] for each in problem.errors] == [path]
    assert words in problem.errors[0].detail
    assert problem.status == 400
    msgspec.json.encode(problem.body())


@pytest.mark.parametrize(
    "header",
    [
        "<CtrlSum>0.3</CtrlSum>",
        "<CtrlSum>00.300</CtrlSum>",
        '<CtrlSum>.3</CtrlSum><TtlIntrBkSttlmAmt Ccy="EUR">0.30000</TtlIntrBkSttlmAmt>',
    ],
)
def test_sums_are_exact(header: str) -> None:
    _, summary = read(pacs008([credit(1, "0.1"), credit(2, "0.2")], header=header))
    assert summary.wrong == 0


def test_a_sum_is_not_compared_where_an_amount_cannot_be_read() -> None:
    items, _ = read(pacs008([credit(1, "x"), credit(2)], header="<CtrlSum>1</CtrlSum>"))
    assert [bool(each.faults) for each in items] == [True, False]


def test_the_same_transaction_twice_is_told_with_the_first() -> None:
    items, summary = read(pacs008([credit(1), credit(2), credit(1)]))
    assert [len(each.faults) for each in items] == [0, 0, 1]
    (fault,) = items[2].faults
    assert fault.code == "duplicate-transaction"
    assert fault.detail == "transaction 1 of the message has the same id and customer (line 6)"
    assert summary.wrong == 1


def test_pieces_of_any_size_read_the_same() -> None:
    body = pacs008([credit(each, more=f"<Nm>ä{'é' * each}</Nm>") for each in range(300)]).encode()
    whole = read(body)
    for size in (1, 7, 65_535, 65_536, 100_000):
        assert read(body[at : at + size] for at in range(0, len(body), size)) == whole
