"""What the handler gives, as bytes of protobuf. Pure."""

from typing import Any

from riskstream.gateway.decided import Decided
from riskstream.gateway.rpc.messages import message_class, numbers_of

_ENUMS = (("decision", "Decision"), ("rung", "Rung"), ("verdict", "Verdict"))


def receipt(place: tuple[int, int], *, is_replayed: bool = False) -> bytes:
    """Of a record that Kafka has at (partition, offset)."""
    partition, offset = place
    made = message_class("Receipt")(partition=partition, offset=offset, replayed=is_replayed)
    return bytes(made.SerializeToString())


def decision_reply(decided: Decided) -> bytes:
    """A decision, as its body by HTTP has it."""
    return told_reply(decided.body(), is_replayed=decided.replayed is not None)


def told_reply(told: dict[str, Any], *, is_replayed: bool = False) -> bytes:
    """The same of the body."""
    body = _values(told)
    if "late_score" in body:
        body["late_score"] = message_class("LateScore")(**_values(body["late_score"]))
    made = message_class("DecisionReply")(**body, replayed=is_replayed)
    return bytes(made.SerializeToString())


def _values(told: dict[str, Any]) -> dict[str, Any]:
    """The fields of a message: null is left out, a symbol its number."""
    out = {name: value for name, value in told.items() if value is not None}
    for name, enum in _ENUMS:
        if name in out:
            out[name] = numbers_of(enum)[out[name]]
    return out
