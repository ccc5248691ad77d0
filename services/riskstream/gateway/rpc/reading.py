"""Bytes of protobuf to records of the contract, by the same checks as JSON. Pure.

A field that the message does not have is refused, as JSON's door does: what a newer caller says
would be lost in silence.
"""

from functools import cache
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from riskstream.domain.contracts.door import Fault
from riskstream.domain.contracts.json_text import Written
from riskstream.domain.contracts.proto_model import gateway_file
from riskstream.domain.contracts.records import Label, Transaction
from riskstream.gateway.auth.cards import check_values
from riskstream.gateway.core import label_of, transaction_of
from riskstream.gateway.problem import Problem, invalid
from riskstream.gateway.rates import Rates
from riskstream.gateway.rpc.messages import message_class, symbols_of


def read_transaction(body: bytes, rates: Rates, now_ms: int) -> Transaction:
    """The transaction in a message's bytes; Problem with all that is wrong."""
    return _transaction(_parsed("Transaction", body), rates, now_ms)


def read_label(body: bytes, now_ms: int, base: str) -> Label:
    """The label in a message's bytes; Problem with all that is wrong."""
    data = _values("Label", _parsed("Label", body))
    check_values(data)
    return label_of(data, now_ms, base)


def read_request(
    body: bytes, rates: Rates, now_ms: int
) -> tuple[Transaction, int | None, list[str]]:
    """(transaction, deadline in ms or None, its idempotency keys) of a DecisionRequest."""
    message = _known("DecisionRequest", body)
    keys = [message.idempotency_key] if message.HasField("idempotency_key") else []
    deadline = message.deadline_ms if message.HasField("deadline_ms") else None
    return _transaction(message.transaction, rates, now_ms), deadline, keys


def read_query(body: bytes) -> tuple[str, str | None]:
    """(transaction's id, customer's or None) of a DecisionQuery."""
    message = _known("DecisionQuery", body)
    customer = message.customer_id if message.HasField("customer_id") else None
    return message.transaction_id, customer


def malformed(name: str) -> Problem:
    """400: the bytes are no such message."""
    detail = f"the bytes are no {name} of protobuf, or hold a text that is not UTF-8"
    return invalid([Fault(path="$", code="malformed-message", detail=detail)])


def _transaction(message: Any, rates: Rates, now_ms: int) -> Transaction:
    data = _values("Transaction", message)
    check_values(data)
    return transaction_of(data, rates, now_ms)


def _parsed(name: str, body: bytes) -> Any:
    try:
        return message_class(name).FromString(body)
    except DecodeError:
        raise malformed(name) from None


def _known(name: str, body: bytes) -> Any:
    """A message without unknown fields; Problem where it has some."""
    message = _parsed(name, body)
    unknown = sorted({str(each.field_number) for each in UnknownFieldSet(message)})
    if unknown:
        raise invalid([_unknown(number) for number in unknown])
    return message


@cache
def _enums(name: str) -> dict[str, dict[int, str]]:
    """By field of an enum its symbols."""
    names = {each.name for each in gateway_file().enums}
    fields = gateway_file().message(name).fields
    return {each.name: symbols_of(each.kind) for each in fields if each.kind in names}


def _values(name: str, message: Any) -> dict[str, Any]:
    """The fields that are given, as JSON would have them. A symbol that is unknown stays a number;
    a field that is unknown has its number as its name.
    """
    enums, out = _enums(name), {}
    for field, value in message.ListFields():
        symbols = enums.get(field.name)
        out[field.name] = value if symbols is None else symbols.get(value, Written(str(value)))
    for each in UnknownFieldSet(message):
        out[str(each.field_number)] = None
    return out


def _unknown(number: str) -> Fault:
    detail = f"the field {number} is unknown"
    return Fault(
        path=f'$["{number}"]',
        code="unknown-field",
        detail=detail,
        allowed="the fields of schemas/gateway.proto",
    )
