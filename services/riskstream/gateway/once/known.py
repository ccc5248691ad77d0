"""What is remembered of a transaction, and as which bytes gateways share it. Pure."""

import struct
from dataclasses import dataclass

PENDING, TAKEN, TOLD = b"P", b"A", b"D"
"""First byte of a value: not answered yet; Kafka has the record; its caller was told a decision."""
_HEAD, _PLACE = struct.Struct(">cq"), struct.Struct(">iq")


@dataclass(frozen=True, slots=True)
class Known:
    """`body`: hash of what the caller said. `place`: (partition, offset), None where Kafka had not
    told. `told`: the decision as JSON, None where none was asked for.
    """

    body: int
    place: tuple[int, int] | None
    told: bytes | None = None


def packed(known: Known) -> bytes:
    """The value that is shared."""
    kind = TAKEN if known.told is None else TOLD
    place = _PLACE.pack(*(known.place or (-1, -1)))
    return _HEAD.pack(kind, known.body) + place + (known.told or b"")


def pending(body: int, token: bytes) -> bytes:
    """The value while the transaction is under way; `token` is its owner's, 8 bytes."""
    return _HEAD.pack(PENDING, body) + token


def unpacked(value: bytes) -> tuple[int, Known | None]:
    """(hash of the body, what is known), None while it is under way; ValueError of what is no such
    value.
    """
    try:
        kind, body = _HEAD.unpack_from(value)
        if kind == PENDING:
            return body, None
        partition, offset = _PLACE.unpack_from(value, _HEAD.size)
    except struct.error as error:
        raise ValueError("it is too short") from error
    if kind not in (TAKEN, TOLD):
        raise ValueError(f"it begins with {kind!r}")
    told = value[_HEAD.size + _PLACE.size :] if kind == TOLD else None
    return body, Known(body, (partition, offset) if partition >= 0 else None, told)
