"""The promises of the services under kill -9 and SIGTERM, on the running chain."""

import os
import signal

import pytest
from tests.support.builders import NOW_MS, frame, rows
from tests.support.vectors import feature
from tests.support.world import World

from riskstream.domain.contracts.codec import codec
from riskstream.workbench.local.services import wait_ready


def _kill(world: World, name: str, number: signal.Signals) -> None:
    service = world.chain.services[name]
    os.kill(service.server.pid, number)
    service.server._guard.wait(30)
    service.server.stop()
    world.chain.start(name)


def test_a_scorer_that_is_killed_loses_and_doubles_nothing_and_its_features_go_on(
    world: World,
) -> None:
    total = 0
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        world.send(rows(world.tag, total, 1500))
        total += 1500
        world.scores(total - 700)
        _kill(world, "scorer", number)
    world.send(rows(world.tag, total, 500))
    total += 500
    wait_ready(list(world.chain.services.values()))
    scores = world.accepted(total)
    assert len(scores) == total
    assert {score.verdict for _, score in scores} == {"GOOD"}
    assert sorted(str(score.transaction_id) for _, score in scores) == sorted(
        f"{world.tag}-{n}" for n in range(total)
    )
    seen: dict[str, int] = {}
    for _, score in sorted(scores, key=lambda each: (each.record.partition, each.score.src)):
        customer = str(score.customer_id)
        seen[customer] = seen.get(customer, 0) + 1
        assert feature(score, "customer_count_30d") == seen[customer], (
            "the count of 30 days is exact through every kill"
        )
        assert score.flags == ()


def test_a_tracker_that_is_killed_raises_each_alert_once(world: World) -> None:
    burst = [
        (
            f"b-{world.tag}-{n // 30}".encode(),
            frame(
                customer_id=f"b-{world.tag}-{n // 30}",
                transaction_id=f"{world.tag}-{n}",
                channel="ECOM",
                amount_minor=90,
                base_amount_minor=90,
                occurred_at=NOW_MS + n * 1000,
            ),
        )
        for n in range(600)
    ]
    for part in (burst[:300], burst[300:]):
        world.send([(key, value) for key, value in part])
        world.new("scores.v1", 100)
        _kill(world, "tracker", signal.SIGKILL)
    wait_ready(list(world.chain.services.values()))
    expected = {
        str(score.transaction_id) for score in world.scores(600) if score.decision != "APPROVE"
    }
    assert expected
    world.wait_for_tracker()
    alerts = [
        codec("alert.v1").decode(record.value)["transaction_id"]
        for record in world.all_new("alerts.v1")
    ]
    mine = [transaction_id for transaction_id in alerts if transaction_id.startswith(world.tag)]
    assert sorted(mine) == sorted(expected)


@pytest.mark.parametrize("name", ["gateway", "reporter", "scorer", "tracker"])
def test_every_service_drains_on_sigterm_and_exits_0(world: World, name: str) -> None:
    world.send(rows(f"{world.tag}{name}", 0, 300))
    service = world.chain.services[name]
    os.kill(service.server.pid, signal.SIGTERM)
    assert service.server._guard.wait(20) == 0, service.server.log.read_text()[-500:]
    service.server.stop()
    world.chain.start(name)
    wait_ready(list(world.chain.services.values()))
    assert len(world.scores(300)) == 300
