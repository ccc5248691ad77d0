"""The lane under the classic cooperative protocol, for brokers without KIP-848: joins, hands over, survives a kill."""

import os
import signal

from tests.support.builders import rows
from tests.support.world import World

from riskstream.demo.chain import Chain
from riskstream.local.services import wait_ready

CLASSIC = {
    "RISKSTREAM_SCORER_GROUP_PROTOCOL": "classic",
    "RISKSTREAM_SCORER_GROUP": "scorer-classic",
    "RISKSTREAM_SCORER_SESSION_TIMEOUT_MS": "2000",
}


def test_two_members_share_hand_over_and_take_over(bare: Chain) -> None:
    world = World(bare)
    names = ("scorer-classic1", "scorer-classic2")
    for name in names:
        bare.start(name, CLASSIC)
    wait_ready([bare.services[name] for name in names])
    world.send(rows(world.tag, 0, 800))
    world.scores(800)
    first = bare.services[names[0]].server
    os.kill(first.pid, signal.SIGKILL)
    first.stop()
    world.send(rows(world.tag, 800, 400))
    world.scores(1200)
    wait_ready([bare.start(names[0], CLASSIC)])
    world.send(rows(world.tag, 1200, 400))
    world.scores(1600)
    bare.services[names[1]].server.stop()  # SIGTERM: hands over
    world.send(rows(world.tag, 1600, 400))
    scores = world.scores(2000)
    seen: dict[str, int] = {}
    for score in scores:
        seen[score["customer_id"]] = seen.get(score["customer_id"], 0) + 1
        assert score["features"][10] == seen[score["customer_id"]], "the count of 30 days is exact"
        assert score["flags"] == []
    bare.services[names[0]].server.stop()
