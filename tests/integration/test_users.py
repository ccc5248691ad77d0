"""Every service as the Kafka user that Strimzi would make for it: with the least it is given the
chain works, and no more.
"""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs do not re-export them
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from tests.support.builders import request

from riskstream.domain.contracts.catalog import topics
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.workbench.local.kafka import KafkaCluster
from riskstream.workbench.local.redis import RedisServer
from riskstream.workbench.local.server import free_port
from riskstream.workbench.local.services import Service, start_service, wait_ready

HELD = yaml.safe_load(
    (Path(__file__).parents[2] / "deploy/helm/riskstream/files/topics.yaml").read_text()
)
_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
_PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


def _bindings(user: dict[str, Any]) -> list[AclBinding]:
    return [
        AclBinding(
            _KINDS[acl["resource"]["type"]],
            acl["resource"]["name"],
            _PATTERNS[acl["resource"]["patternType"]],
            f"User:{user['name']}",
            "*",
            _OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        for acl in user["acls"]
        for operation in acl["operations"]
    ]


def _env(name: str) -> dict[str, str]:
    return {
        "RISKSTREAM_KAFKA_PROTOCOL": "SASL_PLAINTEXT",
        "RISKSTREAM_KAFKA_MECHANISM": "PLAIN",
        "RISKSTREAM_KAFKA_USERNAME": name,
        "RISKSTREAM_KAFKA_PASSWORD": f"of-{name}",
    }


class Guarded:
    """The services, each as its own user; `plain` is Kafka for those who may do everything."""

    def __init__(self, folder: Path, model: Path, exits: ExitStack) -> None:
        names = [user["name"] for user in HELD["users"]]
        cluster = KafkaCluster(folder / "kafka", users={name: f"of-{name}" for name in names})
        cluster.start()
        exits.callback(cluster.stop)
        redis = RedisServer(folder / "redis")
        redis.start()
        exits.callback(redis.stop)
        self.plain, guarded = cluster.bootstrap, f"127.0.0.1:{cluster.guarded_ports[0]}"
        TopicAdmin(self.plain).apply(list(topics().values()), 2)
        admin = AdminClient({"bootstrap.servers": self.plain})
        bindings = [each for user in HELD["users"] for each in _bindings(user)]
        for binding in admin.create_acls(bindings).values():
            binding.result(10)
        while not set(bindings) <= set(_allowed(admin)):
            time.sleep(0.05)  # the broker learns of them from the controller a moment later
        self.gateway, self.reports = f"http://127.0.0.1:{free_port()}", folder / "reports"
        given = {
            "gateway": ("--auth", "none", "--port", self.gateway.rsplit(":", 1)[1]),
            "scorer": ("--redis", redis.url, "--model", str(model)),
            "tracker": (),
            "profiler": ("--redis", redis.url),
            "lag": ("--every-s", "1"),
            "reporter": ("--out", str(self.reports), "--every-s", "2", "--so-far", "true"),
        }
        self.services: dict[str, Service] = {}
        for name, more in given.items():
            service = start_service(
                name, folder / "logs", "--kafka", guarded, *more, env=_env(name)
            )
            exits.callback(service.server.stop)
            self.services[name] = service
        wait_ready(list(self.services.values()))


@pytest.fixture(scope="module")
def guarded(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with ExitStack() as exits:
        yield Guarded(tmp_path_factory.mktemp("users"), model, exits)


def _decide(guarded: Guarded, number: int) -> dict[str, Any]:
    body = json.dumps(
        request(
            transaction_id=f"u-{number}",
            customer_id=f"c-{number % 3}",
            terminal_id="t",
            device_id="d",
        )
    )
    asked = urllib.request.Request(
        f"{guarded.gateway}/v1/decisions?deadline_ms=5000",
        body.encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=15) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _count(guarded: Guarded, topic: str) -> int:
    with TopicReader(guarded.plain, [topic]) as reader:
        return sum(1 for _ in reader.until_end(20))


def test_the_chain_works_with_the_least_that_each_service_is_given(guarded: Guarded) -> None:
    decisions = [_decide(guarded, number) for number in range(6)]
    assert all(each["decision"] in ("APPROVE", "REVIEW", "BLOCK") for each in decisions)
    end = time.monotonic() + 60
    wanted = {
        "customer-risk.v1",
        "profile-events.v1",
        "profile-state.v1",
        "answers.v1",
        "risk-reports.v1",
    }
    while wanted and time.monotonic() < end:
        wanted = {topic for topic in wanted if not _count(guarded, topic)}
        time.sleep(0.5)
    assert not wanted
    assert list(guarded.reports.rglob("*.html"))
    logs = {
        name: service.server.log.read_text().lower() for name, service in guarded.services.items()
    }
    assert not [name for name, text in logs.items() if "authorization" in text]


def test_a_service_may_not_write_what_another_writes(guarded: Guarded) -> None:
    """The rules bind: without one of them a service says so and ends."""
    admin = AdminClient({"bootstrap.servers": guarded.plain})
    found = {
        (each.principal, each.name)
        for each in _allowed(admin)
        if each.operation == AclOperation.WRITE
    }
    assert ("User:tracker", "scores.v1") not in found
    assert ("User:scorer", "scores.v1") in found
    # schemas.v1: the schemas that it writes by; owners.v1: the base currency that it sums;
    # `reporter`: its transactions
    mine = {name for principal, name in found if principal == "User:reporter"}
    assert mine == {"risk-reports.v1", "report-totals.v1", "schemas.v1", "owners.v1", "reporter"}


def _allowed(admin: AdminClient) -> list[AclBinding]:
    anything: Any = None  # its stubs ask for texts
    every = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    found: list[AclBinding] = admin.describe_acls(every).result(10)
    return found
