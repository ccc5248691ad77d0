"""Schemas that move on, by real processes: a registry that is away, a real registry, and a version
that was rolled back.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.builders import NOW_MS, frame, key_of, transaction
from tests.support.registry import FakeRegistry
from tests.support.tools import missing
from tests.support.world import World

from riskstream.cli.main import root
from riskstream.domain.contracts import writers
from riskstream.domain.contracts.catalog import contract, shipped, topics
from riskstream.domain.contracts.codec import Codec
from riskstream.platform.adapters.schema_registry import RegistrySettings, SchemaRegistry
from riskstream.platform.kafka.accepted import score_of
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.dead_letters import read_dead_letters
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.schemas import Lookups, TopicSchemas
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.downloads import registry_folder
from riskstream.workbench.local.kafka import Brokers
from riskstream.workbench.local.registry import RegistryServer
from riskstream.workbench.local.services import Service, wait_ready


def _newer_transaction() -> dict[str, Any]:
    schema = deepcopy(contract("transaction.v1").schema)
    schema["fields"].insert(
        2, {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}}
    )
    return schema


def _framed(schema_id: int, **changes: Any) -> bytes:
    schema = _newer_transaction()
    raw = Codec.of("transaction.v1", schema, [schema]).encode(
        {**transaction(**changes), "tags": {"a": "b"}}
    )
    return b"\0" + schema_id.to_bytes(4, "big") + raw[5:]


def _ids(key: bytes, n: int) -> dict[str, Any]:
    return {
        "customer_id": key.decode(),
        "transaction_id": f"{key.decode()}-{n}",
        "occurred_at": NOW_MS + n * 1000,
    }


def _until(seen: Callable[[], bool], what: str, deadline_s: float = 30.0) -> None:
    end = time.monotonic() + deadline_s
    while not seen():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture(scope="module")
def apart(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A stack of its own: scorers of other tests, which have no registry, would wait for the
    schemas of these records.
    """
    with Chain(
        tmp_path_factory.mktemp("schemas"),
        model,
        names=(),
        brokers=Brokers(session_timeout_ms=2000),
    ) as chain:
        yield chain


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


def test_a_partition_waits_while_the_registry_is_away_and_the_others_go_on(
    apart: Chain, fake: FakeRegistry
) -> None:
    world = World(apart)
    service = apart.start("scorer", {"RISKSTREAM_SCHEMA_REGISTRY_URL": fake.url})
    wait_ready([service])
    waiting, other = key_of(world.tag, 1), key_of(world.tag, 2)
    fake.put(90, _newer_transaction())
    fake.mode = "500"
    world.send(
        [
            (waiting, frame(**_ids(waiting, 0))),
            (waiting, _framed(90, **_ids(waiting, 1))),
            (waiting, frame(**_ids(waiting, 2))),
            (other, frame(**_ids(other, 0))),
        ]
    )
    assert {score.transaction_id for score in world.scores(2)} == {
        f"{waiting.decode()}-0",
        f"{other.decode()}-0",
    }
    _until(lambda: not service.is_ready(), "it says that it is ready")
    world.send([(other, frame(**_ids(other, 1)))])
    assert len(world.scores(3)) == 3
    assert not world.all_new("transactions.v1.dlq")
    assert service.server.is_running
    fake.mode = "well"
    found = world.accepted(5)
    mine = [score for record, score in found if record.partition == 1]
    assert [score.transaction_id for score in mine] == [f"{waiting.decode()}-{n}" for n in range(3)]
    assert {score.verdict for _, score in found} == {"GOOD"}
    _until(service.is_ready, "it is not ready")

    fake.put(91, {**contract("transaction.v1").schema, "name": "Payment"})
    world.send([(other, b"\0\0\0\0\x5c" + frame()[5:]), (other, b"\0\0\0\0\x5b" + frame()[5:])])
    reasons = {score.reason for score in world.scores(7) if score.verdict == "REJECTED"}
    assert reasons == {"unknown_schema", "incompatible_schema"}
    world.new("transactions.v1.dlq", 2)
    details = {
        each.reason: each.detail
        for each in read_dead_letters(world.kafka, "transactions.v1.dlq")
        if each.partition == 2
    }
    assert "schema id 92" in details["unknown_schema"]
    assert "record Payment is not Transaction" in details["incompatible_schema"]
    service.server.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    may_download = os.environ.get("RISKSTREAM_TEST_REGISTRY", "") == "download"
    installed = registry_folder(may_download=may_download)
    if installed is None:
        missing(
            "a real registry is missing (cache)",
            do="set RISKSTREAM_TEST_REGISTRY=download (142 MB)",
        )
    server = RegistryServer(installed, tmp_path_factory.mktemp("registry"))
    server.start()
    yield server
    server.stop()


