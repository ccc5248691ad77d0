"""Tokens by a JWK set: who they let in, and every attack that we know of."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from prometheus_client import CollectorRegistry
from tests.support.guarded import Guarded

from riskstream.gateway.auth import tokens as tokens_module
from riskstream.gateway.auth.caller import SCOPES
from riskstream.gateway.auth.jwks import LOOK_AGAIN_S, KeySet, LiveKeySet
from riskstream.gateway.auth.tokens import TokenRules, Tokens
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import AccessMetrics
from riskstream.runtime.errors import Retryable

NOW_S = 1_717_236_000
ISSUER, AUDIENCE = "https://login.example/realms/bank", "riskstream"
RSA_KEY = rsa.generate_private_key(65_537, 2048)
OTHER_KEY = rsa.generate_private_key(65_537, 2048)
SHORT_KEY = rsa.generate_private_key(65_537, 1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "payments",
    "exp": NOW_S + 300,
    "scope": "openid transactions:write",
}


def _jwk(key: Any, key_id: str, **more: Any) -> dict[str, Any]:
    kind = jwt.algorithms.ECAlgorithm if key is EC_KEY else jwt.algorithms.RSAAlgorithm
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", **more}


def _set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


SET = _set(_jwk(RSA_KEY, "rsa-1"), _jwk(EC_KEY, "ec-1"))


class Issuer:
    """A guard that takes tokens, with its JWK set and how often that was read."""

    def __init__(self, algorithms: str = "RS256,PS256,ES256") -> None:
        self.text, self.reads, self.now, self.registry = SET, 0, 0.0, CollectorRegistry()
        self.source = LiveKeySet(
            "a set", AccessMetrics(self.registry), self._read, lambda: self.now
        )
        self.source.refresh()
        self.guarded = Guarded()
        rules = TokenRules(
            issuer=ISSUER, audience=AUDIENCE, algorithms=tuple(algorithms.split(","))
        )
        self.tokens = Tokens(rules, self.source, self.guarded.clock)
        self.guarded.access._tokens = self.tokens

    def _read(self, _: str) -> bytes:
        self.reads += 1
        if not self.text:
            raise Retryable(what="away", where="a set")
        return self.text


def _signed(
    key: Any = RSA_KEY, alg: str = "RS256", kid: str | None = "rsa-1", **changes: Any
) -> str:
    claims = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return jwt.encode(claims, key, alg, headers={} if kid is None else {"kid": kid})


def _part(value: bytes | dict[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _by_hand(header: bytes | dict[str, Any], claims: bytes | dict[str, Any] = GOOD) -> str:
    """Signed by the right key, whatever the header and the claims say."""
    body = f"{_part(header)}.{_part(claims)}"
    signer = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    return f"{body}.{_part(signer.sign(body.encode(), RSA_KEY))}"


def _hmac(secret: bytes, **header: Any) -> str:
    body = f"{_part({'alg': 'HS256', 'kid': 'rsa-1', **header})}.{_part(GOOD)}"
    return f"{body}.{_part(hmac.digest(secret, body.encode(), hashlib.sha256))}"


PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
HEADER = {"alg": "RS256", "kid": "rsa-1"}
ATTACKS: dict[str, Callable[[], str]] = {
    "alg none": lambda: f"{_part({'alg': 'none', 'kid': 'rsa-1'})}.{_part(GOOD)}.",
    "alg none with a signature": lambda: _by_hand({"alg": "none", "kid": "rsa-1"}),
    "alg None, in capitals": lambda: _by_hand({"alg": "NONE", "kid": "rsa-1"}),
    "no alg": lambda: _by_hand({"kid": "rsa-1"}),
    "alg no text": lambda: _by_hand({"alg": ["RS256"], "kid": "rsa-1"}),
    "HS256 by the public key as PEM": lambda: _hmac(PEM),
    "HS256 by the public key as JWK": lambda: _hmac(json.dumps(_jwk(RSA_KEY, "rsa-1")).encode()),
    "HS256 by nothing": lambda: _hmac(b""),
    "an algorithm that is not pinned": lambda: _signed(alg="RS512"),
    "RSA's key for EC": lambda: _signed(EC_KEY, "ES256", "rsa-1"),
    "EC's key for RSA": lambda: _signed(kid="ec-1"),
    "another key": lambda: _signed(OTHER_KEY),
    "expired": lambda: _signed(exp=NOW_S - 11),
    "never expires": lambda: _signed(exp=None),
    "expires at no time": lambda: _signed(exp="tomorrow"),
    "expires at NaN": lambda: _by_hand(HEADER, json.dumps({**GOOD, "exp": float("nan")}).encode()),
    "expires at infinity": lambda: _by_hand(
        HEADER, json.dumps({**GOOD, "exp": float("inf")}).encode()
    ),
    "expires at true": lambda: _by_hand(HEADER, {**GOOD, "exp": True}),
    "not valid yet": lambda: _signed(nbf=NOW_S + 11),
    "issued tomorrow": lambda: _signed(iat=NOW_S + 86_400),
    "another audience": lambda: _signed(aud="another"),
    "other audiences": lambda: _signed(aud=["another", "riskstream2"]),
    "no audience": lambda: _signed(aud=None),
    "another issuer": lambda: _signed(iss="https://evil.example"),
    "an issuer that begins alike": lambda: _signed(iss=ISSUER + ".evil.example"),
    "no issuer": lambda: _signed(iss=None),
    "issuers": lambda: _by_hand(HEADER, {**GOOD, "iss": [ISSUER]}),
    "nobody's": lambda: _signed(sub=None),
    "a path as kid": lambda: _signed(kid="../../../../dev/null"),
    "a URL as kid": lambda: _signed(kid="https://evil.example/key"),
    "SQL as kid": lambda: _signed(kid="' UNION SELECT 'rsa-1"),
    "a command as kid": lambda: _signed(kid="rsa-1; cat /etc/passwd"),
    "a long kid": lambda: _signed(kid="k" * 300),
    "kid no text": lambda: _by_hand({"alg": "RS256", "kid": {"a": 1}}),
    "no kid by another key": lambda: _signed(OTHER_KEY, kid=None),
    "its own key as jwk": lambda: jwt.encode(
        GOOD, OTHER_KEY, "RS256", headers={"jwk": _jwk(OTHER_KEY, "rsa-1"), "kid": "rsa-1"}
    ),
    "its own key by jku": lambda: jwt.encode(
        GOOD, OTHER_KEY, "RS256", headers={"jku": "https://evil.example/jwks", "kid": "evil"}
    ),
    "its own key by x5u": lambda: jwt.encode(
        GOOD, OTHER_KEY, "RS256", headers={"x5u": "file:///etc/passwd", "kid": "rsa-1"}
    ),
    "a critical header": lambda: _by_hand({**HEADER, "crit": ["exp"], "exp": 1}),
    "an empty critical header": lambda: _by_hand({**HEADER, "crit": []}),
    "a payload that is not encoded": lambda: _by_hand({**HEADER, "b64": False}),
    "another type": lambda: _by_hand({**HEADER, "typ": "dpop+jwt"}),
    "a claim twice": lambda: _by_hand(
        HEADER, json.dumps(GOOD).encode()[:-1] + b', "sub": "admin"}'
    ),
    "an escaped claim twice": lambda: _by_hand(
        HEADER, json.dumps(GOOD).encode()[:-1] + b', "\\u0073cope": "labels:write"}'
    ),
    "an inner claim twice": lambda: _by_hand(
        HEADER, json.dumps(GOOD).encode()[:-1] + b', "a": {"b": 1, "b": 2}}'
    ),
    "alg twice": lambda: _by_hand(b'{"alg": "RS256", "alg": "none", "kid": "rsa-1"}'),
    "claims no object": lambda: _by_hand(HEADER, b"[1]"),
    "claims no JSON": lambda: _by_hand(HEADER, b"\xff"),
    "deep claims": lambda: _by_hand(HEADER, b'{"a":' + b"[" * 6000),
    "header no object": lambda: _by_hand(b'"RS256"'),
    "oversized": lambda: _signed(more="x" * 20_000),
    "a changed payload": lambda: ".".join(
        [(parts := _signed().split("."))[0], _part({**GOOD, "sub": "admin"}), parts[2]]
    ),
    "no signature": lambda: _signed().rpartition(".")[0] + ".",
    "two parts": lambda: _signed().rpartition(".")[0],
    "five parts, as encrypted": lambda: _signed() + ".a.b",
    "padded": lambda: _signed() + "=",
    "a line end": lambda: _signed() + "%0a",
    "nothing": lambda: "..",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_401_and_reaches_no_route(name: str) -> None:
    issuer, token = Issuer(), ATTACKS[name]()
    found = issuer.guarded.by(token)
    assert (found.status, found.body["type"]) == (401, "urn:riskstream:problem:bad-credentials")
    assert found.headers["content-type"] == "application/problem+json"
    assert 'error="invalid_token"' in found.headers["www-authenticate"]
    assert issuer.guarded.reached == []
    assert len(issuer.tokens) == 0
    assert all(part not in str(found) for part in token.split(".") if len(part) > 8)


@pytest.mark.parametrize(
    "make",
    [
        _signed,
        lambda: _signed(EC_KEY, "ES256", "ec-1"),
        lambda: _signed(EC_KEY, "ES256", None),
        lambda: _signed(alg="PS256"),
        lambda: _signed(aud=["another", AUDIENCE]),
        lambda: _signed(exp=NOW_S - 9),
        lambda: _signed(nbf=NOW_S + 9, iat=NOW_S),
        lambda: _signed(scope=None, scp=["transactions:write"]),
        lambda: _signed(scope=None, scp="labels:write transactions:write"),
        lambda: _by_hand({**HEADER, "typ": "at+jwt", "x5t": "AAAA"}),
    ],
)
def test_a_token_lets_in_for_its_scopes_alone(make: Callable[[], str]) -> None:
    issuer, token = Issuer(), make()
    assert issuer.guarded.by(token).status == 200
    assert issuer.guarded.by(token).status == 200
    assert issuer.guarded.by(token, "/v1/decisions").status == 403
    assert issuer.guarded.reached == [("/v1/transactions", "token:payments")] * 2
    assert len(issuer.tokens) == 1
    assert issuer.guarded.by(issuer.guarded.keys.make(*SCOPES)).status == 200, "keys go on"


@pytest.mark.parametrize(
    "scope", [{"transactions:write": 1}, [["transactions:write"]], 5, "transactions:writes", None]
)
def test_a_scope_that_is_none_grants_nothing(scope: Any) -> None:
    assert Issuer().guarded.by(_by_hand(HEADER, {**GOOD, "scope": scope})).status == 403


def test_a_token_that_is_remembered_expires_all_the_same() -> None:
    issuer, token = Issuer(), _signed()
    assert issuer.guarded.by(token).status == 200
    issuer.guarded.clock.advance(310_000)
    assert issuer.guarded.by(token).body["detail"] == "the token has expired"
    assert len(issuer.tokens) == 0


def test_as_many_tokens_are_remembered_as_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "MAX_CACHED", 3)
    issuer = Issuer()
    for number in range(5):
        assert issuer.guarded.by(_signed(sub=f"c-{number}")).status == 200
    assert len(issuer.tokens) == 3


def test_a_key_that_is_gone_takes_its_tokens_along() -> None:
    issuer, token = Issuer(), _signed()
    assert issuer.guarded.by(token).status == 200
    issuer.text = _set(_jwk(EC_KEY, "ec-1"))
    issuer.source.refresh()
    assert issuer.guarded.by(token).status == 401


def test_an_unknown_key_id_reads_the_set_again_at_most_every_10_s() -> None:
    issuer = Issuer()
    token = _signed(OTHER_KEY, kid="rsa-2")
    assert issuer.guarded.by(token).status == 401
    assert issuer.reads == 2
    issuer.text = _set(_jwk(OTHER_KEY, "rsa-2"))
    for _ in range(20):
        assert issuer.guarded.by(token).status == 401
    assert issuer.reads == 2
    issuer.now += LOOK_AGAIN_S
    assert issuer.guarded.by(token).status == 200, "the request that asks waits for the new key"
    assert issuer.reads == 3


def test_a_set_that_cannot_be_read_leaves_the_old_one() -> None:
    issuer = Issuer()
    for text in (b"", b"[]", b'{"keys": 5}', b"\xff", b'{"keys":' + b"[" * 9000):
        issuer.text = text
        issuer.source.refresh()
        assert issuer.guarded.by(_signed()).status == 200
    assert issuer.registry.get_sample_value("riskstream_gateway_token_keys_errors_total") == 5


def test_without_a_set_tokens_have_to_wait_and_keys_do_not() -> None:
    issuer = Issuer()
    issuer.source.keys, issuer.source.version = KeySet(), 0
    issuer.text = b""
    found = issuer.guarded.by(_signed())
    assert (found.status, found.body["type"]) == (503, "urn:riskstream:problem:no-token-keys")
    assert found.headers["retry-after"] == "1"
    assert issuer.guarded.by(issuer.guarded.keys.make(*SCOPES)).status == 200
    assert len(issuer.guarded.reached) == 1


def test_keys_that_may_not_check_signatures_are_left_out() -> None:
    private = jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True)
    found = KeySet(
        _set(
            {**private, "kid": "private"},
            {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
            _jwk(RSA_KEY, "for encryption", use="enc"),
            _jwk(RSA_KEY, "to sign", key_ops=["sign"]),
            _jwk(SHORT_KEY, "short"),
            {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "broken"},
            {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "off the curve"},
            _jwk(RSA_KEY, "another alg", alg="RS512"),
            _jwk(RSA_KEY, "good"),
        )
    )
    assert (len(found), found.left_out) == (2, 7)
    assert found.fitting("another alg", "RS256") == []
    assert len(found.fitting("good", "RS256")) == 1
    with pytest.raises(ValueError, match="at most 64 keys"):
        KeySet(_set(*[_jwk(RSA_KEY, str(each)) for each in range(65)]))


@pytest.fixture
def server() -> Iterator[Callable[[int, bytes, str], str]]:
    """Makes a server that answers so; gives its URL."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    started = []

    def start(status: int, body: bytes, location: str) -> str:
        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        found = HTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=found.serve_forever, daemon=True).start()
        started.append(found)
        return f"http://127.0.0.1:{found.server_port}/jwks"

    yield start
    for each in started:
        each.shutdown()
        each.server_close()


