"""Records that are small on the wire and large in memory: a topic bounds a batch as it is
compressed.
"""

import hashlib
import subprocess
import sys
import threading
from typing import Any

from confluent_kafka import Producer
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS, frame
from tests.support.lanes import Running, derived_lane
from tests.support.own_topics import OwnTopics, wait_until
from tests.support.raw_producer import send_with_headers

from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.dead_letters import DeadLetter, read_dead_letters
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.kafka.rejects import dead_letter_headers
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.profiler.shuffle import ShuffleCore
from riskstream.workbench.local.chain import Chain

MB = 1 << 20
EIGHT = frame()[:5] + b"\0" * (8 * MB)
"""Framed as a transaction."""
TOO_MUCH = b"\0" * (150 * MB)
"""More than the client decompresses of zstd."""


def _send(
    own: OwnTopics, topic: str, how: str, key: bytes, value: bytes, names: int = 0, **named: Any
) -> None:
    large = {"message.max.bytes": 1_000_000_000, "queue.buffering.max.kbytes": 2_000_000}
    client = Producer(
        {"bootstrap.servers": own.kafka, "compression.type": how, "linger.ms": 0, **large}
    )
    refused: list[object] = []
    headers = [(f"h{n}", b"x" * 20) for n in range(names)] or (
        [("wide", b"h" * MB)] if names < 0 else []
    )
    named = {"headers": headers, "on_delivery": lambda error, _: refused.append(error), **named}
    client.produce(topic, value, key, 1, **named)
    assert client.flush(30) == 0
    assert refused == [None]


def _giants(own: OwnTopics, topic: str) -> list[bytes]:
    """Send them, each behind a good transaction; the values that readers get to see."""
    good = [
        frame(customer_id="c-1", transaction_id=f"t-{n}", occurred_at=NOW_MS + n) for n in range(7)
    ]
    _send(own, topic, "none", b"c-1", good[0])
    _send(own, topic, "zstd", b"c-1", EIGHT)
    _send(own, topic, "none", b"c-1", good[1])
    _send(own, topic, "lz4", b"k" * 4 * MB, b"{}")
    _send(own, topic, "zstd", b"c-1", TOO_MUCH)
    _send(own, topic, "none", b"c-1", good[2])
    _send(own, topic, "gzip", b"c-1", EIGHT)
    _send(own, topic, "zstd", b"c-1", good[3], names=10_000)
    _send(own, topic, "zstd", b"c-1", good[4], names=-1)
    send_with_headers(own.kafka, topic, 1, (b"c-1", good[5]), [b"\xff\xfe", b"traceparent"])
    _send(own, topic, "none", b"c-1", good[6])
    return [good[0], EIGHT, good[1], b"{}", good[2], EIGHT, good[3], good[4], good[5], good[6]]


def test_a_scorer_answers_what_it_can_read_and_goes_on_behind_what_it_cannot(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    _giants(own, own.source)
    service = own.start_ready_scorer(RISKSTREAM_SCORER_REJECT_LIMIT="1")
    answers = [(each.src, each.verdict, each.reason) for each in own.scores(10)]
    good = [(src, "GOOD", None) for src in (0, 2, 5, 7, 8, 9, 10)]
    bad = [(1, "REJECTED", "too_large"), (3, "REJECTED", "short"), (6, "REJECTED", "too_large")]
    assert answers == sorted([*good, *bad]), "4 decompresses to more than the client takes"
    letters: dict[int, DeadLetter] = {}

    # a dead letter follows its score, and is only sure to be there once that is committed
    def are_written() -> bool:
        letters.update(
            {each.offset: each for each in read_dead_letters(own.kafka, own.dead_letters)}
        )
        return letters.keys() == {1, 3, 6}

    wait_until(are_written, "the three dead letters")
    told = dict(letters[1].record.headers)
    assert told["riskstream-value-bytes"] == str(len(EIGHT)).encode()
    assert told["riskstream-value-sha256"] == hashlib.sha256(EIGHT).hexdigest().encode()
    assert EIGHT.startswith(letters[1].record.value or b"-")
    assert dict(letters[3].record.headers)["riskstream-key-bytes"] == str(4 * MB).encode()
    assert all(each.is_cut for each in letters.values())
    service.server.stop()
    again = own.start_ready_scorer(RISKSTREAM_SCORER_REJECT_LIMIT="1")
    own.send(
        1, [(b"c-1", frame(customer_id="c-1", transaction_id="t-last", occurred_at=NOW_MS + 9))]
    )
    assert own.scores(11)[-1].src == 11
    again.server.stop()


def test_every_other_kind_of_reader_goes_on(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    values = _giants(own, own.source)
    with TopicReader(own.kafka, [own.source]) as reader:
        read = list(reader.until_end(60))
    assert [each.offset for each in read] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert sum(len(each.key or b"") + len(each.value or b"") for each in read) < 20_000, (
        "what is kept is bounded"
    )
    assert all(
        whole.startswith(each.value or b"-") for each, whole in zip(read, values, strict=True)
    )
    assert dict(read[1].headers)["riskstream-value-bytes"] == str(len(EIGHT)).encode()
    assert max(len(each.headers) for each in read) <= 102

    metrics, stop = ProfilerMetrics(CollectorRegistry()), threading.Event()
    forward = ForwardSettings(
        kafka=own.kafka,
        group=f"{own.group}-forward",
        sources=(own.source,),
        output=own.output,
        commit_ms=50,
        dead_letters={own.source: own.dead_letters},
    )
    core = ShuffleCore(tuple(STANDARD_PROFILES.profiles), forward.max_batch)
    running = Running(ForwardLane(forward, core, metrics, stop), stop)
    own.wait_committed(1, 11, forward.group)
    running.end()
    assert not running.failed
    assert metrics.giants._value.get() >= 1
    assert len(list(read_dead_letters(own.kafka, own.dead_letters))) == 10, (
        "none of them is a label"
    )

    gate = threading.Event()
    gate.set()
    follower, work = derived_lane(own, gate)
    own.wait_committed(1, 11)
    follower.end()
    assert not follower.failed
    assert work.taken == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]


def test_a_state_that_is_compressed_does_not_end_its_reader(bare: Chain) -> None:
    """States are read whole, and kept: what is larger than any of ours is not."""
    own = OwnTopics.made(bare)
    for how in ("zstd", "lz4", "gzip"):
        for n in range(4):
            _send(own, own.output, how, f"c-{n}".encode(), EIGHT)
    with TopicReader(own.kafka, [own.output]) as reader:
        assert sum(len(each.value or b"") for each in reader.until_end(60)) == 12 * 64


_LIST = """
import resource, sys
from riskstream.cli.main import root
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
root(sys.argv[1:], standalone_mode=False)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_dead_letters_that_are_giants_are_listed_one_at_a_time(bare: Chain) -> None:
    """A fetch of a MB holds all six of them, 240 MB, and their copies, were they taken at once."""
    own = OwnTopics.made(bare)
    for n in range(6):
        headers = dead_letter_headers(own.source, 1, n, "too_large", b"x")
        _send(own, own.dead_letters, "gzip", b"c-1", b"\0" * (40 * MB), headers=headers)
    command = ["dlq", "list", "--topic", own.dead_letters, "--kafka", own.kafka]
    done = subprocess.run(
        [sys.executable, "-c", _LIST, *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "6 dead letters" in done.stdout
    assert int(done.stdout.split()[-1]) < 100, "MB"
