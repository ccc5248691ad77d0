"""The public keys that tokens are signed with: a JWK set (RFC 7517) of a file or an https URL.

A set that cannot be read changes nothing: the keys of the last one stay. Private and symmetric keys
are never used, whatever the set holds.
"""

import asyncio
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import AllowedPublicKeys, ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from riskstream.platform.telemetry.metrics import AccessMetrics
from riskstream.runtime.errors import Retryable

log = structlog.get_logger("tokens")
FAMILIES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Signatures that tokens may have, and the key type and curve of each. None has a shared secret."""
MAX_BYTES, MAX_KEYS = 262_144, 64
LOOK_AGAIN_S = 10.0
"""Least time between two reads of the set for an unknown key id."""
_FETCH_S, _WAIT_S = 5.0, 2.0
_LEAST_RSA_BITS = 2048
_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}


class KeySet:
    """Keys by id. ValueError where the text is no JWK set; unusable keys are left out."""

    def __init__(self, text: bytes = b'{"keys": []}') -> None:
        self._keys: list[tuple[dict[str, Any], AllowedPublicKeys]] = []
        self.left_out = 0
        for each in _keys_of(text):
            key = _key(each)
            if key is None:
                self.left_out += 1
            else:
                self._keys.append((each, key))

    def __len__(self) -> int:
        return len(self._keys)

    def fitting(self, key_id: str | None, algorithm: str) -> list[AllowedPublicKeys]:
        """Keys of that id that may sign so. Without an id: the key that may, if only one may."""
        kind = FAMILIES[algorithm]
        found = [
            key
            for said, key in self._keys
            if (said["kty"], said.get("crv", "")) == kind
            and said.get("alg", algorithm) == algorithm
            and (key_id is None or said.get("kid") == key_id)
        ]
        return found if key_id is not None or len(found) == 1 else []


def _keys_of(text: bytes) -> list[dict[str, Any]]:
    try:
        keys = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"it is no JWK set: {type(error).__name__}") from error
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise ValueError(f"it is no JWK set of at most {MAX_KEYS} keys")
    return [each for each in keys if isinstance(each, dict)]


def _key(said: dict[str, Any]) -> AllowedPublicKeys | None:
    """A public key for signatures; None where it is none, too short, or more than public."""
    if "d" in said or said.get("use", "sig") != "sig" or said.get("kty") not in _READERS:
        return None
    if "verify" not in said.get("key_ops", ["verify"]):
        return None
    try:
        key = _READERS[said["kty"]](said)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        return None
    return cast(AllowedPublicKeys, key)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect())


def read_source(source: str) -> bytes:
    """The text of a set. Retryable where it cannot be read, or is too large."""
    try:
        if is_url(source):
            with _OPENER.open(source, timeout=_FETCH_S) as answer:
                text = bytes(answer.read(MAX_BYTES + 1))
        else:
            text = Path(source).read_bytes()
    except (OSError, ValueError) as error:
        raise Retryable(what=f"the JWK set cannot be read: {error}", where=source) from error
    if len(text) > MAX_BYTES:
        raise Retryable(what=f"the JWK set has more than {MAX_BYTES:,} bytes", where=source)
    return text


def is_url(source: str) -> bool:
    return source.startswith(("https://", "http://"))


class LiveKeySet:
    """The set as it changes. `version` rises with each change, so that what rests on a key that is
    gone can be forgotten.
    """

    def __init__(
        self,
        source: str,
        metrics: AccessMetrics,
        read: Callable[[str], bytes] = read_source,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._metrics, self._read, self._clock = source, metrics, read, clock
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._text, self._asked_at = b"", -LOOK_AGAIN_S
        self._asked: asyncio.Future[None] | None = None
        self._is_told = False
        self.keys, self.version = KeySet(), 0

    @property
    def is_known(self) -> bool:
        """True once a set was read."""
        return self.version > 0

    def refresh(self) -> None:
        """Read the set again; where that fails the old one stays: counted, and told once."""
        with self._lock:
            try:
                text = self._read(self._source)
                keys = KeySet(text) if text != self._text else self.keys
            except (Retryable, ValueError) as error:
                self._metrics.token_keys_errors.inc()
                if not self._is_told:
                    log.error(
                        "the keys of tokens cannot be read", why=str(error), do="see jwt_jwks"
                    )
                self._is_told = True
                return
            self._is_told = False
            if text != self._text:
                self.keys, self._text, self.version = keys, text, self.version + 1
                self._metrics.token_keys.set(len(keys))
                log.info("keys of tokens", usable=len(keys), left_out=keys.left_out)

    async def look_again(self) -> None:
        """Read the set for an unknown key id, every 10 s at most; return within 2 s."""
        now = self._clock()
        if now - self._asked_at >= LOOK_AGAIN_S:
            self._asked_at = now
            self._asked = asyncio.get_running_loop().run_in_executor(None, self.refresh)
        if self._asked is not None and not self._asked.done():
            await asyncio.wait([self._asked], timeout=_WAIT_S)

    def follow(self, every_s: float) -> Callable[[], None]:
        """Read it now, and from time to time on a thread; what ends that."""
        self.refresh()

        def run() -> None:
            while not self._stop.wait(every_s if self.is_known else LOOK_AGAIN_S):
                self.refresh()

        thread = threading.Thread(target=run, name="jwks", daemon=True)
        thread.start()
        return self._stop.set
