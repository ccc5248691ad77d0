"""Tokens of a real Keycloak at the gateway: who is let in, and who is not."""

import base64
import json
import secrets
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from loadtests.proof.keycloak import Keycloak
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.server import free_port
from riskstream.workbench.local.services import start_service, wait_ready

Found = tuple[Counter[str], list[str]]
SCOPE, OTHER_SCOPE, AUDIENCE = "transactions:write", "labels:write", "riskstream"
LEEWAY_S, REFRESH_S = 1, 2


def keycloak(folder: Path, model: Path, _seed: int) -> Found:
    """Good tokens are let in, over a change of keys and while Keycloak is down; others never."""
    server = Keycloak(folder / "keycloak")
    try:
        with Chain(folder / "chain", model, names=()) as chain:
            server.wait()
            return _Proof(server, chain, folder).run()
    finally:
        server.stop()


class _Proof:
    """A gateway that takes the tokens of realm `bank`, and what it answered."""

    def __init__(self, server: Keycloak, chain: Chain, folder: Path) -> None:
        self._server, self._kafka, port = server, chain.stack.kafka, free_port()
        self._counts, self._problems = Counter[str](), list[str]()
        self._url = f"http://127.0.0.1:{port}/v1/transactions"
        for realm in ("bank", "elsewhere"):
            server.realm(realm, (SCOPE, OTHER_SCOPE))
            server.client(realm, "payments", (SCOPE, OTHER_SCOPE), audience=AUDIENCE)
        server.client("bank", "brief", (SCOPE,), audience=AUDIENCE, life_s=2)
        server.client("bank", "stranger", (SCOPE,), audience="another-service")
        issuer = f"{server.url}/realms/bank"
        given = {
            "kafka": self._kafka,
            "port": str(port),
            "auth": "required",
            "jwt-jwks": f"{issuer}/protocol/openid-connect/certs",
            "jwt-issuer": issuer,
            "jwt-audience": AUDIENCE,
            "jwt-leeway-s": str(LEEWAY_S),
            "jwt-refresh-s": str(REFRESH_S),
        }
        words = [each for name, value in given.items() for each in (f"--{name}", value)]
        self._gateway = start_service("gateway-tokens", folder, *words)

    def run(self) -> Found:
        try:
            wait_ready([self._gateway])
            self._judge()
        finally:
            self._gateway.server.stop()
        with TopicReader(self._kafka, ["transactions.v1"]) as reader:
            self._counts["reached_kafka"] = sum(1 for _ in reader.until_end())
        if self._counts["reached_kafka"] != self._counts["let_in"]:
            self._problems.append(f"{self._counts['reached_kafka']} records reached Kafka")
        return self._counts, self._problems

    def _judge(self) -> None:
        token = self._server.token
        good, brief = token("bank", "payments", SCOPE), token("bank", "brief", SCOPE)
        self._expect(202, good, "a good token")
        self._expect(202, brief, "a brief token")
        self._expect(401, None, "no token")
        self._expect(403, token("bank", "payments"), "a token without scopes")
        self._expect(403, token("bank", "payments", OTHER_SCOPE), "a token with another scope")
        self._expect(401, token("bank", "stranger", SCOPE), "another audience")
        self._expect(401, token("elsewhere", "payments", SCOPE), "another realm")
        for what, forged in _forged(good).items():
            self._expect(401, forged, what)
        time.sleep(2 + LEEWAY_S + 1)
        self._expect(401, brief, "an expired token")
        self._server.rotate("bank")
        newer = token("bank", "payments", SCOPE)
        if _header(newer)["kid"] == _header(good)["kid"]:
            self._problems.append("the schedule did not hurt: the key is the same")
        time.sleep(2 * REFRESH_S)
        self._expect(202, newer, "a token of a new key")
        self._expect(202, good, "a token of the key before")
        self._server.forget_old_keys("bank")
        time.sleep(2 * REFRESH_S)
        self._expect(401, good, "a token of a key that was taken away")
        self._expect(202, newer, "a token of the key that is left")
        self._server.stop()
        time.sleep(2 * REFRESH_S)
        self._expect(202, newer, "a token while Keycloak is down")
        self._expect(401, good, "a key that was taken away, while Keycloak is down")

    def _expect(self, status: int, token: str | None, what: str) -> None:
        """Post a transaction, and count how it was answered."""
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        name = secrets.token_hex(4)
        row = {
            "transaction_id": name,
            "customer_id": f"c-{name}",
            "account_token": "tok",
            "channel": "ECOM",
            "kind": "PURCHASE",
            "amount_minor": 100,
            "currency": "EUR",
            "occurred_at": int(time.time() * 1000),
        }
        asked = urllib.request.Request(self._url, json.dumps(row).encode(), headers)
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                found = int(answer.status)
        except urllib.error.HTTPError as error:
            found = error.code
        self._counts["let_in" if found == 202 else "refused"] += 1
        if found != status:
            self._problems.append(f"{what} was answered {found}, not {status}")


def _header(token: str) -> dict[str, str]:
    part = token.split(".")[0]
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _forged(token: str) -> dict[str, str]:
    """What an attacker makes of a good token."""
    header, claims, signature = token.split(".")
    plain = {**_header(token), "alg": "none"}
    last = "A" if signature[10] != "A" else "B"
    return {
        "another signature": f"{header}.{claims}.{signature[:10]}{last}{signature[11:]}",
        "no signature": f"{header}.{claims}.",
        "alg none": f"{_part(plain)}.{claims}.",
        "alg HS256": f"{_part({**plain, 'alg': 'HS256'})}.{claims}.{signature}",
        "claims of its own": f"{header}.{_part({'scope': SCOPE})}.{signature}",
    }


def _part(value: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
