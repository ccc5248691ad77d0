"""Who calls, and what each route asks of a caller. Pure."""

from dataclasses import dataclass

SCOPES = {
    "transactions:write": "send transactions",
    "decisions:write": "ask for decisions",
    "decisions:read": "look up decisions",
    "labels:write": "send labels",
    "registry:read": "read schemas",
}
"""Each scope, and what it allows."""
PUBLIC = {
    "/openapi.json": "openapi.json",
    "/docs": "docs.html",
    "/docs/page.css": "docs.css",
    "/docs/page.js": "docs.js",
}
"""Paths that ask nobody for a key, and the file of `gateway/pages/` that each serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`name`: bounded and without secrets, for logs and limits. `rate_per_s` and `burst` are 0
    where the gateway's settings say them.
    """

    name: str
    scopes: frozenset[str]
    rate_per_s: int = 0
    burst: int = 0


ANYBODY = Caller(name="anybody", scopes=frozenset(SCOPES))
"""Where no key is asked for."""


def scope_of(method: str, path: str) -> str | None:
    """The scope that a request needs; None of a path that no route has."""
    if path.startswith(("/subjects", "/schemas")):
        return "registry:read"
    if path.startswith(("/v1/transactions", "/v1/iso20022")):
        return "transactions:write"
    if path.startswith("/v1/labels"):
        return "labels:write"
    if path.startswith("/v1/decisions"):
        return "decisions:read" if method in ("GET", "HEAD") else "decisions:write"
    return None
