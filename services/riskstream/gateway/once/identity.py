"""By what a request is recognised when it comes again. Pure."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk.bodies import Bodies

_BETWEEN, _KEYS = b"\xff", b"\xfe"
"""Bytes that no text in UTF-8 has: so no two pairs of texts have the same name."""


def name_of(customer_id: bytes, transaction_id: bytes) -> bytes:
    """The name of a transaction: ids are unique within a customer."""
    return customer_id + _BETWEEN + transaction_id


def id_of(name: bytes) -> bytes:
    """The transaction's id of its name."""
    return name.rpartition(_BETWEEN)[2]


def name_of_key(caller: str, key: str) -> bytes:
    """The name of a caller's Idempotency-Key: two callers may use the same one."""
    return _KEYS + caller.encode() + _BETWEEN + key.encode()


def near(name: bytes) -> int:
    """The name as this process alone knows it: by Python's keyed hash, so that nobody can make two
    of the same.
    """
    return hash(name)


def digest(name: bytes) -> bytes:
    """The name as all gateways know it, 16 bytes: the text cannot be read back from it."""
    return hashlib.blake2b(name, digest_size=16).digest()


def fingerprint(name: bytes, body: int) -> int:
    """What a key stands for: this transaction with this body."""
    found = hashlib.blake2b(name + body.to_bytes(8, "big", signed=True), digest_size=8).digest()
    return int.from_bytes(found, "big", signed=True)


class BodyHashes:
    """Hashes of what callers said, as the scorer compares them: our rates do not count."""

    def __init__(self) -> None:
        self._decoder = ColumnDecoder("transaction.v1")
        self._bodies = Bodies(self._decoder.layout)

    def of(self, frames: list[bytes]) -> list[int]:
        """A hash of each encoded transaction."""
        wanted: NDArray[np.bool_] = np.ones(len(frames), np.bool_)
        found: list[int] = self._bodies.hashes(self._decoder.decode(frames), wanted).tolist()
        return found
