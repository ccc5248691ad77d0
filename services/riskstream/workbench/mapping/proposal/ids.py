"""Which columns tell transactions, customers, accounts and places apart."""

import re
from typing import Any

import pyarrow as pa

from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.proposal.draft import Draft

_TRANSACTIONS = (
    r"trans\w*[ _-]?(id|num|no|nr|ref|key)"
    r"|(^|[^a-z])(t|tr|tx|trx|txn)[ _-]?(id|no|nr|num|ref|hash)$"
    r"|^(tx|txn|trx|transaction)$|buchung|^_?id(\.\$oid)?$|^uuid$|payment[ _-]?id|refer|beleg"
    r"|vorgang"
)
_NAMES: dict[str, str] = {
    "customer_id": r"customer|^cust|client|kunde|^user|holder|nameorig|cc_num|payer|^who$|card1"
    r"|member",
    "account_token": r"account|konto|card|karte|token|iban|cc_num",
    "counterparty_id": r"namedest|beneficiary|payee|counterparty|receiver|empf(ae|ä)nger",
    "terminal_id": r"terminal|pos[ _-]?id|\batm",
    "merchant_id": r"merchant(?!.*(city|state|zip|lat|long|cat))|h(ä|ae)ndler|shop|store",
    "device_id": r"device|ip[ _-]?addr",
}
_NO_IDS = (
    r"since|date|datum|zeit|time|type|typ\b|brand|model|kind|categor|class|segment|status|scheme"
    r"|network|country|land\b|city|mail|age\b|level|present|_os$|limit|balance|agent|_count"
    r"|gender|zip|plz|post|street|address|phone|region|income|score|risk"
)
"""Names of what customers, cards and devices have beside their ids."""
_PLAIN_NAMES = r"name$|^kunde$"
_CUSTOMERS = (
    r"(customer|client|kunde|user|member|holder|payer|who|cc_num|nameorig|card1)s?"
    r"|.*(id|no|nr|num|number|nummer|key|ref)"
)
"""Names of customers themselves: of others the values must look like ids."""
_SOME_ROWS = 20
"""Rows from which on values are counted."""


def propose_ids(draft: Draft) -> None:
    """All fields of ids. Transactions and customers without one get the number of the row."""
    _transactions(draft)
    customer = _customers(draft)
    if customer is not None:
        _accounts(draft, customer)
    for name in ("counterparty_id", "terminal_id", "merchant_id", "device_id"):
        if found := _named(draft, name):
            draft.take(found, name, _value(found))


def _value(seen: Seen) -> Any:
    """The column; whole where its ids are numbers with a point."""
    if seen.is_text and any(each != each.strip() for each in seen.counts if each.strip()):
        return {"column": seen.name, "trim": True}
    is_float = pa.types.is_floating(seen.column.type)
    if is_float or (seen.words and all(re.fullmatch(r"\d+\.0", each) for each in seen.words)):
        return {"column": seen.name, "integer": True}
    return seen.name


def _columns(draft: Draft) -> list[Seen]:
    """Columns whose type may be of ids."""
    return [each for each in draft.left if each.filled and not each.is_nested]


def _transactions(draft: Draft) -> None:
    found = [each for each in _columns(draft) if re.search(_TRANSACTIONS, each.name.lower())]
    found.sort(key=lambda each: (each.name != "transaction_id", -each.different))
    best = found[0] if found else None
    if best is not None and best.is_unique:
        draft.take(best, "transaction_id", _value(best), "a different value in each row")
        return
    if best is not None and best.different >= 0.8 * best.rows:
        why = f"{best.different:,} different values in {best.rows:,} rows; like {best.examples}"
        draft.take(best, "transaction_id", _value(best), why, unsure=True)
        return
    why = "no column is called like an id of transactions: the row's number"
    if best is not None:
        why = (
            f"{best.name} has {best.different:,} different values in {best.rows:,} rows: "
            "the row's number"
        )
    draft.put("transaction_id", {"row": True, "prefix": "row-"}, why, unsure=best is not None)


def _customers(draft: Draft) -> Seen | None:
    """The column that tells customers apart, which was taken; None where there is none."""
    named = [
        each for each in _columns(draft) if re.search(_NAMES["customer_id"], each.name.lower())
    ]
    exact = [each for each in named if each.name == "customer_id"]
    ids = [each for each in named if not re.search(_NO_IDS, each.name.lower())]
    ids = [each for each in ids if re.fullmatch(_CUSTOMERS, each.name.lower()) or _are_ids(each)]
    several = [each for each in ids if each.different > 1]
    several.sort(key=lambda each: re.search(_PLAIN_NAMES, each.name.lower()) is not None)
    accounts = [
        each for each in _columns(draft) if re.search(_NAMES["account_token"], each.name.lower())
    ]
    accounts = [each for each in accounts if _are_ids(each)]
    found = exact or several or ids or accounts
    if not found:
        why = "no column tells customers apart: each row is one of its own"
        draft.put("customer_id", {"row": True, "prefix": "customer-"}, why, unsure=True)
        draft.put("account_token", {"row": True, "prefix": "account-"}, "one of each row")
        return None
    question = "several columns may tell customers apart: which does?"
    each = draft.chosen(question, found, "customer_id")
    doubts = [] if len(found) == 1 else [f"one of {', '.join(one.name for one in found)}"]
    if each.different == 1 and each.rows > 1:
        doubts.append("one customer alone, which `check` refuses")
    elif found is accounts:
        doubts.append("no column of customers: accounts")
    why = "; ".join([*doubts, f"by its name; like {each.examples}"])
    draft.take(each, "customer_id", _value(each), why, unsure=bool(doubts))
    return each


def _accounts(draft: Draft, customer: Seen) -> None:
    """Accounts or cards, of which there are about as many as customers."""
    found = _named(draft, "account_token")
    if found is not None and found.different * 2 < customer.different:
        _leave_out(draft, "account_token", found)
        found = None
    if found is not None:
        draft.take(found, "account_token", _value(found))
        return
    value, why = _value(customer), "no column of accounts or cards: the customer's"
    draft.put("account_token", value, why)


def _named(draft: Draft, name: str) -> Seen | None:
    """The column that is called so and holds ids; the contract's own name wins."""
    exact = next((each for each in draft.left if each.name == name), None)
    if exact is not None:
        return exact
    named = [each for each in _columns(draft) if re.search(_NAMES[name], each.name.lower())]
    for each in named:
        if _are_ids(each) or (name in ("merchant_id", "terminal_id") and _are_places(each)):
            return each
        _leave_out(draft, name, each)
    return None


def _leave_out(draft: Draft, name: str, seen: Seen) -> None:
    draft.notes.append(f"no {name}: {seen.name} does not look like ids, like {seen.examples}")


def _are_places(seen: Seen) -> bool:
    return not re.search(_NO_IDS, seen.name.lower())


def _are_ids(seen: Seen) -> bool:
    """Whether the values are ids: many different ones, most with a digit and without a space."""
    if re.search(_NO_IDS, seen.name.lower()):
        return False
    if seen.rows < _SOME_ROWS:
        return True
    with_digits = sum(bool(re.search(r"\d", each)) and " " not in each for each in seen.words)
    return seen.different > 2 and (with_digits * 2 > len(seen.words) or seen.different > 50)
