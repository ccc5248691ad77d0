"""The Faust shell does what the lane does, where at least once allows it, and gives equal
scores.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from tests.support.builders import NOW_MS, frame, key_of
from tests.support.poison import BEHAVIOURS
from tests.support.vectors import feature
from tests.support.world import World

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.kafka.clients.client import producer
from riskstream.platform.kafka.traced import context_in, header_of
from riskstream.platform.telemetry.context import new_trace
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import wait_ready

FAUST = {"RISKSTREAM_SCORER_RUNTIME": "faust"}


@pytest.fixture(scope="module")
def faust_chain(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A stack with a scorer under Faust and a tracker."""
    with Chain(tmp_path_factory.mktemp("faust"), model, names=("tracker",)) as chain:
        wait_ready([chain.start("scorer", FAUST)])
        yield chain


@pytest.fixture
def faust_world(faust_chain: Chain) -> Iterator[World]:
    view = World(faust_chain)
    yield view
    view.close()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda each: each.__name__)
def test_the_lanes_behaviour_is_the_shells(
    faust_world: World, behaviour: Callable[[World], None]
) -> None:
    behaviour(faust_world)


def _rows(
    tag: str, first: int, count: int, corrected: int = 0
) -> list[tuple[bytes | None, bytes | None]]:
    """`corrected`: of so many one takes the place of the customer's one before, where it is not
    0.
    """
    return [
        (
            f"{tag}-{n % 20}".encode(),
            frame(
                customer_id=f"{tag}-{n % 20}",
                transaction_id=f"{tag}-{n}",
                base_amount_minor=100 * (n % 37),
                occurred_at=NOW_MS + n * 60_000,
                corrects=f"{tag}-{n - 20}"
                if corrected and n >= 20 and n % corrected == 0
                else None,
            ),
        )
        for n in range(first, first + count)
    ]


SAID = (
    "features",
    "score",
    "decision",
    "reasons",
    "flags",
    "corrected_at",
    "corrected_amount_minor",
    "corrected_is_refund",
)


def test_its_scores_are_equal_to_the_lanes(world: World, faust_world: World) -> None:
    rows = _rows(world.tag, 0, 600, corrected=7)
    found = []
    for each in (world, faust_world):
        each.send(rows)
        found.append(
            {
                score.transaction_id: [getattr(score, name) for name in SAID]
                for score in each.scores(600)
            }
        )
    lane, shell = found
    assert len(lane) == 600
    assert sum(said[5] is not None for said in lane.values()) == len(range(21, 600, 7)), (
        "each correction found its original"
    )
    assert {name: repr(each) for name, each in lane.items()} == {
        name: repr(each) for name, each in shell.items()
    }


def test_it_hands_a_sampled_context_on(faust_world: World) -> None:
    upstream = new_trace()
    key = f"{faust_world.tag}-traced".encode()
    plain = producer(faust_world.kafka, "test")
    for value in (frame(customer_id=key.decode(), transaction_id=faust_world.tag), b"no frame"):
        plain.produce("transactions.v1", value, key, headers=header_of(upstream))
    assert plain.flush(10) == 0
    for topic in ("scores.v1", "transactions.v1.dlq"):
        records = faust_world.new(
            topic, 1, lambda record: record.key == key and bool(record.headers)
        )
        assert context_in(records[0].headers) == upstream, (
            "nothing is recorded here: it is passed on as it came"
        )


def test_its_state_goes_on_over_a_kill_and_a_sigterm(faust_world: World) -> None:
    total = 0
    for number in (signal.SIGTERM, signal.SIGKILL):
        faust_world.send(_rows(faust_world.tag, total, 400))
        total += 400
        faust_world.scores(total)
        service = faust_world.chain.services["scorer"]
        os.kill(service.server.pid, number)
        service.server.stop()
        wait_ready([faust_world.chain.start("scorer", FAUST)])
    faust_world.send(_rows(faust_world.tag, total, 200))
    total += 200
    scores = faust_world.scores(total)
    seen: dict[str, int] = {}
    for score in scores:
        assert score.customer_id is not None
        seen[score.customer_id] = seen.get(score.customer_id, 0) + 1
        assert feature(score, "customer_count_30d") == seen[score.customer_id], (
            "the count of 30 days is exact"
        )


def test_a_running_shell_takes_no_row_for_new_that_a_lost_watermark_hides(
    faust_chain: Chain, faust_world: World
) -> None:
    """Redis lost a field, and the watermark with it: scores are cold until the next checkpoint."""
    kept, gone = (key_of(f"{faust_world.tag}{name}", 1) for name in "kg")
    _send_payments(faust_world, [kept, gone], 0, 5)
    faust_world.scores(10)
    faust_chain.services["scorer"].server.stop()
    wait_ready([faust_chain.start("scorer", FAUST)])
    other = key_of(f"{faust_world.tag}o", 1)
    _send_payments(faust_world, [other], 0, 1)  # the partition is taken up again
    faust_world.scores(11)
    _lose(faust_chain, gone)
    _send_payments(faust_world, [kept], 5, 1)
    assert faust_world.scores(12)[-1].flags == ("cold",)
    end, sent = time.monotonic() + 20, 12
    while (last := faust_world.scores(sent)[-1]).flags:
        assert time.monotonic() < end, "it stays cold"
        time.sleep(0.5)
        _send_payments(faust_world, [kept], sent, 1)
        sent += 1
    assert feature(last, "customer_count_30d") >= 6, "its history is there"


def test_a_shell_that_starts_without_a_watermark_goes_on_with_the_rows_that_are_left(
    faust_chain: Chain, faust_world: World
) -> None:
    kept, gone = (key_of(f"{faust_world.tag}{name}", 2) for name in "kg")
    _send_payments(faust_world, [kept, gone], 0, 5)
    faust_world.scores(10)
    faust_chain.services["scorer"].server.stop()
    _lose(faust_chain, gone, partition=2)
    wait_ready([faust_chain.start("scorer", FAUST)])
    _send_payments(faust_world, [kept], 5, 1)
    assert feature(faust_world.scores(11)[-1], "customer_count_30d") == 6


def _send_payments(world: World, keys: list[bytes], first: int, count: int) -> None:
    world.send(
        [
            (
                key,
                frame(
                    customer_id=key.decode(),
                    transaction_id=f"{key.decode()}-{n}",
                    occurred_at=NOW_MS + n * 1000,
                ),
            )
            for n in range(first, first + count)
            for key in keys
        ]
    )


def _lose(chain: Chain, key: bytes, partition: int = 1) -> None:
    """Redis forgets a row of the shell's state."""
    with redis.Redis.from_url(chain.stack.redis) as client:
        assert client.hdel(f"{{scorer.faust.{STANDARD.label}.{partition}}}", b":" + key) == 1
