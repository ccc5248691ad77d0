"""JSON web tokens (RFC 7519, best practice by RFC 8725): what one must be to let its caller in.

PyJWT checks signatures, by a key and an algorithm that we chose. Nothing in a token says where a
key comes from: jku, x5u, x5c and jwk are not looked at, a key id is only compared.
"""

import base64
import binascii
import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
from jwt.exceptions import PyJWTError

from riskstream.gateway.auth.caller import Caller
from riskstream.gateway.auth.jwks import FAMILIES, KeySet
from riskstream.gateway.auth.problems import bad_credentials
from riskstream.gateway.problem import busy
from riskstream.runtime.clock import Clock

MAX_CACHED = 10_000
"""Tokens that were right and need no signature check until they expire."""
_SHAPE = re.compile(r"([A-Za-z0-9_-]{1,2048})\.([A-Za-z0-9_-]{1,8192})\.([A-Za-z0-9_-]{1,2048})")
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
_MAX_NAME, _MAX_KEY_ID = 128, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What tokens must say. `algorithms` are those of FAMILIES that are taken."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    leeway_s: int = 10


class KeySource(Protocol):
    """The keys as they are, and a look for newer ones."""

    keys: KeySet
    version: int

    async def look_again(self) -> None: ...


class Tokens:
    """Finds the caller of a token. Problem where it is refused; it repeats nothing of the token."""

    def __init__(self, rules: TokenRules, source: KeySource, clock: Clock) -> None:
        assert set(rules.algorithms) <= FAMILIES.keys()
        self._rules, self._source, self._clock = rules, source, clock
        self._cached: dict[bytes, tuple[Caller, float]] = {}
        self._version = source.version

    def __len__(self) -> int:
        """Tokens that are remembered."""
        return len(self._cached)

    async def caller_of(self, token: str) -> Caller:
        now_s = self._clock.now_ms() / 1000
        if self._version != self._source.version:  # a key may be gone
            self._cached.clear()
            self._version = self._source.version
        name = hashlib.sha256(token.encode()).digest()
        known = self._cached.get(name)
        if known is not None:
            if now_s < known[1]:
                return known[0]
            del self._cached[name]
        caller, ends_s = await self._checked(token, now_s)
        if len(self._cached) >= MAX_CACHED:
            del self._cached[next(iter(self._cached))]
        self._cached[name] = caller, ends_s
        return caller

    async def _checked(self, token: str, now_s: float) -> tuple[Caller, float]:
        """The caller, and until when (s since 1970) the token lets it in."""
        found = _SHAPE.fullmatch(token)
        if found is None:
            raise bad_credentials("it is neither a key nor a token")
        header, claims = _object(found[1]), _object(found[2])
        algorithm, key_id = _header(header, self._rules)
        keys = self._source.keys.fitting(key_id, algorithm)
        if not keys:
            await self._source.look_again()
            if not self._source.version:
                raise busy("the keys of tokens are not known yet", "no-token-keys")
            keys = self._source.keys.fitting(key_id, algorithm)
        if not any(_is_signed(token, key, algorithm) for key in keys):
            raise bad_credentials("no known key has signed the token")
        ends_s = _check_claims(claims, self._rules, now_s)
        return _caller(claims), ends_s


def _is_signed(token: str, key: Any, algorithm: str) -> bool:
    try:
        jwt.api_jws.decode(token, key, algorithms=[algorithm])
    except (PyJWTError, ValueError, TypeError):
        return False
    return True


def _object(part: str) -> dict[str, Any]:
    """A part of a token. Problem where it is no JSON object, or has a member twice."""
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        found = json.loads(raw, object_pairs_hook=_once)
    except (binascii.Error, ValueError, RecursionError):
        raise bad_credentials("the token cannot be read, or says something twice") from None
    if not isinstance(found, dict):
        raise bad_credentials("the token cannot be read")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member appears twice")
    return found


def _header(header: dict[str, Any], rules: TokenRules) -> tuple[str, str | None]:
    """(algorithm, key id)."""
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in rules.algorithms:
        raise bad_credentials("the token is signed by an algorithm that is not taken here")
    if "crit" in header or "b64" in header:
        raise bad_credentials("the token asks for an extension that is not known here")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise bad_credentials("the token is of another type")
    if key_id is not None and (not isinstance(key_id, str) or len(key_id) > _MAX_KEY_ID):
        raise bad_credentials("the token names no key that could be known")
    return algorithm, key_id


def _check_claims(claims: dict[str, Any], rules: TokenRules, now_s: float) -> float:
    """Until when the claims hold, s since 1970. Problem where they do not."""
    ends_s, starts_s = _time(claims, "exp"), _time(claims, "nbf")
    issued_s = _time(claims, "iat")
    if ends_s is None:
        raise bad_credentials("the token does not say when it expires")
    if now_s >= ends_s + rules.leeway_s:
        raise bad_credentials("the token has expired")
    if any(each is not None and each > now_s + rules.leeway_s for each in (starts_s, issued_s)):
        raise bad_credentials("the token is not valid yet")
    if claims.get("iss") != rules.issuer:
        raise bad_credentials("the token is of another issuer")
    audience = claims.get("aud")
    if rules.audience not in (audience if isinstance(audience, list) else [audience]):
        raise bad_credentials("the token is for another audience")
    return ends_s + rules.leeway_s


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise bad_credentials(f"{name} of the token is no time")
    return value


def _caller(claims: dict[str, Any]) -> Caller:
    names = (claims.get(each) for each in ("sub", "client_id", "azp"))
    name = next((each for each in names if isinstance(each, str) and each), None)
    if name is None:
        raise bad_credentials("the token does not say whose it is")
    scopes: set[str] = set()
    for each in (claims.get("scope"), claims.get("scp")):
        found = each.split() if isinstance(each, str) else each
        if isinstance(found, list):
            scopes |= {one for one in found if isinstance(one, str)}
    short = name if len(name) <= _MAX_NAME else hashlib.sha256(name.encode()).hexdigest()
    return Caller(name=f"token:{short}", scopes=frozenset(scopes))
