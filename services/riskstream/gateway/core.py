"""The gateway's core: a request's bytes to a transaction or a label of the contract, or a Problem. Pure."""

import json
import re
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import msgspec

from riskstream.contracts.bounds import Bounds, bounds_of
from riskstream.contracts.catalog import MAX_AMOUNT_MINOR
from riskstream.contracts.records import Label, Transaction
from riskstream.gateway.problem import Problem, invalid
from riskstream.gateway.rates import Rates

MAX_AHEAD_MS = 300_000
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT_MINOR)]
Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z")]
T = TypeVar("T")


class TransactionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/transactions and /v1/decisions: the contract's transaction, base amount optional."""

    transaction_id: Id
    customer_id: Id
    account_token: Id
    terminal_id: Id | None = None
    merchant_id: Id | None = None
    mcc: Annotated[int, msgspec.Meta(ge=0, le=9999)] | None = None
    country: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\Z")] | None = None
    channel: Literal["POS", "ECOM", "ATM", "MOBILE", "BRANCH"]
    kind: Literal["PURCHASE", "REFUND", "CASH", "TRANSFER"]
    amount_minor: Amount
    currency: Currency
    base_amount_minor: Amount | None = None
    base_currency: Currency | None = None
    rates_version: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    device_id: Id | None = None
    counterparty_id: Id | None = None
    occurred_at: int
    corrects: Id | None = None


class LabelRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/labels: the contract's label; known_at is now where it is left out."""

    label_id: Id
    transaction_id: Id
    customer_id: Id
    outcome: Literal["FRAUD", "GENUINE"]
    source: Literal["CHARGEBACK", "ANALYST", "CUSTOMER", "IMPORT"]
    occurred_at: int
    known_at: int | None = None
    loss_minor: Amount = 0
    base_currency: Currency = "EUR"
    terminal_id: Id | None = None
    device_id: Id | None = None


def read_label(body: bytes, now_ms: int) -> Label:
    """The label in a body; Problem with the path of the first thing that is wrong."""
    request = _converted(_parse(body, "label"), LabelRequest, "label")
    _check_time(request.occurred_at, now_ms)
    known_at = now_ms if request.known_at is None else request.known_at
    _check_time(known_at, now_ms, "$.known_at")
    if known_at < request.occurred_at:
        raise invalid("bad-time", "$.known_at", f"{known_at} is before the transaction ({request.occurred_at})")
    fields = {name: getattr(request, name) for name in LabelRequest.__struct_fields__}
    return Label(**{**fields, "known_at": known_at})


def read_transaction(body: bytes, rates: Rates, now_ms: int) -> Transaction:
    """The transaction in a body; Problem with the path of the first thing that is wrong."""
    request = _converted(_parse(body, "transaction"), TransactionRequest, "transaction")
    _check_time(request.occurred_at, now_ms)
    base = _base(request, rates)
    fields = {name: getattr(request, name) for name in TransactionRequest.__struct_fields__}
    return Transaction(**{**fields, **base})


def _converted(data: Any, kind: type[T], what: str) -> T:
    for name, value in data.items():
        if isinstance(value, str) and not _is_text(value):
            raise invalid("invalid-field", f"$.{name}", "it holds half of a surrogate pair, which no text has")
    try:
        found = msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at `")
        raise _field_problem(data, detail, path.rstrip("`") or "$", what) from None
    for name, bounds in bounds_of(f"{what}.v1").items():
        if isinstance(text := data.get(name), str):
            _check_text(text, bounds)
    return found


def _is_text(text: str) -> bool:
    """False where it holds half of a surrogate pair."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _check_text(text: str, bounds: Bounds) -> None:
    """The contract's bound is of bytes."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise invalid(
            "invalid-field", f"$.{bounds.name}", "it holds half of a surrogate pair, which no text has"
        ) from None
    if bounds.max_bytes is not None and size > bounds.max_bytes:
        detail = f"it has {size} bytes of UTF-8, {bounds.max_bytes} at most"
        raise invalid("invalid-field", f"$.{bounds.name}", detail)


