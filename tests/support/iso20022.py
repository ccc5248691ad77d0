"""Messages of ISO 20022 as tests make them: a valid one, of which a test changes what matters."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from riskstream.gateway.iso20022.converter import Item
from riskstream.gateway.iso20022.limits import Limits
from riskstream.gateway.iso20022.mapping import parsed, read_mappings
from riskstream.gateway.iso20022.message import Summary, read_message
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import Rates, read_rates
from tests.support.builders import NOW_MS

MAPPINGS = read_mappings()
RATES = read_rates(None)
IBANS = ("DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606")
AT = datetime.fromtimestamp(NOW_MS / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
SPACE = "urn:iso:std:iso:20022:tech:xsd:"


def credit(number: int = 1, amount: str = "10.50", currency: str = "EUR", more: str = "") -> str:
    """A transaction of pacs.008."""
    return (
        f"<CdtTrfTxInf><PmtId><InstrId>I-{number}</InstrId><EndToEndId>E-{number}</EndToEndId>"
        f"<TxId>T-{number}</TxId></PmtId>"
        f'<IntrBkSttlmAmt Ccy="{currency}">{amount}</IntrBkSttlmAmt><ChrgBr>SLEV</ChrgBr>'
        f"<Dbtr><Nm>Debtor</Nm></Dbtr><DbtrAcct><Id><IBAN>{IBANS[0]}</IBAN></Id></DbtrAcct>"
        "<DbtrAgt><FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></DbtrAgt>"
        "<CdtrAgt><FinInstnId><BICFI>NWBKGB2LXXX</BICFI></FinInstnId></CdtrAgt>"
        f"<Cdtr><Nm>Creditor</Nm></Cdtr><CdtrAcct><Id><IBAN>{IBANS[1]}</IBAN></Id></CdtrAcct>"
        f"{more}</CdtTrfTxInf>"
    )


def pacs008(
    credits: Sequence[str] = (),
    *,
    version: str = "08",
    header: str = "",
    count: int | None = None,
    end: str = "",
) -> str:
    """A message of pacs.008 in text. `header`: what stands behind NbOfTxs in GrpHdr."""
    credits = credits or [credit()]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{SPACE}pacs.008.001.{version}">'
        f"<FIToFICstmrCdtTrf>\n<GrpHdr><MsgId>M-1</MsgId><CreDtTm>{AT}</CreDtTm>"
        f"<NbOfTxs>{len(credits) if count is None else count}</NbOfTxs>{header}"
        "<SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf></GrpHdr>\n"
        + "\n".join(credits)
        + f"\n</FIToFICstmrCdtTrf>{end}</Document>"
    )


def order(
    number: int = 1, amount: str = '<InstdAmt Ccy="EUR">10.50</InstdAmt>', ids: str = ""
) -> str:
    """A transaction of pain.001."""
    ids = ids or f"<InstrId>I-{number}</InstrId><EndToEndId>E-{number}</EndToEndId>"
    return (
        f"<CdtTrfTxInf><PmtId>{ids}</PmtId><Amt>{amount}</Amt>"
        f"<Cdtr><Nm>Creditor</Nm></Cdtr><CdtrAcct><Id><IBAN>{IBANS[1]}</IBAN></Id></CdtrAcct>"
        "<RmtInf><Ustrd>rent</Ustrd></RmtInf></CdtTrfTxInf>"
    )


def group(orders: Sequence[str] = (), *, account: str = "", totals: str = "") -> str:
    """Payment information of pain.001: a debtor and his orders."""
    account = account or f"<Id><IBAN>{IBANS[0]}</IBAN></Id>"
    return (
        f"<PmtInf><PmtInfId>P-1</PmtInfId><PmtMtd>TRF</PmtMtd>{totals}<Dbtr><Nm>D</Nm></Dbtr>"
        f"<DbtrAcct>{account}</DbtrAcct>"
        "<DbtrAgt><FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></DbtrAgt>\n"
        + "\n".join(orders or [order()])
        + "</PmtInf>"
    )


def pain001(
    groups: Sequence[str] = (), *, version: str = "09", count: int = 1, header: str = ""
) -> str:
    """A message of pain.001 in text, with `count` transactions."""
    return (
        f'<Document xmlns="{SPACE}pain.001.001.{version}"><CstmrCdtTrfInitn>\n'
        f"<GrpHdr><MsgId>M-2</MsgId><CreDtTm>{AT}</CreDtTm><NbOfTxs>{count}</NbOfTxs>{header}"
        "<InitgPty><Nm>D</Nm></InitgPty></GrpHdr>\n"
        + "\n".join(groups or [group()])
        + "\n</CstmrCdtTrfInitn></Document>"
    )


def read(
    body: str | bytes | Iterable[bytes],
    *,
    mapping: str | None = None,
    limits: Limits | None = None,
    rates: Rates = RATES,
    key: bytes = b"",
) -> tuple[list[Item], Summary]:
    """A message's transactions and its summary; Problem where it is refused. `mapping`: one in text
    in place of those that ship.
    """
    body = body.encode() if isinstance(body, str) else body
    mappings = MAPPINGS
    if mapping is not None:
        found = parsed(mapping, Path("own.yaml"))
        mappings = {found.message: found}
    message = read_message(body, mappings, rates, NOW_MS, limits, key)
    items = list(message)
    return items, message.summary


def refused(body: str | bytes | Iterable[bytes], limits: Limits | None = None) -> Problem:
    """The Problem with which a message is refused."""
    try:
        read(body, limits=limits)
    except Problem as problem:
        return problem
    raise AssertionError("it was read")
