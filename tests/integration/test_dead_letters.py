"""Dead letters: counted by position, redriven once."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import TopicPartition
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS, frame
from tests.support.lanes import Running
from tests.support.own_topics import OwnTopics, wait_until
from tests.support.world import World

from riskstream.cli.dlq import rejected_again
from riskstream.cli.main import root
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka import dead_letters, redriven
from riskstream.platform.kafka.clients.client import consumer, producer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.dead_letters import DeadLetter, read_dead_letters, redrive
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.kafka.proofs import prove_topics
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.rejects import dead_letter_headers
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.profiler.shuffle import ShuffleCore
from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.chain import Chain


def _cli(world: World, *arguments: str) -> str:
    done = CliRunner().invoke(root, ["dlq", *arguments, "--kafka", world.kafka])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


def _positions(world: World, count: int) -> list[str]:
    world.send([(f"{world.tag}-{number}".encode(), b"{broken}") for number in range(count)])
    world.new(
        "transactions.v1.dlq",
        count,
        lambda record: (record.key or b"").startswith(world.tag.encode()),
    )
    letters = read_dead_letters(world.kafka, "transactions.v1.dlq")
    return [
        each.position for each in letters if (each.record.key or b"").startswith(world.tag.encode())
    ]


def test_letters_are_listed_and_shown(world: World) -> None:
    positions = _positions(world, 3)
    listed = _cli(world, "list", "--positions", "--reason", "bad_magic")
    assert all(position in listed for position in positions)
    assert "bad_magic" in _cli(world, "list")
    shown = json.loads(_cli(world, "show", positions[0]))
    assert shown["key"].startswith(world.tag)
    assert shown["headers"]["riskstream-reason"] == "bad_magic"


def test_a_position_is_redriven_once_unless_again(world: World) -> None:
    positions = _positions(world, 5)
    assert _cli(world, "redrive", *positions[:3]).startswith("3 sent, 0 skipped")
    assert _cli(world, "redrive", *positions).startswith("2 sent, 3 skipped")
    assert _cli(world, "redrive", *positions).startswith("0 sent, 5 skipped")
    assert _cli(world, "redrive", positions[0], "--again").startswith("1 sent, 0 skipped")
    mine = [
        each
        for each in world.all_new("transactions.v1")
        if (each.key or b"").startswith(world.tag.encode())
    ]
    redriven = [each for each in mine if each.headers]
    assert len(redriven) == 6
    assert {each.value for each in redriven} == {b"{broken}"}
    assert sorted(
        {(dict(each.headers)["riskstream-redriven"] or b"").decode() for each in redriven}
    ) == sorted(positions)


def _label(n: int, **changes: Any) -> bytes:
    return codec("label.v1").encode(
        {
            "label_id": f"l-{n}",
            "transaction_id": f"t-{n}",
            "customer_id": "c",
            "outcome": "FRAUD",
            "source": "CHARGEBACK",
            "occurred_at": NOW_MS,
            "known_at": NOW_MS,
            "terminal_id": "t-1",
            "device_id": None,
            **changes,
        }
    )


def test_labels_that_cannot_be_read_are_kept_and_sent_again_when_they_can(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    metrics, stop = ProfilerMetrics(CollectorRegistry()), threading.Event()
    settings = ForwardSettings(
        kafka=own.kafka,
        group=own.group,
        sources=(own.source,),
        output=own.output,
        commit_ms=50,
        dead_letters={own.source: own.dead_letters},
    )
    core = ShuffleCore(
        tuple(STANDARD_PROFILES.profiles), settings.max_batch, on_broken=metrics.bad.inc
    )
    running = Running(ForwardLane(settings, core, metrics, stop), stop)
    bad = [_label(1)[:-3], b"\0\0\0\0\7" + _label(2)[5:], _label(3, label_id="x" * 1000), b"", None]
    own.send(1, [(b"c", each) for each in [_label(0), *bad, _label(4)]])
    own.wait_committed(1, 7)
    letters = list(read_dead_letters(own.kafka, own.dead_letters))
    found = [
        (each.position, each.reason, each.record.value, each.record.partition) for each in letters
    ]
    reasons = ("truncated", "unknown_schema", "out_of_bounds", "empty", "empty")
    assert found == [
        (f"1:{at}", why, each, 1)
        for at, (why, each) in enumerate(zip(reasons, bad, strict=True), 1)
    ]
    assert metrics.bad._value.get() == 5
    assert rejected_again(letters, NOW_MS) == set()  # of another topic: it is not looked at
    assert rejected_again([replace(each, topic="labels.v1") for each in letters], NOW_MS) == {
        f"1:{n}" for n in range(1, 6)
    }
    redrive(own.kafka, own.dead_letters, lambda letter: letter.position == "1:3")
    wait_until(
        lambda: len(list(read_dead_letters(own.kafka, own.dead_letters))) == 6,
        "it is rejected again, at its new place",
    )
    running.end()
    assert not running.failed


def test_two_redrives_at_once_send_a_letter_once(
    bare: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second does its whole work between the first one's choice and its fence."""
    own = OwnTopics.made(bare)
    client = producer(own.kafka, "test")
    named: Any = dead_letter_headers(own.source, 1, 7, "bad_magic", b"{broken}")
    client.produce(own.dead_letters, b"{broken}", b"k", 1, headers=named)
    assert client.flush(10) == 0
    checked = prove_topics

    def interrupted(*arguments: Any) -> dict[str, int]:
        monkeypatch.setattr(dead_letters, "prove_topics", checked)
        assert redrive(own.kafka, own.dead_letters, lambda _: True) == (1, 0)
        return checked(*arguments)

    monkeypatch.setattr(dead_letters, "prove_topics", interrupted)
    assert redrive(own.kafka, own.dead_letters, lambda _: True) == (0, 1)
    with TopicReader(own.kafka, [own.source]) as reader:
        assert [record.value for record in reader.until_end()] == [b"{broken}"]


