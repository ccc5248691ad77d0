"""A request's headers to the scope of ASGI, or the Problem with them. Pure."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from riskstream.gateway.problem import Problem
from riskstream.gateway.refusals import headers_too_large, malformed, target_too_long

Header = tuple[bytes, bytes]
_OVERHEAD = 32
"""Bytes that RFC 9113 counts a header beside its name and value."""


def scope_of(
    given: Iterable[Header], common: dict[str, Any], max_head_bytes: int
) -> tuple[dict[str, Any], Problem | None]:
    """The scope, `common` with what the headers say of the request. Where there is a problem, the
    scope is good for nothing but its method.
    """
    pseudo: dict[bytes, bytes] = {}
    headers: list[Header] = []
    size = 0
    for name, value in given:
        size += len(name) + len(value) + _OVERHEAD
        if name[:1] == b":":
            pseudo[name] = value
        else:
            headers.append((name, value))
    if b":authority" in pseudo and all(name != b"host" for name, _ in headers):
        headers.insert(0, (b"host", pseudo[b":authority"]))
    raw_path, _, query = pseudo.get(b":path", b"").partition(b"?")
    scope = {
        **common,
        "method": pseudo.get(b":method", b"GET").decode("latin-1"),
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query,
        "headers": headers,
    }
    problem = None
    if len(raw_path) + len(query) > max_head_bytes:
        problem = target_too_long(max_head_bytes)
    elif size > max_head_bytes:
        problem = headers_too_large(max_head_bytes)
    elif not raw_path.startswith(b"/") and raw_path != b"*":
        problem = malformed("the target is no path")
    elif not (raw_path + query).isascii():
        problem = malformed("the target holds a byte that is not ASCII")
    return scope, problem


def expects_word(headers: Iterable[Header]) -> bool:
    """Whether the client waits for 100 before it sends its body."""
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)