def _parse(body: bytes, what: str) -> Any:
    if not body.strip():
        raise invalid("empty-body", "$", f"the body is empty; send one {what} as a JSON object")
    try:
        data = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise invalid("malformed-json", "$", f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise invalid("malformed-json", "$", f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError as error:  # an integer of thousands of digits
        raise invalid("malformed-json", "$", f"a number cannot be read: {error}") from None
    except RecursionError:
        raise invalid("malformed-json", "$", f"the body is nested too deeply; a {what} is flat") from None
    if isinstance(data, dict) and (odd := [key for key in data if not _is_text(key)]):
        raise invalid("unknown-field", f"$.{odd[0]}", f"the field {odd[0]} is unknown; see schemas/{what}.v1.avsc")
    if not isinstance(data, dict):
        raise invalid("not-an-object", "$", f"the body is not a JSON object; send one {what}")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """json's hook: the last of two equal keys must not win in silence (orjson and msgspec do not see them)."""
    out = dict(pairs)
    if len(out) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise invalid("duplicate-key", f"$.{key}", f"the key {key} stands twice")
            seen.add(key)
    return out


def _constant(text: str) -> NoReturn:
    raise invalid("not-a-number", "$", f"{text} is no number of JSON; amounts are whole minor units")


def _field_problem(data: Any, detail: str, path: str, what: str) -> Problem:
    if missing := re.search(r"required field `(\w+)`", detail):
        return invalid("missing-field", f"$.{missing[1]}", f"the field {missing[1]} is missing")
    if unknown := re.search(r"unknown field `([^`]*)`", detail):
        return invalid(
            "unknown-field", f"$.{unknown[1]}", f"the field {unknown[1]} is unknown; see schemas/{what}.v1.avsc"
        )
    name = path.removeprefix("$.")
    shown = str(data.get(name))[:64] if isinstance(data, dict) else ""
    return invalid("invalid-field", path, f"{detail}; found {shown}")


def _check_time(occurred_at: int, now_ms: int, path: str = "$.occurred_at") -> None:
    if occurred_at > now_ms + MAX_AHEAD_MS:
        if occurred_at > now_ms * 100:
            raise invalid(
                "bad-time",
                path,
                f"{occurred_at} looks like microseconds or nanoseconds; give milliseconds since 1970 UTC",
            )
        raise invalid("bad-time", path, f"{occurred_at} is more than 5 minutes ahead of the gateway's clock")
    if occurred_at < 0:
        raise invalid("bad-time", path, f"{occurred_at} is before 1970; give milliseconds since 1970 UTC")
    if occurred_at == 0:
        raise invalid("bad-time", path, "0 is a time that was left out; give milliseconds since 1970 UTC")
    if 0 < occurred_at < now_ms // 500:
        raise invalid("bad-time", path, f"{occurred_at} looks like seconds; give milliseconds since 1970 UTC")


def _base(request: TransactionRequest, rates: Rates) -> dict[str, Any]:
    """Base amount, currency and rates version: the caller's where given whole, else by the gateway's rates."""
    if request.base_amount_minor is not None:
        if request.base_currency is None:
            raise invalid("missing-field", "$.base_currency", "base_amount_minor is given without base_currency")
        return {"rates_version": request.rates_version or ""}
    if request.currency not in rates.factors:
        raise invalid(
            "unknown-currency", "$.currency", f"there is no rate for {request.currency}; give base_amount_minor"
        )
    base = rates.to_base(request.amount_minor, request.currency)
    if base > MAX_AMOUNT_MINOR:
        raise invalid("invalid-field", "$.amount_minor", f"it is {base} in {rates.base} minor units, 10^13 at most")
    version = rates.version if request.currency != rates.base else ""
    return {"base_amount_minor": base, "base_currency": rates.base, "rates_version": version}
