"""The lane under the classic cooperative protocol, for brokers without KIP-848: joins, hands over,
survives a kill.
"""

import os
import signal
import time
from typing import Any

from tests.support.builders import rows
from tests.support.own_topics import DEADLINE_S, OwnTopics

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.positions import AcceptedReader
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import wait_ready

CLASSIC = {
    "RISKSTREAM_SCORER_GROUP_PROTOCOL": "classic",
    "RISKSTREAM_SCORER_SESSION_TIMEOUT_MS": "2000",
}


def _send(own: OwnTopics, first: int, count: int) -> None:
    """Each customer to the partition of its key."""
    producer = BulkProducer(own.kafka, "test")
    some = rows(own.tag, first, count)
    producer.send(own.source, [key for key, _ in some], [value for _, value in some])
    producer.flush()


def _accepted(own: OwnTopics, count: int) -> list[dict[str, Any]]:
    """The first `count` scores by the reader's rule."""
    found: list[dict[str, Any]] = []
    accepted, end = AcceptedReader(), time.monotonic() + DEADLINE_S
    with TopicReader(own.kafka, [own.output], committed_only=False) as reader:
        while len(found) < count:
            assert time.monotonic() < end, f"{len(found)} of {count} scores within {DEADLINE_S} s"
            for record in reader.poll(0.1):
                score = codec("score.v1").decode(record.value)
                if accepted.accept(record.partition, score["src"], score["prev"]):
                    found.append(score)
    assert accepted.gaps == 0
    return found


def test_two_members_share_hand_over_and_take_over(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    first, second = own.start_scorer(**CLASSIC), own.start_scorer(**CLASSIC)
    wait_ready([first, second])
    _send(own, 0, 800)
    _accepted(own, 800)
    os.kill(first.server.pid, signal.SIGKILL)
    first.server.stop()
    _send(own, 800, 400)
    _accepted(own, 1200)
    third = own.start_ready_scorer(**CLASSIC)
    _send(own, 1200, 400)
    _accepted(own, 1600)
    second.server.stop()  # SIGTERM: hands over
    _send(own, 1600, 400)
    seen: dict[str, int] = {}
    for score in _accepted(own, 2000):
        seen[score["customer_id"]] = seen.get(score["customer_id"], 0) + 1
        assert score["features"][10] == seen[score["customer_id"]], "the count of 30 days is exact"
        assert score["flags"] == []
    third.server.stop()
