"""A gateway that asks for keys, on a real Kafka."""

import asyncio
import base64
import json
import secrets
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import jwt
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa
from redis.asyncio import Redis
from tests.support.builders import request
from tests.support.protos import batch, transaction
from tests.support.rpc_server import method, stream

from riskstream.cli.keys import command
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.gateway.rpc.messages import message_class
from riskstream.platform.adapters.api_keys import id_of, make_key
from riskstream.platform.adapters.redis_buckets import RedisBuckets
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import put
from riskstream.runtime.errors import Retryable
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.server import free_port
from riskstream.workbench.local.services import start_service, wait_ready

IN_FORCE_S = 5.0


class Gateway:
    """A gateway of its own, that asks for keys."""

    def __init__(self, kafka: str, redis: str, folder: Path) -> None:
        self.kafka, port, self.rpc = kafka, free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._signer = rsa.generate_private_key(65_537, 2048)
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self._signer.public_key(), as_dict=True)
        (folder / "jwks.json").write_text(json.dumps({"keys": [{**jwk, "kid": "k"}]}))
        settings = {
            "auth": "required",
            "grpc-port": str(self.rpc),
            "redis": redis,
            "jwt-jwks": str(folder / "jwks.json"),
            "jwt-issuer": "https://login.example",
            "jwt-audience": "riskstream",
        }
        given = [each for name, value in settings.items() for each in (f"--{name}", value)]
        self.service = start_service(
            "gateway-auth", folder, "--kafka", kafka, "--port", str(port), *given
        )
        wait_ready([self.service])

    def token(self, **changes: object) -> str:
        claims = {
            "iss": "https://login.example",
            "aud": "riskstream",
            "sub": "payments",
            "exp": int(time.time()) + 60,
            "scope": "transactions:write",
            **changes,
        }
        return jwt.encode(claims, self._signer, "RS256", headers={"kid": "k"})

    def send(self, key: str | None, **changes: object) -> int:
        """The status of a transaction."""
        name = f"t-{secrets.token_hex(4)}"
        row = request(transaction_id=name, occurred_at=int(time.time() * 1000), **changes)
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        asked = urllib.request.Request(
            f"{self.url}/v1/transactions", json.dumps(row).encode(), headers
        )
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def until(self, key: str, status: int) -> None:
        """Return when a key is answered so; fails where that takes longer than is promised."""
        end = time.monotonic() + IN_FORCE_S
        while (found := self.send(key)) != status:
            assert time.monotonic() < end, found
            time.sleep(0.05)

    def run(self, *given: str) -> str:
        done = CliRunner().invoke(command, [*given, "--kafka", self.kafka])
        assert done.exception is None, done.output
        return done.stdout.strip()