def test_a_set_comes_from_a_url_and_no_redirect_is_followed(
    server: Callable[[int, bytes, str], str], tmp_path: Path
) -> None:
    url = server(200, SET, "")
    source = LiveKeySet(url, AccessMetrics(CollectorRegistry()))
    source.refresh()
    assert len(source.keys) == 2
    (tmp_path / "evil.json").write_bytes(SET)
    for target in (url, (tmp_path / "evil.json").as_uri()):
        moved = LiveKeySet(server(302, b"", target), AccessMetrics(CollectorRegistry()))
        moved.refresh()
        assert not moved.is_known
    large = LiveKeySet(server(200, SET + b" " * 262_144, ""), AccessMetrics(CollectorRegistry()))
    large.refresh()
    assert not large.is_known


def test_a_set_is_read_from_a_file_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(SET)
    source = LiveKeySet(str(path), AccessMetrics(CollectorRegistry()))
    stop = source.follow(0.01)
    path.write_bytes(_set(_jwk(RSA_KEY, "rsa-1")))

    async def until() -> None:
        async with asyncio.timeout(10):
            while len(source.keys) != 1:
                await asyncio.sleep(0.01)

    asyncio.run(until())
    stop()


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"jwt_jwks": "http://login.example/jwks"}, "could change the keys"),
        ({"jwt_jwks": "ftp://login.example/jwks"}, "neither an https URL nor a file"),
        ({"jwt_algorithms": "RS256,HS256"}, "'HS256' is not one of"),
        ({"jwt_algorithms": "none"}, "'none' is not one of"),
        ({"jwt_algorithms": ""}, "is not one of"),
    ],
)
def test_settings_that_would_open_the_door_are_refused(given: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        GatewaySettings(**given)


def test_a_set_without_issuer_or_audience_is_refused() -> None:
    found = GatewaySettings(jwt_jwks="https://login.example/jwks", jwt_issuer=ISSUER)
    assert [what for what, _ in found.contradictions()] == [
        "jwt_jwks is given without jwt_issuer or jwt_audience"
    ]
