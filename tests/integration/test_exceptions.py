"""Exceptions in lanes: between what memory holds and what was produced, nothing is written on the
way out.
"""

import subprocess
import threading
import time

import pytest
import redis
from prometheus_client import CollectorRegistry
from tests.support.builders import rows
from tests.support.lanes import Running, Through
from tests.support.own_topics import OwnTopics, log_with, wait_until
from tests.support.tools import EVERY_POINT
from tests.support.vectors import feature
from tests.support.world import World

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.runtime import faults
from riskstream.runtime.faults import DERIVED_POINTS, FAUST_POINTS, FORWARD_POINTS
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import Service, wait_ready


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
    key, field = f"{{{own.group}.{STANDARD.label}.1}}", ":a-0"
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
    assert log.count("opens again") == 1
    wait_until(lambda: own.ends(own.output)[0] == 5, "the other partition goes on")
    assert not service.is_ready()
    service.server.stop()


HOWS = ("kill", "raise", "interrupt")
CASES = (
    [(point, how) for point in DERIVED_POINTS for how in HOWS]
    if EVERY_POINT
    else [("begun", "interrupt"), ("sent", "raise")]
)


@pytest.mark.parametrize(("point", "how"), CASES)
def test_a_tracker_that_fails_at_a_step_is_as_if_it_did_not(
    bare: Chain, point: str, how: str
) -> None:
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


@pytest.mark.parametrize("point", FORWARD_POINTS)
def test_a_forward_lane_that_raises_at_a_step_leaves_nothing_out(
    bare: Chain, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    own = OwnTopics.made(bare)
    own.send(1, rows("a", 0, 30))
    settings = ForwardSettings(
        kafka=own.kafka, group=own.group, sources=(own.source,), output=own.output, commit_ms=50
    )

    def started() -> Running:
        stop = threading.Event()
        return Running(
            ForwardLane(settings, Through(), ProfilerMetrics(CollectorRegistry()), stop), stop
        )

    monkeypatch.setenv("RISKSTREAM_FAULT_POINT", point)
    monkeypatch.setenv("RISKSTREAM_FAULT_HOW", "raise")
    faults._armed.cache_clear()
    faults._passed.clear()
    running = started()
    wait_until(lambda: bool(running.failed), "an end")
    running.end()
    assert isinstance(running.failed[0], faults.Injected)
    monkeypatch.delenv("RISKSTREAM_FAULT_POINT")
    faults._armed.cache_clear()
    running = started()
    own.wait_committed(1, 30)
    running.end()
    with TopicReader(own.kafka, [own.output]) as reader:
        found = [record.value for record in reader.until_end()]
    assert set(found) == {value for _, value in rows("a", 0, 30)}


FAUST_CASES = (
    [(point, how) for point in FAUST_POINTS for how in ("raise", "kill")]
    if EVERY_POINT
    else [("processed", "raise")]
)


@pytest.mark.parametrize(("point", "how"), FAUST_CASES)
def test_the_faust_shell_that_fails_at_a_step_is_as_if_it_did_not(
    bare: Chain, point: str, how: str
) -> None:
    own = OwnTopics.made(bare)
    env = {"RISKSTREAM_SCORER_RUNTIME": "faust"}
    armed = {"RISKSTREAM_FAULT_POINT": f"{point}:3", "RISKSTREAM_FAULT_HOW": how}
    service = own.start_ready_scorer(**env, **armed)
    sent = 0
    while service.server.is_running and sent < 4000:
        own.send(1, rows("a", sent, 20, customers=1))
        sent += 20
        time.sleep(0.4)
    assert _ended(service) != 0
    service = own.start_ready_scorer(**env)
    own.send(1, rows("a", sent, 20, customers=1))
    sent += 20
    own.wait_committed(1, sent)
    service.server.stop()
    accepted = AcceptedScores()
    counts = [
        feature(score, "customer_count_30d")
        for _, score in accepted.each(own.outputs(own.ends(own.output)[1]))
    ]
    assert counts == list(range(1, sent + 1)), "state is never ahead of what was answered"
    assert accepted.rule.gaps == 0
