"""Messages of the gRPC door from the bodies that the HTTP door takes."""

from typing import Any

from riskstream.domain.contracts.proto_model import gateway_file
from riskstream.gateway.rpc.messages import message_class, numbers_of

_ENUMS = {each.name for each in gateway_file().enums}


def message(name: str, body: dict[str, Any]) -> Any:
    """A message of riskstream.v1; null is left out, a symbol its number."""
    kinds = {each.name: each.kind for each in gateway_file().message(name).fields}
    out = message_class(name)()
    for field, value in body.items():
        if value is not None:
            kind = kinds[field]
            is_symbol = kind in _ENUMS and isinstance(value, str)
            setattr(out, field, numbers_of(kind)[value] if is_symbol else value)
    return out


def transaction(body: dict[str, Any]) -> Any:
    """A Transaction."""
    return message("Transaction", body)


def batch(sequence: int, bodies: list[dict[str, Any]]) -> Any:
    """A TransactionBatch."""
    rows = [transaction(each) for each in bodies]
    return message_class("TransactionBatch")(sequence=sequence, transactions=rows)
