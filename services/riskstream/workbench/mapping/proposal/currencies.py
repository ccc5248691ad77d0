"""Which currency the amounts are in: a column, the sign beside the number, or nothing that the file
says.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from riskstream.domain.risk.money import digits_of
from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.proposal.draft import Draft

_NAMED = r"currency|w(?:ä|ae|a)hrung|devise|moneda|valuta|(?:^|[_. -])(?:cur|ccy|curr)$|^iso"
_MOSTLY = 0.95
_CODES_TEXT = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW
    KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN
    NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK
    SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS
    VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW
"""
_CODES = frozenset(_CODES_TEXT.split())
"""Codes of ISO 4217."""
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₩": "KRW"}
_SIGNS |= {"₺": "TRY", "zł": "PLN", "Kč": "CZK", "Ft": "HUF"}
_SIGNS |= {"US$": "USD", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "R$": "BRL"}
_SIGNS |= {"HK$": "HKD", "NZ$": "NZD", "S$": "SGD"}


def propose_currency(draft: Draft) -> None:
    """The field currency, and with it the currency in which amounts are summed."""
    named = _named(draft)
    if found := _columns(draft):
        _take(draft, found[0], is_named=found[0] in named)
        return
    amount = draft.transaction.get("amount_minor")
    symbol = amount.get("symbol", "") if isinstance(amount, dict) else ""
    told = _code(symbol)
    if told == "JPY" and draft.has_fractions:
        told = "CNY"  # the yen has no smaller unit, and the yuan has the same sign
    if told:
        why = f"by the {symbol} beside the amounts"
    else:
        why = f"{named[0].name} has no codes of currencies" if named else "no column says it"
    is_other = told not in ("", draft.base)
    _put_base(draft, told or draft.base)
    draft.put("currency", {"value": draft.base}, why, unsure=told != symbol or not told)
    if is_other:
        draft.put("base_currency", {"value": told}, f"give --base-currency {told}")


def _named(draft: Draft) -> list[Seen]:
    return [each for each in draft.left if re.search(_NAMED, each.name.lower())]


def _columns(draft: Draft) -> list[Seen]:
    """Columns of currencies, the likelier first."""
    return [each for each in (*_named(draft), *draft.left) if _are_codes(each)]


def _put_base(draft: Draft, code: str, others: Iterable[str] = ()) -> None:
    """The currency of the sums. Amounts are of minor units by the digits of each currency: also of
    `others`, of which the sums may be another time.
    """
    draft.base = code
    amount = draft.transaction.get("amount_minor")
    odd = next((each for each in (code, *others) if digits_of(each) != 2), None)
    if odd and isinstance(amount, dict) and amount.pop("scale", None):
        amount["major"] = True
        draft.whys["amount_minor"] += f"; {odd} has {digits_of(odd)} digits"


def digits_said(draft: Draft) -> set[int]:
    """How many digits the minor units of the file's currencies have; empty where no column has
    currencies.
    """
    found = _columns(draft)
    return {digits_of(_code(word)) for word in found[0].counts if _code(word)} if found else set()


def _code(word: str) -> str:
    """The code that a word means; empty where it means none."""
    code = _SIGNS.get(word.strip(), word.strip().upper())
    return code if code in _CODES else ""


def _are_codes(seen: Seen) -> bool:
    """Whether most values are codes of currencies, or signs."""
    fit = sum(count for word, count in seen.counts.items() if _code(word))
    return seen.is_text and bool(fit) and fit >= _MOSTLY * seen.filled


def _take(draft: Draft, seen: Seen, *, is_named: bool) -> None:
    values = {word: _code(word) for word in seen.counts if _code(word) not in ("", word)}
    counts: Counter[str] = Counter()
    for word, count in seen.counts.items():
        counts[_code(word) or word] += count
    base = draft.base if draft.base in counts else counts.most_common(1)[0][0]
    _put_base(draft, base, counts)
    doubts = [] if is_named else ["by its values, not by its name"]
    if values:
        doubts.append("brought to codes")
    if len(counts) > 1:
        told = ", ".join(f"{code} {count:,}" for code, count in counts.most_common(5))
        doubts.append(f"{told}: rows of {draft.base} alone are taken, say --base-currency")
    if "$" in values:
        doubts.append("$ may be of another country")
    value: Any = {"column": seen.name, "values": values} if values else seen.name
    why = "; ".join(
        [*doubts, f"by its name; like {seen.examples}" if is_named else f"like {seen.examples}"]
    )
    draft.take(seen, "currency", value, why, unsure=bool(doubts))
