"""Partitions that are held instead of guessed about: the others go on, and a person lets them
go.
"""

import time

from tests.support.builders import NOW_MS, frame, key_of
from tests.support.world import World

from riskstream.platform.kafka.accepted import score_of
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import Service, wait_ready


def _rows(key: bytes, first: int, count: int) -> list[tuple[bytes | None, bytes | None]]:
    name = key.decode()
    return [
        (key, frame(customer_id=name, transaction_id=f"{name}-{n}", occurred_at=NOW_MS + n * 1000))
        for n in range(first, first + count)
    ]


def _wait_until_held(service: Service, deadline_s: float = 20) -> None:
    end = time.monotonic() + deadline_s
    while "of the last records were rejected" not in service.server.log.read_text():
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.05)


def test_a_partition_of_mostly_rejected_records_is_held_and_the_others_go_on(bare: Chain) -> None:
    world = World(bare)
    service = bare.start("scorer")
    wait_ready([service])
    bad, good = key_of(world.tag, 1), key_of(world.tag, 2)
    world.send([(bad, b"poison")] * 800)
    _wait_until_held(service)
    world.send(_rows(good, 0, 50) + _rows(bad, 0, 50))
    first = world.new("scores.v1", 50, lambda record: score_of(record).verdict == "GOOD")
    assert {record.partition for record in first} == {2}
    assert not service.is_ready()
    service.server.stop()
    wait_ready([bare.start("scorer", {"RISKSTREAM_SCORER_REJECT_LIMIT": "1"})])
    scores = world.scores(900)
    assert sum(score.verdict == "GOOD" for score in scores) == 100
    bare.services["scorer"].server.stop()
