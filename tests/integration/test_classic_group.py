"""The lane under the classic cooperative protocol, for brokers without KIP-848: joins, hands over,
survives a kill.
"""

import os
import signal

from tests.support.builders import rows
from tests.support.own_topics import OwnTopics
from tests.support.scores import accepted_scores
from tests.support.vectors import feature

from riskstream.platform.kafka.clients.produce import BulkProducer
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


def test_two_members_share_hand_over_and_take_over(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    first, second = own.start_scorer(**CLASSIC), own.start_scorer(**CLASSIC)
    wait_ready([first, second])
    _send(own, 0, 800)
    accepted_scores(own.kafka, own.output, 800)
    os.kill(first.server.pid, signal.SIGKILL)
    first.server.stop()
    _send(own, 800, 400)
    accepted_scores(own.kafka, own.output, 1200)
    third = own.start_ready_scorer(**CLASSIC)
    _send(own, 1200, 400)
    accepted_scores(own.kafka, own.output, 1600)
    second.server.stop()  # SIGTERM: hands over
    _send(own, 1600, 400)
    seen: dict[str, int] = {}
    for _, score in accepted_scores(own.kafka, own.output, 2000):
        assert score.customer_id is not None
        seen[score.customer_id] = seen.get(score.customer_id, 0) + 1
        assert feature(score, "customer_count_30d") == seen[score.customer_id], (
            "the count of 30 days is exact"
        )
        assert score.flags == ()
    third.server.stop()
