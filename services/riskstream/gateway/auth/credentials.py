"""What a request says of who calls: one key or token, by one of two headers. Pure."""

from collections.abc import Iterable

from riskstream.gateway.auth.problems import bad_credentials

MAX_BYTES = 8192
"""Largest key or token."""


def credential_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key or token of Authorization: Bearer, or of X-API-Key; None where there is neither.

    Problem where there is more than one, which two readers could take differently, or it is none.
    """
    found = [value for name, value in headers if name in (b"authorization", b"x-api-key")]
    if not found:
        return None
    if len(found) > 1:
        raise bad_credentials("more than one key or token was sent; send one")
    [(name, value)] = [each for each in headers if each[0] in (b"authorization", b"x-api-key")]
    if len(value) > MAX_BYTES:
        raise bad_credentials(f"it has more than {MAX_BYTES:,} bytes")
    if not value.isascii():
        raise bad_credentials("it holds a character that is not ASCII")
    text = value.decode("ascii").strip()
    if name == b"x-api-key":
        return text
    scheme, _, credential = text.partition(" ")
    if scheme.lower() != "bearer":
        raise bad_credentials("the scheme of Authorization is not Bearer")
    return credential.strip()