def test_letters_in_thousands_of_gaps_are_redriven_once(
    bare: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noted ranges of 4,000 characters were the end of it. What an older version committed counts
    as well.
    """
    monkeypatch.setattr(dead_letters, "AT_ONCE", 700)
    monkeypatch.setattr(redriven, "NOTE_BYTES", 4_000)
    own = OwnTopics.made(bare)
    client = producer(own.kafka, "test", **{"linger.ms": 5})
    for n in range(3000):
        named: Any = dead_letter_headers(own.source, n % 2, n, "bad_magic", b"{broken}")
        client.produce(own.dead_letters, str(n).encode(), b"k", n % 2, headers=named)
        client.poll(0)
    assert client.flush(10) == 0
    before = consumer(own.kafka, dead_letters.REDRIVE_GROUP)
    before.commit(
        offsets=[TopicPartition(own.dead_letters, 0, 11, "only=0-3,10")], asynchronous=False
    )
    before.close()

    def sent(wanted: Callable[[DeadLetter], bool]) -> list[int]:
        return list(redrive(own.kafka, own.dead_letters, wanted))

    assert sent(lambda letter: letter.offset % 4 < 2) == [1497, 3]
    assert sent(lambda letter: letter.offset % 4 < 2) == [0, 1500]
    assert sent(lambda _: True) == [1498, 1502]
    assert sent(lambda _: True) == [0, 3000]
    assert len(list(read_dead_letters(own.kafka, own.dead_letters))) == 3000, "notes are no letters"
    with TopicReader(own.kafka, [own.source]) as reader:
        values = [int(record.value or b"") for record in reader.until_end()]
    assert sorted(values) == sorted(set(range(3000)) - {0, 2, 4, 6, 20})


def test_a_letter_that_its_source_does_not_take_uncompressed_is_refused(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    client = producer(own.kafka, "test")
    named: Any = dead_letter_headers(own.source, 0, 7, "too_large", b"x")
    client.produce(own.dead_letters, b"x" * 1_060_000, b"k", 0, headers=named)
    assert client.flush(10) == 0
    with pytest.raises(Fatal, match=r"dead letter 0:7 has 1,06.,... bytes"):
        redrive(own.kafka, own.dead_letters, lambda _: True)


def test_redrive_asks_what_is_meant(world: World) -> None:
    done = CliRunner().invoke(root, ["dlq", "redrive", "--kafka", world.kafka])
    assert isinstance(done.exception, Fatal)
    assert done.exception.exit_code == 2
    assert "give positions, --reason or --all" in str(done.exception)


def test_redrive_of_what_is_not_there_is_an_error_and_sends_nothing(world: World) -> None:
    positions = _positions(world, 1)
    done = CliRunner().invoke(
        root, ["dlq", "redrive", positions[0], "3:999999", "--kafka", world.kafka]
    )
    assert isinstance(done.exception, Fatal)
    assert done.exception.exit_code == 2
    assert "3:999999" in done.exception.what
    assert not [each for each in world.all_new("transactions.v1") if each.headers]


def test_poison_that_was_not_corrected_is_left_by_all_and_does_not_multiply(world: World) -> None:
    _positions(world, 4)
    before = len(list(read_dead_letters(world.kafka, "transactions.v1.dlq")))
    assert "would be rejected again" in _cli(world, "redrive", "--all")
    assert "would be rejected again" in _cli(world, "redrive", "--reason", "bad_magic")
    assert not [each for each in world.all_new("transactions.v1") if each.headers]
    assert len(list(read_dead_letters(world.kafka, "transactions.v1.dlq"))) == before


def test_a_letter_that_this_version_takes_is_not_rejected_again() -> None:
    def letter(at: int, value: bytes) -> DeadLetter:
        record = Record(
            topic="transactions.v1.dlq",
            partition=0,
            offset=at,
            appended_at=NOW_MS,
            key=b"c-1",
            value=value,
            headers=[],
        )
        return DeadLetter(
            topic="transactions.v1",
            partition=0,
            offset=at,
            reason="unknown_schema",
            detail="",
            record=record,
        )

    assert rejected_again([letter(0, frame()), letter(1, b"{broken}")], NOW_MS) == {"0:1"}
