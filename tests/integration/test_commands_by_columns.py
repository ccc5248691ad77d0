"""`rebuild` and `parity` read hostile topics as columns, and find the same by compiled calls, by
Python's, and where the compiled client is not as it should be.
"""

import _ctypes
from collections.abc import Callable
from typing import Any

import confluent_kafka
import pytest
import redis
from click.testing import CliRunner
from confluent_kafka import Producer
from structlog.testing import capture_logs
from tests.support.builders import frame, rows
from tests.support.own_topics import PARTITIONS, OwnTopics, wait_until
from tests.support.poison import poisons

from riskstream.cli.parity import command as parity
from riskstream.cli.rebuild import command as rebuild
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters import redis_home
from riskstream.platform.kafka.clients.client import producer
from riskstream.platform.kafka.clients.native import choice
from riskstream.platform.kafka.clients.native.library import Library
from riskstream.platform.kafka.lanes.exact import output_tail
from riskstream.workbench.local.chain import Chain

Row = tuple[bytes | None, bytes | None]
DEADLINE_S = 20


def _as_it_is(_: pytest.MonkeyPatch) -> None: ...


def _without_a_function(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(choice, "library", lambda: Library(_ctypes.__file__))


def _of_another_version(patch: pytest.MonkeyPatch) -> None:
    choice.library.cache_clear()
    patch.setattr(confluent_kafka, "libversion", lambda: ("2.99.0", 0x026300FF))


WAYS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str, str]] = {
    "compiled": (_as_it_is, "auto", ""),
    "as set": (_as_it_is, "python", ""),
    "no function": (_without_a_function, "auto", "librdkafka does not show a function"),
    "another version": (_of_another_version, "auto", "not a version 2"),
}
"""How the client is changed, what --client says, and what the log says of it."""


def _hostile(partition: int) -> list[Row]:
    """Good payments, repeats, payments of the other partition's customers, and every poison."""
    good = rows(f"h{partition}", 0, 120, customers=9)
    other = rows(f"h{1 - partition}", 500, 10, customers=9)
    bad: list[Row] = [(key, value) for _, key, value in poisons(f"p{partition}")]
    repeated_id: list[Row] = [
        (b"h-1", frame(customer_id="h-1", transaction_id="twice", base_amount_minor=amount))
        for amount in (1000, 1000, 2000)
    ]
    return [*good[:60], *bad, *good[40:60], *other, *repeated_id, *good[60:]]


def _send(own: OwnTopics) -> None:
    """In transactions, some of them aborted: markers and aborted records stand between."""
    settings = {"bootstrap.servers": own.kafka, "message.max.bytes": 3_000_000}
    client = Producer({**settings, "transactional.id": f"hostile-{own.tag}"})
    client.init_transactions(DEADLINE_S)
    for partition in range(PARTITIONS):
        left, at = _hostile(partition), 0
        while left:
            client.begin_transaction()
            for key, value in left[:37]:
                client.produce(own.source, value, key, partition)
            client.flush(DEADLINE_S)
            if at % 3 == 1:
                client.abort_transaction(DEADLINE_S)
            else:
                client.commit_transaction(DEADLINE_S)
                left = left[37:]
            at += 1


def _answered(own: OwnTopics) -> int:
    return sum(own.ends(own.output))


@pytest.fixture(scope="module")
def own(bare: Chain) -> OwnTopics:
    """Hostile topics that a scorer answered. Behind its answers stand some of them again, and what
    is no score.
    """
    topics = OwnTopics.made(bare)
    _send(topics)
    wanted = sum(len(_hostile(partition)) for partition in range(PARTITIONS))
    service = topics.start_ready_scorer()
    wait_until(lambda: _answered(topics) >= wanted, "answers", 90)
    service.server.stop()
    answers, client = topics.outputs(wanted), producer(topics.kafka, "test")
    for record in [*answers[:30], *answers[-5:]]:
        client.produce(topics.output, record.value, record.key, record.partition)
        client.produce(topics.output, b"no score", record.key, record.partition)
        client.produce(topics.output, None, record.key, record.partition)
    assert client.flush(DEADLINE_S) == 0
    return topics


def _state(own: OwnTopics) -> dict[str, dict[bytes, bytes]]:
    names = [f"{{{own.group}.{STANDARD.label}.{number}}}" for number in range(PARTITIONS)]
    with redis.Redis.from_url(own.chain.stack.redis) as store:
        return {name: store.hgetall(name) for name in names}


def _invoked(own: OwnTopics, command: Any, client: str, *more: str) -> str:
    given = ["--kafka", own.kafka, "--source", own.source, "--output", own.output]
    done = CliRunner().invoke(command, [*given, "--client", client, *more])
    assert done.exception is None, done.exception
    return done.output


@pytest.mark.parametrize("way", WAYS)
def test_hostile_topics_give_the_scorers_rows_and_equal_vectors(
    way: str, own: OwnTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, client, why = WAYS[way]
    change(monkeypatch)
    choice._warn.cache_clear()
    monkeypatch.setattr(redis_home, "USED_S", 0)  # nobody was killed: nobody has to be forgotten
    monkeypatch.setattr(output_tail, "_MOST", 50)
    before = _state(own)
    assert all(len(fields) > 9 for fields in before.values())
    given = ["--redis", own.chain.stack.redis, "--group", own.group]
    with capture_logs() as logs:
        said = _invoked(own, rebuild, client, *given)
    assert _state(own) == before
    counts = {number: len(_hostile(number)) for number in range(PARTITIONS)}
    for number, count in counts.items():
        assert f"partition {number}: {count:,} records applied, " in said
    warned = [each["why"] for each in logs if each.get("side") == "take"]
    assert len(warned) == bool(why)
    assert all(why in each for each in warned)
    said = _invoked(own, parity, client)
    assert "verdicts_differ  0" in said
    assert f"{STANDARD.label}: " in said
    assert "equal, bit for bit" in said
    monkeypatch.undo()
    choice.library.cache_clear()
