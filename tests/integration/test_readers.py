"""Who reads our topics: Confluent's own deserializer, kcat, the examples, the command line."""

import io
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from click.testing import CliRunner
from tests.support.builders import frame
from tests.support.tools import tool
from tests.support.world import World

from riskstream.cli.main import root

ROOT = Path(__file__).resolve().parents[2]


def _send(world: World, count: int = 5) -> str:
    customer = f"r-{world.tag}"
    world.send(
        [
            (customer.encode(), frame(customer_id=customer, transaction_id=f"{world.tag}-{n}"))
            for n in range(count)
        ]
    )
    world.scores(count)
    return customer


def _cli(*arguments: str) -> list[str]:
    done = CliRunner().invoke(root, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output.splitlines()


def test_confluents_deserializer_reads_scores_by_the_gateways_registry(world: World) -> None:
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    customer = _send(world)
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": world.chain.gateway}))
    records = world.new("scores.v1", 5, lambda record: record.key == customer.encode())
    for record in records:
        value = deserialize(record.value, SerializationContext("scores.v1", MessageField.VALUE))
        assert value["customer_id"] == customer
        assert value["decision"] in ("APPROVE", "REVIEW", "BLOCK")


def test_kcat_reads_scores_and_the_gateways_schema_decodes_them(world: World) -> None:
    """With Avro where this kcat was built with it (Debian's is not); else its raw bytes by the
    registry's schema.
    """
    kcat = tool("kcat", "kafkacat", package="kcat")
    customer = _send(world)
    common = [kcat, "-b", world.kafka, "-C", "-t", "scores.v1", "-e", "-q"]
    done = subprocess.run(
        [*common, "-s", "value=avro", "-r", world.chain.gateway],
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 0:
        values = [json.loads(line) for line in done.stdout.splitlines()]
    else:
        assert b"lacks Avro" in done.stderr
        raw = subprocess.run(
            [*common, "-f", "%R%s"], capture_output=True, timeout=60, check=True
        ).stdout
        values = list(_by_the_registry(world, raw))
    mine = [value for value in values if value["customer_id"] == customer]
    assert [value["verdict"] for value in mine] == ["GOOD"] * 5


def _by_the_registry(world: World, raw: bytes) -> Iterator[dict[str, Any]]:
    """Values of length-prefixed frames, decoded by nothing but what the gateway's registry API
    says.
    """
    schemas: dict[int, Any] = {}
    at = 0
    while at < len(raw):
        size, magic, known = struct.unpack_from(">ibI", raw, at)
        assert magic == 0
        if known not in schemas:
            schemas[known] = fastavro.parse_schema(
                json.loads(world.get(f"/schemas/ids/{known}")[2]["schema"])
            )
        value = fastavro.schemaless_reader(
            io.BytesIO(raw[at + 9 : at + 4 + size]), schemas[known], None
        )
        assert isinstance(value, dict)
        yield value
        at += 4 + size


def test_the_examples_produce_and_consume(world: World) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "services")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/produce.py"), world.kafka],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "not delivered: 0"), done.stderr
    assert sum(score.customer_id == "example-customer" for score in world.scores(10)) == 10
    _raise_an_alert(world)
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/consume_alerts.py"), world.kafka, "1"],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in ("REVIEW", "BLOCK")
    last = _cli(
        "tail", "alerts.v1", "--kafka", world.kafka, "--from", "-1"
    )  # behind each stands a transaction's marker
    assert 1 <= len(last) <= 4


def _raise_an_alert(world: World) -> None:
    """Card testing: tiny amounts in a burst, until the model takes notice."""
    now = int(time.time() * 1000)
    customer = f"burst-{world.tag}"
    rows: list[tuple[bytes | None, bytes | None]] = [
        (
            customer.encode(),
            frame(
                customer_id=customer,
                transaction_id=f"{world.tag}-b{n}",
                amount_minor=100 + n,
                base_amount_minor=100 + n,
                channel="ECOM",
                occurred_at=now - 600_000 + n * 2000,
            ),
        )
        for n in range(120)
    ]
    world.send(rows)
    world.new("alerts.v1", 1)


def test_tail_prints_decoded_json(world: World) -> None:
    customer = _send(world)
    lines = [
        json.loads(line)
        for line in _cli("tail", "scores.v1", "--kafka", world.kafka, "--key", customer)
    ]
    assert len(lines) == 5
    assert {line["value"]["customer_id"] for line in lines} == {customer}
    assert lines[0]["contract"] == "score.v1"
    assert (
        len(_cli("tail", "scores.v1", "--kafka", world.kafka, "--key", customer, "--limit", "2"))
        == 2
    )
    last = [
        json.loads(line)
        for line in _cli("tail", "transactions.v1", "--kafka", world.kafka, "--from", "-1")
    ]
    assert len({line["partition"] for line in last}) == len(last) <= 4
    assert _cli("tail", "transactions.v1", "--kafka", world.kafka, "--from", "end") == []


def test_tail_shows_a_dead_letter_as_it_is(world: World) -> None:
    world.send([(b"k", b"hello")])
    world.new("transactions.v1.dlq", 1)
    shown = [
        json.loads(line)
        for line in _cli("tail", "transactions.v1.dlq", "--kafka", world.kafka, "--key", "k")
    ][-1]
    assert shown["not_a_record"].startswith("bad_magic")
    assert shown["base64"] == "aGVsbG8="
    assert shown["headers"]["riskstream-reason"] == "bad_magic"


def test_lag_is_nothing_when_all_is_done(world: World) -> None:
    _send(world)
    world.wait_for_tracker()
    rows = [
        json.loads(line)
        for line in _cli(
            "lag", "--kafka", world.kafka, "--json", "--group", "tracker", "--group", "scorer"
        )
    ]
    assert {(row["group"], row["topic"]) for row in rows} == {
        ("tracker", "scores.v1"),
        ("scorer", "transactions.v1"),
    }
    assert {row["events"] for row in rows if row["group"] == "tracker"} == {0}


@pytest.mark.parametrize(
    "arguments",
    [
        ("tail", "nope"),
        ("lag", "--group", "nope"),
        ("tail", "scores.v1", "--from", "yesterday"),
        ("report", "show", "nope"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_exit_code_2(
    world: World, arguments: tuple[str, ...]
) -> None:
    kafka = () if arguments[0] == "report" else ("--kafka", world.kafka)
    done = subprocess.run(
        [sys.executable, "-c", "from riskstream.cli.main import main; main()", *arguments, *kafka],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "nope" in done.stderr or "yesterday" in done.stderr


def test_a_broker_that_is_away_is_one_sentence() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from riskstream.cli.main import main; main()",
            "lag",
            "--kafka",
            "127.0.0.1:1",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 75)
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
