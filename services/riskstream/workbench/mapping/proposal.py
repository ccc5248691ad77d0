"""Proposes a mapping for a file that nobody has described: each column by its name and its values,
with the reason.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from riskstream.workbench.files.rows import Layout
from riskstream.workbench.mapping.columns_seen import (
    Seen,
    clocks,
    is_whole_numbers,
    numbers_of,
)
from riskstream.workbench.mapping.declared import Clock

Ask = Callable[[str, list[str]], str]
"""ask(question, answers): the answer; the first is the likeliest."""

_NAMES: dict[str, str] = {
    "is_fraud": r"fraud|betrug|fraude|^class$|^label$|target|chargeback",
    "occurred_at": r"occurred|time|date|datum|when|wertstellung|^at$|step|timestamp|created",
    "amount_minor": r"amount|amt|betrag|montant|importe|value|price|total",
    "transaction_id": r"trans\w*[ _-]?(id|num|no)|^tx[ _-]?id|buchung|^id$|payment[ _-]?id|refer",
    "customer_id": r"customer|client|kunde|^user|holder|nameorig|cc_num|payer|^who$|card1|member",
    "account_token": r"account|konto|card|token|iban|cc_num",
    "counterparty_id": r"namedest|beneficiary|payee|counterparty|receiver|empfaenger",
    "terminal_id": r"terminal|pos[ _-]?id|atm",
    "merchant_id": r"merchant(?!.*(city|state|zip|lat|long|cat))|shop|store",
    "mcc": r"^mcc$|merchant[ _-]?category[ _-]?code",
    "country": r"country|land$|^pays$",
    "currency": r"currency|waehrung|devise|^cur$|^ccy$",
    "device_id": r"device|ip[ _-]?addr",
    "channel": r"channel|use chip|entry[ _-]?mode",
    "kind": r"^kind$|^type$|transaction[ _-]?type",
}
"""Names that a column of a field often has, in lower case."""
_SYMBOLS: dict[str, dict[str, str]] = {
    "channel": {
        r"pos|chip|swipe|store": "POS",
        r"ecom|online|web|internet": "ECOM",
        r"atm": "ATM",
        r"mobile|app|tele": "MOBILE",
        r"branch": "BRANCH",
    },
    "kind": {
        r"purchase|payment|debit|sale|pos": "PURCHASE",
        r"refund|credit|return": "REFUND",
        r"cash|withdraw|atm": "CASH",
        r"transfer|wire": "TRANSFER",
    },
}
_YES = r"^(1|1\.0|true|yes|y|fraud|ja|oui|si|t)$"
_NO = r"^(0|0\.0|false|no|n|genuine|nein|non|legit|f|normal)$"


@dataclass(slots=True)
class Proposal:
    """`transaction` and `label` as the mapping file has them; `whys` by field the reason, `unsure`
    those that a person should look at; `missing` what must be mapped and was not found.
    """

    layout: Layout
    transaction: dict[str, Any] = field(default_factory=dict)
    label: dict[str, Any] = field(default_factory=dict)
    whys: dict[str, str] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        """The mapping file, with a comment on each line."""
        lines = [f"# riskstream map: proposed for {name}. Read each line; `unsure` marks guesses."]
        held = {"encoding": self.layout.encoding, "sheet": self.layout.sheet}
        if any(held.values()):
            lines.append("file:")
            lines += [f"  {key}: {_flow(value)}" for key, value in held.items() if value]
        for section, fields in (("transaction", self.transaction), ("label", self.label)):
            if fields:
                lines.append(f"{section}:")
            for key, value in fields.items():
                mark = "unsure: " if key in self.unsure else ""
                why = f" # {mark}{self.whys[key]}" if key in self.whys else ""
                lines.append(f"  {key}: {_flow(value)}{why}")
        return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.strip().removesuffix("...").strip()


def proposed(seen: list[Seen], layout: Layout, latest_ms: int, currency: str, ask: Ask) -> Proposal:
    """A mapping for columns as they were seen. What cannot be told is asked."""
    out, left = Proposal(layout), list(seen)
    _label(out, left)
    _time(out, left, latest_ms, ask)
    _amount(out, left, ask)
    _ids(out, left, ask)
    for name in ("counterparty_id", "terminal_id", "merchant_id", "device_id"):
        if found := _named(left, name):
            _take(out, left, found, name, found.name)
    if (found := _named(left, "mcc")) and is_whole_numbers(found):
        _take(out, left, found, "mcc", found.name)
    _currency(out, left, currency)
    for name in ("channel", "kind"):
        _words(out, left, name)
    order = [*_ORDER, *(name for name in out.transaction if name not in _ORDER)]
    out.transaction = {name: out.transaction[name] for name in order if name in out.transaction}
    return out


_ORDER = (
    "transaction_id",
    "customer_id",
    "account_token",
    "terminal_id",
    "merchant_id",
    "mcc",
    "channel",
    "kind",
    "amount_minor",
    "currency",
    "base_currency",
    "device_id",
    "counterparty_id",
    "occurred_at",
)


def _named(left: list[Seen], name: str) -> Seen | None:
    """The column that is called so; the contract's own name wins."""
    exact = next((each for each in left if each.name == name), None)
    found = [each for each in left if re.search(_NAMES[name], each.name.lower())]
    return exact or (found[0] if found else None)