def test_a_real_registrys_ids_are_read_and_written(
    apart: Chain, registry: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKSTREAM_SCHEMA_REGISTRY_URL", registry.url)
    done = CliRunner().invoke(root, ["contracts", "register"])
    assert done.exit_code == 0, done.output
    ids = {line.split()[1]: int(line.split()[0]) for line in done.output.splitlines()}
    assert ids["scores.v1-value"] != contract("score.v1").id
    client = SchemaRegistry(RegistrySettings(url=registry.url))
    newer = client.register("transactions.v1-value", _newer_transaction())
    assert client.fetch([newer, 999_999]).keys() == {newer}
    world = World(apart)
    output = "registry-scores.v1"  # of its own: who reads scores.v1 in other tests has no registry
    letters = f"{output}.dlq"  # both belong to this test's group alone
    mine = [("scores.v1", output), ("transactions.v1.dlq", letters)]
    world.admin.apply([replace(topics()[like], name=name) for like, name in mine], 4)
    env = {
        "RISKSTREAM_SCHEMA_REGISTRY_URL": registry.url,
        "RISKSTREAM_SCHEMA_REGISTRY_REGISTER": "true",
        "RISKSTREAM_SCORER_OUTPUT": output,
        "RISKSTREAM_SCORER_GROUP": "registry",
        "RISKSTREAM_SCORER_DEAD_LETTERS": letters,
    }
    service = apart.start("scorer", env)
    wait_ready([service])
    key = key_of(world.tag, 3)
    world.send(
        [
            (key, _framed(newer, **_ids(key, 0))),
            (key, b"\0\0\x0f\x42\x3f" + frame(**_ids(key, 1))[5:]),
        ]
    )
    writers.use(Lookups([client]))
    end = time.monotonic() + 30
    seen: list[Record] = []
    while len(seen) < 2 and time.monotonic() < end:
        with TopicReader(world.kafka, [output], committed_only=False) as reader:
            seen = [record for record in reader.until_end() if record.key == key]
    frames = [record.value or b"" for record in seen]
    assert {int.from_bytes(each[1:5], "big") for each in frames} == {ids["scores.v1-value"]}
    assert client.fetch([ids["scores.v1-value"]])
    _until(
        lambda: isinstance(writers.find(ids["scores.v1-value"]), dict),
        "the registry does not answer",
    )
    scores = [score_of(each) for each in seen]
    assert [score.verdict for score in scores] == ["GOOD", "REJECTED"]
    assert scores[1].reason == "unknown_schema"
    tailed = CliRunner().invoke(
        root, ["tail", "transactions.v1", "--kafka", world.kafka, "--key", key.decode(), "-n", "1"]
    )
    assert json.loads(tailed.output)["value"]["transaction_id"] == f"{key.decode()}-0"
    service.server.stop()


@pytest.fixture(scope="module")
def newer_version(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of a newer version of the product: a score has a field and a decision more."""
    folder = tmp_path_factory.mktemp("newer")
    checkout = shipped("schemas").parent
    for name in ("services", "schemas", "topics"):
        shutil.copytree(checkout / name, folder / name)
    path: Path = folder / "schemas" / "score.v1.avsc"
    schema = json.loads(path.read_text())
    schema["fields"].insert(3, {"name": "urgency", "type": "long", "default": 0, "doc": "New."})
    for field in schema["fields"]:
        if field["name"] == "decision":
            field["type"][-1]["symbols"].append("CHALLENGE")
    path.write_text(json.dumps(schema))
    return {"PYTHONPATH": str(folder / "services")}


def _stop(*services: Service) -> None:
    for each in services:
        each.server.stop()


def test_a_version_that_was_rolled_back_reads_what_the_newer_one_wrote(
    apart: Chain, newer_version: dict[str, str]
) -> None:
    """Without a registry: schemas.v1 tells. The newer scorer is killed, so that the older one must
    read its last scores.
    """
    world = World(apart)
    key = key_of(world.tag, 0)
    newer = apart.start("scorer", newer_version)
    tracker = apart.start("tracker")  # of this version, while the newer one scores
    wait_ready([newer, tracker])
    world.send([(key, frame(**_ids(key, n))) for n in range(30)])
    world.new("scores.v1", 30)
    ids = {
        int.from_bytes((record.value or b"")[1:5], "big") for record in world.all_new("scores.v1")
    }
    assert contract("score.v1").id not in ids
    os.kill(newer.server.pid, 9)
    older = apart.start("scorer")
    wait_ready([older])
    world.send([(key, frame(**_ids(key, n))) for n in range(30, 40)])
    writers.use(Lookups([TopicSchemas(world.kafka)]))
    _until(
        lambda: all(isinstance(writers.find(each), dict) for each in ids),
        "the newer schema was not published",
    )
    # what the tests before left in other partitions is rejected in the end, and has no id
    scores = world.scores(40, lambda score: score.transaction_id is not None)
    assert [score.transaction_id for score in scores] == [f"{key.decode()}-{n}" for n in range(40)]
    assert {score.verdict for score in scores} == {"GOOD"}
    world.wait_for_tracker()
    assert tracker.server.is_running
    assert tracker.is_ready()
    _stop(older, tracker, newer)
