"""Exceptions in lanes: between what memory holds and what was produced, nothing is written on the way out."""

import os
import subprocess
import time

import pytest
import redis
from tests.support.builders import rows
from tests.support.own_topics import OwnTopics, log_with, wait_until
from tests.support.world import World

from riskstream.contracts.codec import codec
from riskstream.demo.chain import Chain
from riskstream.kafka.read import TopicReader
from riskstream.local.services import Service, wait_ready
from riskstream.runtime.faults import DERIVED_POINTS

WHOLE = "RISKSTREAM_FAULT_TIMES" in os.environ  # `make proof`: every point; `make test`: those that can go wrong most


def _ended(service: Service, deadline_s: float = 40) -> int:
    try:
        service.server._guard.wait(deadline_s)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it goes on: {service.server.log.read_text()[-2000:]}") from None
    return int(service.server._guard.returncode)


def test_a_row_above_what_was_ever_answered_holds_the_partition_and_says_so(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    service = own.start_ready_scorer()
    own.send(1, rows("a", 0, 20, customers=1))
    own.scores(20)
    own.wait_committed(1, 20)
    time.sleep(1.2)
    service.server.stop()
    client = redis.Redis.from_url(bare.stack.redis)
    key, field = f"{{{own.group}.standard.v1.1}}", ":a-0"
    found = client.hget(key, field)
    assert isinstance(found, bytes)
    row = bytearray(found)
    assert int.from_bytes(row[8:16], "little") == 19, "the row's own offset"
    row[8:16] = (500).to_bytes(8, "little")
    client.hset(key, field, bytes(row))
    service = own.start_scorer()
    own.send(1, rows("a", 20, 1, customers=1))
    own.send(0, rows("b", 0, 5))
    log = log_with(service, "state was written of what was never answered")
    assert "a row is of source offset 500" in log
    assert log.count("taking up anew") == 1
    wait_until(lambda: own.ends(own.output)[0] == 5, "the other partition goes on")
    assert not service.is_ready()
    service.server.stop()


HOWS = ("kill", "raise", "interrupt")
CASES = (
    [(point, how) for point in DERIVED_POINTS for how in HOWS] if WHOLE else [("begun", "interrupt"), ("sent", "raise")]
)


@pytest.mark.parametrize(("point", "how"), CASES)
def test_a_tracker_that_fails_at_a_step_is_as_if_it_did_not(bare: Chain, point: str, how: str) -> None:
    world = World(bare)
    scorer = bare.start("scorer")
    wait_ready([scorer])
    turn = 1 if point == "restored" else 3
    env = {"RISKSTREAM_FAULT_POINT": f"{point}:{turn}", "RISKSTREAM_FAULT_HOW": how}
    tracker = bare.start("tracker", env)
    sent = 0
    while tracker.server.is_running and sent < 4000:
        world.send(rows(world.tag, sent, 40, customers=8))
        sent += 40
        time.sleep(0.3)
    assert _ended(tracker) != 0
    tracker = bare.start("tracker")
    world.send(rows(world.tag, sent, 40, customers=8))
    sent += 40
    world.scores(sent)
    world.wait_for_tracker()
    tracker.server.stop()
    scorer.server.stop()
    counts: dict[str, int] = {}
    with TopicReader(world.kafka, ["customer-risk.v1"]) as reader:
        for record in reader.until_end():
            if record.value is not None and (record.key or b"").startswith(world.tag.encode()):
                state = codec("customer-risk.v1").decode(record.value)
                counts[state["customer_id"]] = sum(tile["transactions"] for tile in state["daily"])
    assert counts == {f"{world.tag}-{n}": sent // 8 for n in range(8)}
