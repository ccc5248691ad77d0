"""The gateway's core: a request's bytes to a transaction or a label of the contract, or a Problem.
Pure.
"""

from typing import Any

from riskstream.domain.contracts.catalog import MAX_AMOUNT_MINOR
from riskstream.domain.contracts.door import Fault, door
from riskstream.domain.contracts.json_text import Unreadable
from riskstream.domain.contracts.records import Label, Transaction
from riskstream.gateway.auth.cards import check_body
from riskstream.gateway.problem import invalid
from riskstream.gateway.rates import Rates

FILLED = ("base_amount_minor", "base_currency", "rates_version")
"""Fields of a transaction that are filled in where they are left out."""
LABEL_FILLED = ("known_at", "base_currency")
"""Those of a label."""


def read_label(body: bytes, now_ms: int, base: str = "EUR") -> Label:
    """The label in a body, known now and its loss in the base currency where it does not say;
    Problem with all that is wrong.
    """
    return _label(*_read("label.v1", LABEL_FILLED, body, now_ms), now_ms, base)


def label_of(data: dict[str, Any], now_ms: int, base: str) -> Label:
    """As `read_label`, of fields that were read already."""
    return _label(*door("label.v1", LABEL_FILLED).checked(data, now_ms), now_ms, base)


def _label(values: dict[str, Any], faults: list[Fault], now_ms: int, base: str) -> Label:
    if (
        all(fault.path != "$.base_currency" for fault in faults)
        and values.setdefault("base_currency", base) != base
    ):
        faults.append(_other_base(values["base_currency"], base, base))
    known_at = values.setdefault("known_at", now_ms)
    occurred_at = values.get("occurred_at")
    is_right = all(fault.path != "$.known_at" for fault in faults)
    if is_right and occurred_at is not None and known_at < occurred_at:
        detail = f"{known_at} is before the transaction ({occurred_at})"
        faults.append(
            Fault(path="$.known_at", code="bad-time", detail=detail, allowed="occurred_at or later")
        )
    if faults:
        raise invalid(faults)
    return Label(**values)


def read_transaction(body: bytes, rates: Rates, now_ms: int) -> Transaction:
    """The transaction in a body, its base amount filled in where it has none; Problem with all that
    is wrong.
    """
    return _transaction(*_read("transaction.v1", FILLED, body, now_ms), rates)


def transaction_of(data: dict[str, Any], rates: Rates, now_ms: int) -> Transaction:
    """As `read_transaction`, of fields that were read already."""
    return _transaction(*door("transaction.v1", FILLED).checked(data, now_ms), rates)


def _transaction(values: dict[str, Any], faults: list[Fault], rates: Rates) -> Transaction:
    complete(values, rates, faults)
    if faults:
        raise invalid(faults)
    return Transaction(**values)


def complete(values: dict[str, Any], rates: Rates, faults: list[Fault]) -> None:
    """Fills in a transaction's base amount where it has none; adds to `faults` what its fields say
    of each other that is wrong.
    """
    values |= _base(values, rates, faults)
    if values.get("corrects") is not None and values["corrects"] == values.get("transaction_id"):
        detail = "it is the transaction's own transaction_id"
        faults.append(
            Fault(
                path="$.corrects",
                code="corrects-itself",
                detail=detail,
                allowed="the id of another one, or nothing",
            )
        )


def _read(
    name: str, filled: tuple[str, ...], body: bytes, now_ms: int
) -> tuple[dict[str, Any], list[Fault]]:
    check_body(body)
    try:
        return door(name, filled).read(body, now_ms)
    except Unreadable as error:
        raise invalid([Fault(path="$", code=error.code, detail=error.detail)]) from None


def _check_base(values: dict[str, Any], rates: Rates, faults: list[Fault]) -> None:
    """Amounts are summed in one currency, that of the gateway's rates: another is refused."""
    if values.get("base_currency", rates.base) != rates.base:
        allowed = f"{rates.base}, or neither base_amount_minor nor base_currency"
        faults.append(_other_base(values["base_currency"], rates.base, allowed))


def _other_base(given: str, base: str, allowed: str) -> Fault:
    detail = f"it is {given}, and all base amounts here are in {base}"
    return Fault(path="$.base_currency", code="other-base-currency", detail=detail, allowed=allowed)


def _base(values: dict[str, Any], rates: Rates, faults: list[Fault]) -> dict[str, Any]:
    """Base amount, currency and rates version by the gateway's rates, nothing where the caller
    gives them; adds to `faults`.
    """
    wrong = {fault.path for fault in faults}
    if "base_amount_minor" in values:
        if "base_currency" not in values and "$.base_currency" not in wrong:
            detail = "base_amount_minor is given without base_currency"
            faults.append(
                Fault(
                    path="$.base_currency",
                    code="missing-field",
                    detail=detail,
                    allowed="give both or none",
                )
            )
        _check_base(values, rates, faults)
        return {}
    _check_base(values, rates, faults)
    if "$.base_amount_minor" in wrong or "currency" not in values:
        return {}
    currency = values["currency"]
    if currency not in rates.factors:
        detail = f"there is no rate for {currency}; give base_amount_minor"
        allowed = (
            f"one of {', '.join(sorted(rates.factors))}, or any with base_amount_minor and "
            "base_currency"
        )
        faults.append(
            Fault(path="$.currency", code="unknown-currency", detail=detail, allowed=allowed)
        )
        return {}
    if "amount_minor" not in values:
        return {}
    base = rates.to_base(values["amount_minor"], currency)
    if base > MAX_AMOUNT_MINOR:
        detail = f"it is {base} in {rates.base} minor units, 10^13 at most"
        faults.append(
            Fault(
                path="$.amount_minor",
                code="invalid-field",
                detail=detail,
                allowed="at most 10^13 in the base",
            )
        )
    version = rates.version if currency != rates.base else ""
    return {"base_amount_minor": base, "base_currency": rates.base, "rates_version": version}