def _take(
    out: Proposal, left: list[Seen], found: Seen, name: str, value: Any, why: str = ""
) -> None:
    out.transaction[name] = value
    out.whys[name] = why or f"by its name; like {found.examples}"
    left.remove(found)


def _label(out: Proposal, left: list[Seen]) -> None:
    for each in left:
        words = [word.lower() for word in each.words]
        if re.search(_NAMES["is_fraud"], each.name.lower()) and 1 <= each.different <= 2:
            plain = all(word in ("0", "1", "true", "false", "0.0", "1.0") for word in words)
            told = {
                word: bool(re.search(_YES, word.lower()))
                for word in each.words
                if re.search(_YES, word.lower()) or re.search(_NO, word.lower())
            }
            if not plain and len(told) != each.different:
                continue
            out.label["is_fraud"] = each.name if plain else {"column": each.name, "values": told}
            out.label["delay_days"] = 7
            out.whys["is_fraud"] = f"by its name and two values: {', '.join(each.words)}"
            out.whys["delay_days"] = "the file does not say when a fraud became known"
            out.unsure.append("delay_days")
            left.remove(each)
            return


def _time(out: Proposal, left: list[Seen], latest_ms: int, ask: Ask) -> None:
    named = [each for each in left if re.search(_NAMES["occurred_at"], each.name.lower())]
    for each in [*named, *(each for each in left if each not in named)]:
        if each.is_unique and each not in named:
            continue
        found = clocks(each, latest_ms)
        if not found:
            continue
        clock = found[0]
        if len(found) > 1:
            formats = [one.format or one.unit for one in found]
            chosen = ask(
                f"{each.name} reads in several ways, like {each.examples}: which is right?", formats
            )
            clock = found[formats.index(chosen)]
            out.unsure.append("occurred_at")
        _take(out, left, each, "occurred_at", _clocked(each.name, clock), _why_time(each, clock))
        return
    if _parts_of_a_date(out, left):
        return
    step = next((each for each in named if is_whole_numbers(each)), None)
    if step is not None:
        value = {"column": step.name, "unit": "h", "start": "2020-01-01"}
        _take(out, left, step, "occurred_at", value, f"a count, like {step.examples}: of hours?")
        out.unsure.append("occurred_at")


def _parts_of_a_date(out: Proposal, left: list[Seen]) -> bool:
    """Take columns called year, month and day, with one of the time, for the instant."""
    by_name = {each.name.lower(): each for each in left}
    parts = [by_name.get(name) for name in ("year", "month", "day", "time")]
    found = [each for each in parts if each is not None]
    if len(found) < 4:
        return False
    clock = "%H:%M:%S" if any(word.count(":") == 2 for word in found[3].words) else "%H:%M"
    out.transaction["occurred_at"] = {
        "columns": [each.name for each in found],
        "format": f"%Y %m %d {clock}",
    }
    out.whys["occurred_at"] = f"the parts of a date; times like {found[3].examples}"
    for each in found:
        left.remove(each)
    return True


def _clocked(name: str, clock: Clock) -> Any:
    if clock.format:
        return {"column": name, "format": clock.format}
    return {"column": name, "unit": clock.unit} if clock.unit else name


def _why_time(seen: Seen, clock: Clock) -> str:
    how = clock.format or (f"numbers in {clock.unit}" if clock.unit else "times as they are, UTC")
    return f"{how}; like {seen.examples}"


