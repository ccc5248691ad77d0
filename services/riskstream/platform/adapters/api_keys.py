"""API keys: how one looks, how one is made, and what is kept of it.

`rsk_<id>_<secret and checksum>`: scanners of repositories find it by its shape, and a mistyped one
is refused without a look-up. Its secret has 256 random bits, so that a plain SHA-256 keeps it:
nobody can guess it, however fast the hash is.
"""

import hashlib
import re
import zlib
from collections.abc import Callable

PREFIX = "rsk_"
_ID_BYTES, _SECRET_BYTES = 8, 32
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_SIZE, _SECRET_SIZE, _SUM_SIZE = 12, 43, 6
SHAPE = re.compile(
    rf"{PREFIX}([a-z2-7]{{{_ID_SIZE}}})_[0-9A-Za-z]{{{_SECRET_SIZE + _SUM_SIZE}}}", re.ASCII
)


def make_key(random: Callable[[int], bytes]) -> tuple[str, str]:
    """(id, key) of a new key. `random` gives that many bytes nobody can foretell."""
    number = int.from_bytes(random(_ID_BYTES), "big")
    key_id = _digits(number, _ID_LETTERS, _ID_SIZE)
    secret = _digits(int.from_bytes(random(_SECRET_BYTES), "big"), _LETTERS, _SECRET_SIZE)
    body = f"{PREFIX}{key_id}_{secret}"
    return key_id, body + _checksum(body)


def id_of(key: str) -> str | None:
    """The id in a key; None where it has not the shape of one, or its checksum is wrong."""
    found = SHAPE.fullmatch(key)
    if found is None or _checksum(key[:-_SUM_SIZE]) != key[-_SUM_SIZE:]:
        return None
    return found[1]


def digest_of(key: str) -> bytes:
    """What is kept of a key: SHA-256."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(body: str) -> str:
    return _digits(zlib.crc32(body.encode()), _LETTERS, _SUM_SIZE)


def _digits(number: int, letters: str, size: int) -> str:
    """The number's last digits in the base of the letters; 43 of base 62 hold 256 bits."""
    out = []
    for _ in range(size):
        number, digit = divmod(number, len(letters))
        out.append(letters[digit])
    return "".join(reversed(out))