@pytest.fixture(scope="module")
def gateway(bare: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    kafka = bare.stack.kafka
    TopicAdmin(kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)
    found = Gateway(kafka, bare.stack.redis, tmp_path_factory.mktemp("auth"))
    yield found
    found.service.server.stop()


def _sent(kafka: str) -> int:
    return sum(TopicAdmin(kafka).end_offsets("transactions.v1", DEFAULT_PARTITIONS))


def test_a_key_is_in_force_and_revoked_while_the_gateway_runs(gateway: Gateway) -> None:
    before = _sent(gateway.kafka)
    key = gateway.run("create", "payments", "--scope", "transactions:write")
    other = gateway.run("create", "back office", "--scope", "labels:write")
    assert gateway.send(None) == 401
    assert gateway.send(make_key(secrets.token_bytes)[1]) == 401
    gateway.until(other, 403)
    assert _sent(gateway.kafka) == before, "nothing of them reached Kafka"
    gateway.until(key, 202)
    gateway.run("revoke", str(id_of(key)))
    gateway.until(key, 401)
    sent = _sent(gateway.kafka)
    assert gateway.send(key) == 401
    assert _sent(gateway.kafka) == sent > before


def test_the_grpc_door_asks_for_the_same_keys_and_writes_to_kafka(gateway: Gateway) -> None:
    key = gateway.run("create", "stream", "--scope", "transactions:write")
    gateway.until(key, 202)
    before, now_ms = _sent(gateway.kafka), int(time.time() * 1000)
    rows = [request(transaction_id=f"g-{at}", occurred_at=now_ms) for at in range(300)]
    rows[7] = request(transaction_id="g-7", occurred_at=now_ms + 86_400_000)
    mine = [("authorization", f"Bearer {key}")]
    with grpc.insecure_channel(f"127.0.0.1:{gateway.rpc}") as channel:
        told = list(stream(channel)(iter([batch(1, rows), batch(2, rows[:2])]), metadata=mine))
        assert [(each.accepted, each.refused) for each in told] == [(299, 1), (2, 0)]
        assert told[0].receipts[7].problem.errors[0].code == "bad-time"
        assert len({each.offset for each in told[0].receipts}) > 1
        one = method(channel, "Accept", "Receipt")
        first, again = told[0].receipts[0], one(transaction(rows[0]), metadata=mine)
        for each in (again, told[1].receipts[0]):  # published once, whichever way it comes
            assert (each.replayed, each.partition) == (True, first.partition)
            assert each.offset == first.offset
        assert one(transaction(rows[7] | {"occurred_at": now_ms}), metadata=mine).replayed is False
        assert _sent(gateway.kafka) == before + 300
        asked = message_class("DecisionRequest")(transaction=transaction(rows[0]))
        decide = method(channel, "Decide", "DecisionReply")
        with pytest.raises(grpc.RpcError) as caught:
            decide(asked, metadata=mine)
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
        scopes = ("--scope", "decisions:write", "--scope", "decisions:read")
        other = gateway.run("create", "decider", *scopes)
        gateway.until(other, 403)
        theirs = [("x-api-key", other)]
        reply = decide(asked, metadata=theirs, timeout=5)
        assert (reply.transaction_id, list(reply.flags)) == ("g-0", ["no_score_in_time"])
        query = message_class("DecisionQuery")(transaction_id="g-0")
        looked_up = method(channel, "GetDecision", "DecisionReply")
        assert looked_up(query, metadata=theirs, timeout=5) == reply
        assert decide(asked, metadata=theirs, timeout=5).replayed


def test_an_unreadable_record_closes_its_key_alone(gateway: Gateway) -> None:
    key = gateway.run("create", "one", "--scope", "all")
    other = gateway.run("create", "two", "--scope", "all")
    gateway.until(key, 202)
    put(gateway.kafka, "api-keys.v1", str(id_of(key)).encode(), b"\xff" * 30)
    gateway.until(key, 401)
    assert gateway.send(other) == 202
    assert "refused" in gateway.run("list")
    metrics = urllib.request.urlopen(f"{gateway.service.telemetry}/metrics", timeout=5).read()
    assert b'riskstream_gateway_keys_refused{reason="unreadable"} 1.0' in metrics
    gateway.run("revoke", str(id_of(key)))
    assert "refused" not in gateway.run("list")


def test_a_token_lets_in_and_attacks_and_card_numbers_reach_nothing(gateway: Gateway) -> None:
    good = gateway.token()
    assert gateway.send(good) == 202
    before = _sent(gateway.kafka)
    head, claims, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k"}').rstrip(b"=").decode()
    for token in (
        f"{none}.{claims}.",
        f"{head}.{claims}.{'A' * len(signature)}",
        gateway.token(exp=int(time.time()) - 60),
        gateway.token(aud="another"),
        gateway.token(iss="https://evil.example"),
        jwt.encode({"sub": "x"}, "secret" * 8, "HS256", headers={"kid": "k"}),
    ):
        assert gateway.send(token) == 401
    assert gateway.send(gateway.token(scope="labels:write")) == 403
    assert gateway.send(good, customer_id="4111 1111 1111 1111") == 422
    assert _sent(gateway.kafka) == before
    log = gateway.service.server.log.read_text()
    assert "4111" not in log
    assert signature not in log


def test_a_key_with_a_rate_gets_429(gateway: Gateway) -> None:
    key = gateway.run("create", "slow", "--scope", "all", "--rate", "1", "--burst", "3")
    end = time.monotonic() + IN_FORCE_S
    while gateway.send(key) == 401:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert 429 in [gateway.send(key) for _ in range(30)]


def test_buckets_in_redis_are_shared_and_fill_again(bare: Chain) -> None:
    name = secrets.token_hex(4)

    async def take() -> None:
        one, other = (RedisBuckets(bare.stack.redis, timeout_ms=10_000) for _ in range(2))
        assert (await one.take(name, 1, 5, 3))[:2] == (3, 2)
        assert (await other.take(name, 1, 5, 3))[:2] == (2, 0)
        granted, left, wait_s = await one.take(name, 1, 5, 3)
        assert (granted, left) == (0, 0)
        assert 0 < wait_s <= 1
        await asyncio.sleep(wait_s + 0.01)
        assert (await other.take(name, 1, 5, 3))[0] == 1
        found = await asyncio.gather(*[one.take(f"{name}-2", 1, 20, 1) for _ in range(30)])
        assert 20 <= sum(granted for granted, _, _ in found) <= 21
        plain = Redis.from_url(bare.stack.redis)
        assert 0 < await plain.ttl(f"{{riskstream.limit}}:{name}") <= 6
        await plain.aclose()

    asyncio.run(take())


@pytest.mark.parametrize("accepts", [True, False])
def test_a_redis_that_is_away_or_silent_is_told_soon(accepts: bool) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if accepts:
            silent.listen()
        found = RedisBuckets(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout_ms=50)
        with pytest.raises(Retryable):
            asyncio.run(found.take("c", 1, 1, 1))
