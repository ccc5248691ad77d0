"""A mapping is data: it may be another one, and a wrong one is told with its key."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.iso20022 import IBANS, credit, group, order, pacs008, pain001, read

from riskstream.gateway.iso20022.mapping import parsed, shipped_text
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

T = "CdtTrfTxInf"


def _own(message: str = "pacs.008", /, **fields: Any) -> str:
    data = yaml.safe_load(shipped_text(message))
    data["fields"] |= fields
    return yaml.safe_dump(data)


def test_fields_may_come_from_elsewhere() -> None:
    mapping = _own(
        customer_id={"any": [f"{T}/DbtrAcct/Id/IBAN"]},
        channel={
            "any": [f"{T}/PmtTpInf/LclInstrm/Cd"],
            "values": {"INST": "MOBILE"},
            "value": "BRANCH",
        },
        mcc={"any": [f"{T}/Mcc"]},
        country={"any": [f"{T}/Cdtr/PstlAdr/Ctry"]},
        transaction_id={"any": [["GrpHdr/MsgId", f"{T}/PmtId/TxId"]]},
    )
    more = "<PmtTpInf><LclInstrm><Cd>INST</Cd></LclInstrm></PmtTpInf><Mcc>5411</Mcc>"
    items, _ = read(pacs008([credit(1, more=more), credit(2)]), mapping=mapping)
    assert [each.faults for each in items] == [(), ()]
    first, second = (each.values for each in items)
    assert (first["customer_id"], first["mcc"]) == (IBANS[0], 5411)
    assert first["transaction_id"] == "M-1/T-1"
    assert (first["channel"], second["channel"]) == ("MOBILE", "BRANCH")
    assert "mcc" not in second


def test_words_that_no_value_is_declared_for_are_refused() -> None:
    mapping = _own(kind={"any": [f"{T}/ChrgBr"], "values": {"SHAR": "TRANSFER"}})
    (item,), _ = read(pacs008(), mapping=mapping)
    assert [each.detail for each in item.faults] == [
        "it is 'SLEV', which the mapping has not: SHAR (line 4)"
    ]


def test_whole_numbers_are_checked() -> None:
    mapping = _own(mcc={"any": [f"{T}/Mcc"]})
    for text, words in (("x", "whole number"), ("99999", "give 0 to 9,999"), ("1.0", "'1.0'")):
        (item,), _ = read(pacs008([credit(more=f"<Mcc>{text}</Mcc>")]), mapping=mapping)
        assert words in item.faults[0].detail


def test_a_zone_may_be_declared_for_times_without_one() -> None:
    body = pacs008().replace("Z</CreDtTm>", "</CreDtTm>")
    (item,), _ = read(body)
    assert "declare `zone`" in item.faults[0].detail
    mapping = _own(occurred_at={"any": ["GrpHdr/CreDtTm"], "zone": "Europe/Berlin"})
    (item,), _ = read(body, mapping=mapping)
    (utc,), _ = read(pacs008())
    assert utc.values["occurred_at"] - item.values["occurred_at"] == 2 * 3_600_000


def test_another_message_type_needs_only_a_mapping() -> None:
    mapping = _own("pain.001").replace("pain.001", "pain.008").replace("CstmrCdt", "CstmrDrct")
    body = pain001([group([order()])], version="08")
    body = body.replace("pain.001", "pain.008").replace("CstmrCdt", "CstmrDrct")
    (item,), summary = read(body, mapping=mapping)
    assert (item.faults, summary.message) == ((), "pain.008.001.08")


def test_a_transaction_that_corrects_itself_is_refused() -> None:
    mapping = _own(corrects={"any": [f"{T}/PmtId/TxId"]})
    (item,), _ = read(pacs008(), mapping=mapping)
    assert [(each.path.rpartition("]/")[2], each.code) for each in item.faults] == [
        ("PmtId/TxId", "corrects-itself")
    ]


WRONG: list[tuple[str, str]] = [
    ("[", "it cannot be read"),
    ("[]", "it is no table"),
    ("a: 1", "a is unknown"),
    ("message: pacs.008", "versions is missing"),
    (_own().replace("pacs.008", "pacs", 1), "message is no type like pacs.008"),
    (_own().replace("from: 2", "from: 0"), "versions needs from and to"),
    (_own().replace("from: 2", "from: 13"), "versions needs from and to"),
    (_own().replace("root: FI", "root: F I"), "root and repeated are no names"),
    (_own(kind={}), "fields.kind needs `any` or `value`"),
    (_own(kind=[]), "fields.kind is no table"),
    (_own(kind={"value": "GIFT"}), "fields.kind cannot be 'GIFT'"),
    (_own(kind={"value": "CASH", "x": 1}), "fields.kind.x is unknown"),
    (_own(base_amount_minor={"value": 1}), "fields.base_amount_minor is no field"),
    (_own(other={"value": 1}), "fields.other is no field"),
    (_own(amount_minor={"value": 1}), "fields.amount_minor needs single elements"),
    (_own(amount_minor={"any": [["a", "b"]]}), "fields.amount_minor needs single elements"),
    (_own(country={"any": ["a b"]}), "'a b' is no path"),
    (_own(country={"any": "a"}), "fields.country.any is no list"),
    (_own(country={"any": ["#"]}), "fields.country.any needs an element"),
    (_own(country={"any": [T]}), f"{T} repeats"),
    (_own(country={"any": ["GrpHdr"]}), "GrpHdr is read as a text"),
    (_own(country={"any": ["a"], "hash": True}), "fields.country.hash is for ids"),
    (_own(country={"any": ["a"], "hash": "yes"}), "fields.country.hash is neither"),
    (_own(country={"any": ["a"], "empty": [1]}), "fields.country.empty is no list"),
    (_own(country={"any": ["a"], "values": []}), "fields.country.values is no table"),
    (_own(account_token={"any": [f"{T}/DbtrAcct/Id/IBAN"]}), "would be an account's number"),
    (_own(occurred_at={"any": ["a"], "zone": "Mars/One"}), "is no name like Europe/Berlin"),
    (_own().replace("- GrpHdr/NbOfTxs", f"- {T}/NbOfTxs"), "is inside a transaction"),
    (_own().replace("  transaction_id:", "  device_id:"), "fields.transaction_id is missing"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[words for _, words in WRONG])
def test_a_wrong_mapping_is_told_with_its_key(text: str, words: str) -> None:
    with pytest.raises(Fatal) as caught:
        parsed(text, Path("own.yaml"))
    assert words in caught.value.what
    assert caught.value.exit_code == Exit.INPUT


def test_the_page_s_example_is_read_and_its_mapping_is_the_shipped_one() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs/iso20022.md").read_text()
    (item,), summary = read(page.split("```xml\n")[1].split("```")[0])
    assert item.values["transaction_id"] == "7a562c67-ca16-48ba-b074-65581be6f001"
    assert item.values["customer_id"] in page
    assert (item.line, summary.wrong) == (7, 0)
    for message in ("pacs.008", "pain.001"):
        for key in yaml.safe_load(shipped_text(message)):
            assert key in page