def _amount(out: Proposal, left: list[Seen], ask: Ask) -> None:
    named = [each for each in left if re.search(_NAMES["amount_minor"], each.name.lower())]
    found = [(each, held) for each in named if (held := numbers_of(each))]
    if not found:
        return
    names = [each.name for each, _ in found]
    chosen = names[0]
    if len(names) > 1:
        chosen = ask("several columns may be the amount: which is it?", names)
        out.unsure.append("amount_minor")
    each, (written, scale, is_below) = found[names.index(chosen)]
    value: dict[str, Any] = {"column": each.name}
    is_minor = scale == 1 and re.search(r"minor|cent", each.name.lower())
    if not is_minor:
        value["scale"] = 100
        if scale == 1 and not any("." in word or "," in word for word in each.words):
            out.unsure.append("amount_minor")
    for key, text in (
        ("decimal", written.decimal),
        ("thousands", written.thousands),
        ("symbol", written.symbol),
    ):
        if text:
            value[key] = text
    if is_below:
        value["negative"] = "REFUND"
    units = "minor units" if is_minor else "major units"
    _take(
        out,
        left,
        each,
        "amount_minor",
        value if len(value) > 1 else each.name,
        f"{units}; like {each.examples}",
    )


def _ids(out: Proposal, left: list[Seen], ask: Ask) -> None:
    found = _named([each for each in left if each.is_unique], "transaction_id")
    if found is not None:
        _take(out, left, found, "transaction_id", found.name, "a different value in each row")
    else:
        out.transaction["transaction_id"] = {"row": True, "prefix": "row-"}
        out.whys["transaction_id"] = "no column has a different value in each row: the row's number"
    customers = [each for each in left if re.search(_NAMES["customer_id"], each.name.lower())]
    exact = [each for each in customers if each.name == "customer_id"]
    customers = exact or [each for each in customers if each.different > 1]
    if not customers:
        customers = [each for each in left if re.search(_NAMES["account_token"], each.name.lower())]
    if not customers:
        out.transaction["customer_id"] = {"row": True, "prefix": "customer-"}
        out.whys["customer_id"] = "no column tells customers: each row is one of its own"
        out.unsure.append("customer_id")
        out.transaction["account_token"] = {"row": True, "prefix": "account-"}
        return
    names = [each.name for each in customers]
    chosen = names[0]
    if len(names) > 1:
        chosen = ask("several columns may tell customers apart: which does?", names)
        out.unsure.append("customer_id")
    each = customers[names.index(chosen)]
    _take(out, left, each, "customer_id", each.name)
    account = _named(left, "account_token")
    if account is not None:
        _take(out, left, account, "account_token", account.name)
    else:
        out.transaction["account_token"] = each.name
        out.whys["account_token"] = "no column of accounts or cards: the customer's"


def _currency(out: Proposal, left: list[Seen], currency: str) -> None:
    found = _named(left, "currency")
    if found and all(re.fullmatch(r"[A-Z]{3}", word) for word in found.words):
        _take(out, left, found, "currency", found.name)
        return
    symbol = out.transaction.get("amount_minor")
    told = {"$": "USD", "€": "EUR", "£": "GBP", "₹": "INR"}.get(
        symbol.get("symbol", "") if isinstance(symbol, dict) else "", currency
    )
    out.transaction["currency"] = {"value": told}
    out.whys["currency"] = "the file does not say" if told == currency else "by its symbol"
    if told != currency:
        out.transaction["base_currency"] = {"value": told}
        out.whys["base_currency"] = f"give --base-currency {told}"
    out.unsure.append("currency")


def _words(out: Proposal, left: list[Seen], name: str) -> None:
    found = _named(left, name)
    default = {"channel": "UNKNOWN", "kind": "PURCHASE"}[name]
    if found is None or found.different > 12:
        out.transaction[name] = {"value": default}
        out.whys[name] = "the file does not say"
        return
    values = {}
    for word in found.words:
        means = next(
            (
                symbol
                for pattern, symbol in _SYMBOLS[name].items()
                if re.search(pattern, word.lower())
            ),
            "UNKNOWN",
        )
        if word != means:
            values[word] = means
    value = {"column": found.name, "values": values} if values else found.name
    _take(out, left, found, name, value)
    if values:
        out.unsure.append(name)
