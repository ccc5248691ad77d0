"""Words and codes that a transaction has: its category, country, channel and kind."""

import re
from typing import Any

from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.proposal.draft import Draft

_MCC = r"mcc|merchant[ _-]?category[ _-]?code|category[ _-]?code|branche|^sic$"
_COUNTRIES = r"country|nation|land$|^pays$|ctry|^iso2$"
_MOSTLY = 0.95
_NAMED = {
    "channel": r"channel|kanal|use chip|entry[ _-]?mode|vertriebsweg",
    "kind": r"^kind$|^type$|(trans\w*|trx|txn|tx)[ _-]?(type|kind)|(buchungs|umsatz)art"
    r"|soll|(debit|dr)[ _/-]?(credit|cr)|(credit|cr)[ _/-]?(debit|dr)|vorzeichen"
    r"|(^|[^a-z])(d/?c|c/?d)([^a-z]|$)",
}
_SIDES = ({"cr", "dr"}, {"c", "d"}, {"credit", "debit"}, {"s", "h"}, {"soll", "haben"})
"""Words of the two sides of an account."""
_DEFAULTS = {"channel": "UNKNOWN", "kind": "PURCHASE"}
_SYMBOLS: dict[str, dict[str, str]] = {
    "channel": {
        r"atm|geldautomat|bancomat": "ATM",
        r"ecom|online|web|internet": "ECOM",
        r"mobil|app|tele": "MOBILE",
        r"branch|filiale|schalter": "BRANCH",
        r"pos|chip|swipe|store|karte|contactless|kontaktlos": "POS",
    },
    "kind": {
        r"refund|^cr?(edit)?$|^h(aben)?$|return|gutschrift|erstattung|storno|reversal": "REFUND",
        r"cash|withdraw|atm|bargeld|abhebung": "CASH",
        r"transfer|wire|(ü|ue)berweisung": "TRANSFER",
        r"purchase|^dr?$|^s(oll)?$|payment|debit|sale|pos|kauf|zahlung|lastschrift": "PURCHASE",
    },
}


def propose_words(draft: Draft) -> None:
    """The fields mcc, country, channel and kind."""
    _category(draft)
    _country(draft)
    for name in ("channel", "kind"):
        _symbols(draft, name)


def _fit(seen: Seen, shape: str) -> bool:
    """Whether most values are of a shape."""
    fit = sum(count for word, count in seen.counts.items() if re.fullmatch(shape, word.strip()))
    return bool(fit) and fit >= _MOSTLY * seen.filled


def _named(draft: Draft, name: str, pattern: str) -> list[Seen]:
    exact = [each for each in draft.left if each.name == name]
    return exact or [each for each in draft.left if re.search(pattern, each.name.lower())]


def _category(draft: Draft) -> None:
    found = [each for each in _named(draft, "mcc", _MCC) if _fit(each, r"\d{3,4}(\.0)?")]
    if found:
        draft.take(found[0], "mcc", found[0].name)


def _country(draft: Draft) -> None:
    named = _named(draft, "country", _COUNTRIES)
    found = [each for each in named if each.is_text and _fit(each, "[A-Za-z]{2}")]
    if not found:
        if named:
            what = f"{named[0].name} has no codes of two letters, like {named[0].examples}"
            draft.notes.append(f"no country: {what}")
        return
    found.sort(key=lambda each: not re.search("merchant|terminal|^country$", each.name.lower()))
    each = draft.chosen(
        "several columns may be the country of the merchant: which is it?", found, "country"
    )
    codes = {word: word.strip().upper() for word in each.counts if _is_code(word)}
    values = {word: code for word, code in codes.items() if word != code}
    value: Any = {"column": each.name, "values": values} if values else each.name
    draft.take(each, "country", value)


def _is_code(word: str) -> bool:
    return re.fullmatch("[A-Za-z]{2}", word.strip()) is not None


def _symbols(draft: Draft, name: str) -> None:
    found = [each for each in _named(draft, name, _NAMED[name]) if 0 < each.different <= 12]
    if not found and name == "kind":
        found = [each for each in draft.left if _are_sides(each)]
    if not found:
        if name not in draft.transaction:
            named = _named(draft, name, _NAMED[name])
            why = f"{named[0].name} has too many words" if named else "no column says it"
            draft.put(name, {"value": _DEFAULTS[name]}, why)
        return
    each = found[0]
    values = {word: _meaning(name, word) for word in each.counts}
    values = {word: means for word, means in values.items() if word != means}
    value: Any = {"column": each.name, "values": values} if values else each.name
    unknown = [word for word, means in values.items() if means == "UNKNOWN"]
    why = f"by its name; like {each.examples}"
    if unknown:
        why = f"nothing known is meant by {', '.join(map(repr, unknown))}; {why}"
    draft.take(each, name, value, why, unsure=bool(values))


def _are_sides(seen: Seen) -> bool:
    """Whether the values are the two sides of an account, whatever the column's name is."""
    return {word.strip().lower() for word in seen.counts} in _SIDES


def _meaning(name: str, word: str) -> str:
    if word in _SYMBOLS[name].values():
        return word
    patterns = _SYMBOLS[name].items()
    plain = word.strip().lower()
    return next((means for shape, means in patterns if re.search(shape, plain)), "UNKNOWN")
