"""Two gateways with a real Kafka and a real Redis: a transaction that comes again, to either."""

import asyncio
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.builders import request
from tests.support.shared_memory import SharedMemory

from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.gateway.once.known import Known, packed, pending
from riskstream.gateway.once.ports import Remembered
from riskstream.platform.adapters.redis_remembered import RedisRemembered
from riskstream.platform.adapters.remembered import Row
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.runtime.clock import ManualClock
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.redis import RedisServer
from riskstream.workbench.local.server import free_port
from riskstream.workbench.local.services import start_service, wait_ready

Answered = tuple[int, Any, bool]


class Two:
    """Two gateways with a Redis of their own, which the test may end."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.kafka, self.redis = kafka, RedisServer(folder / "redis")
        self.redis.start()
        self.ports = [free_port(), free_port()]
        given = ("--kafka", kafka, "--auth", "none", "--redis", self.redis.url)
        self.services = [
            start_service(f"gateway-{at}", folder, *given, "--port", str(port))
            for at, port in enumerate(self.ports)
        ]
        wait_ready(self.services)

    def ask(
        self, at: int, path: str, body: dict[str, Any] | None = None, key: str | None = None
    ) -> Answered:
        """(status, body, whether it is a replay) of one gateway."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.ports[at]}{path}", data, headers)
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                is_replayed = answer.headers["Idempotent-Replayed"] == "true"
                return answer.status, json.load(answer), is_replayed
        except urllib.error.HTTPError as error:
            return error.code, json.load(error), False

    def published(self) -> int:
        return sum(TopicAdmin(self.kafka).end_offsets("transactions.v1", DEFAULT_PARTITIONS))

    def close(self) -> None:
        for each in self.services:
            each.server.stop()
        self.redis.stop()


@pytest.fixture(scope="module")
def two(bare: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    TopicAdmin(bare.stack.kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)
    found = Two(bare.stack.kafka, tmp_path_factory.mktemp("once"))
    yield found
    found.close()


def _body(**changes: Any) -> dict[str, Any]:
    name = f"t-{secrets.token_hex(4)}"
    return request(transaction_id=name, occurred_at=int(time.time() * 1000), **changes)


def test_a_repeat_after_a_lost_answer_stands_where_the_first_stands(two: Two) -> None:
    body, key, before = _body(), secrets.token_hex(8), two.published()
    status, first, is_replayed = two.ask(0, "/v1/transactions", body, key)
    assert (status, is_replayed) == (202, False)
    for at in (0, 1):
        assert two.ask(at, "/v1/transactions", body, key) == (202, first, True)
        assert two.ask(at, "/v1/transactions", body) == (202, first, True)
        other = {**body, "amount_minor": 7}
        for given, code in ((key, "key-reused"), (None, "id-reused")):
            status, problem, _ = two.ask(at, "/v1/transactions", other, given)
            assert (status, problem["type"]) == (422, f"urn:riskstream:problem:{code}")
    status, many, _ = two.ask(1, "/v1/transactions:batch", [body, other, _body()])  # type: ignore[arg-type]
    assert [each["status"] for each in many["items"]] == [202, 422, 202]
    assert many["items"][0]["offset"] == first["offset"]
    assert two.published() == before + 2
    assert two.ask(0, "/v1/transactions", body, "not a key")[0] == 400


def test_a_decision_is_told_again_and_can_be_looked_up(two: Two) -> None:
    body, before = _body(), two.published()
    path = f"/v1/decisions/{body['transaction_id']}"
    assert two.ask(0, path)[0] == 404
    status, first, is_replayed = two.ask(0, "/v1/decisions?deadline_ms=300", body)
    assert (status, is_replayed, first["flags"]) == (200, False, ["no_score_in_time"])
    for at in (0, 1):
        assert two.ask(at, "/v1/decisions?deadline_ms=300", body) == (200, first, True)
        assert two.ask(at, path) == (200, first, False)
        assert two.ask(at, f"{path}?customer_id={body['customer_id']}")[1] == first
        assert two.ask(at, f"{path}?customer_id=other")[0] == 404
    assert two.published() == before + 1
    assert two.ask(1, "/v1/decisions?deadline_ms=300", {**body, "customer_id": "other"})[0] == 200
    status, problem, _ = two.ask(0, path)
    assert (status, problem["type"]) == (409, "urn:riskstream:problem:which-customer")


def test_the_store_in_redis_does_what_the_one_of_the_tests_does(two: Two) -> None:
    """Ours, theirs, other bodies, keys, ends; and many rows at once."""
    tag, made = secrets.token_bytes(8), packed(Known(1, (2, 3)))
    told = packed(Known(1, (2, 4), b"{}"))

    def row(name: int, body: int = 1, token: bytes = b"1" * 8, **given: Any) -> Row:
        return Row(tag + name.to_bytes(8, "big"), pending(body, token), **given)

    async def steps(store: Remembered) -> list[Any]:
        keyed: dict[str, Any] = {"key": tag + b"k" * 8, "print": b"12345678"}
        out: list[Any] = [
            await store.reserve([row(1), row(2, **keyed)], [5000, 5000]),
            await store.reserve([row(1, 2, b"2" * 8), row(1, 1, b"3" * 8)], [5000, 5000]),
            await store.reserve([row(3, **keyed | {"print": b"another1"})], [5000]),
        ]
        await store.settle([row(1, token=b"4" * 8, value=made)])
        out.append(await store.get(row(1).name))
        await store.settle([row(1, value=made), row(2, **keyed)])
        out += [
            await store.get(row(1).name),
            await store.get(row(2).name),
            await store.reserve([row(2, **keyed | {"print": b"another1"})], [5000]),
        ]
        await store.settle([row(1, value=told, id=tag + b"i" * 8)])
        out += [
            await store.with_id(tag + b"i" * 8),
            await store.get(row(1).name),
            await store.reserve([row(9)], [1]),
            await store.reserve([row(at) for at in range(100, 700)], [5000] * 600),
            await store.reserve([row(at) for at in range(50, 750)], [5000] * 700),
        ]
        return out

    fake = asyncio.run(steps(SharedMemory(ManualClock(), 60_000)))

    async def real() -> list[Any]:
        store = RedisRemembered(two.redis.url, 60_000, timeout_ms=5000)
        try:
            found = await steps(store)
            await asyncio.sleep(0.01)
            assert await store.get(row(9).name) is None, "it ends by itself"
            return found
        finally:
            await store.close()

    assert asyncio.run(real()) == fake


def test_without_redis_each_gateway_goes_by_what_it_remembers_itself(two: Two) -> None:
    body = _body()
    first = two.ask(0, "/v1/transactions", body)[1]
    two.redis.stop()
    assert two.ask(0, "/v1/transactions", body) == (202, first, True)
    assert two.ask(1, "/v1/transactions", body)[::2] == (202, False)
    assert two.ask(1, "/v1/transactions", body)[::2] == (202, True)
    with urllib.request.urlopen(two.services[1].telemetry + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    assert any(each.startswith("riskstream_gateway_once_local_total 1") for each in lines)
