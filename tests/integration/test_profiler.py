"""The profiler on a real Kafka and a real Redis, and the scorer that reads its vectors."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import redis
from loadtests.collector import Collector, Seen
from tests.support.builders import frame
from tests.support.processes import kill, lose_offsets
from tests.support.tools import EVERY_POINT
from tests.support.world import World

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.declare import TERMINAL
from riskstream.domain.risk.features.profiles.log import ProfileLog
from riskstream.domain.risk.features.profiles.vector import HEAD
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka.clients.client import producer
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.traced import header_of
from riskstream.platform.telemetry.context import new_trace
from riskstream.runtime.durations import HOUR_MS
from riskstream.runtime.faults import DERIVED_POINTS, FORWARD_POINTS
from riskstream.workbench.local.chain import Chain, with_features
from riskstream.workbench.local.kafka import Brokers
from riskstream.workbench.local.services import wait_ready
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train

DEADLINE_S = 40.0
PREFIX = f"{{profile.{STANDARD_PROFILES.label}}}".encode()
T0 = 1_717_236_000_000 // HOUR_MS * HOUR_MS


@pytest.fixture(scope="module")
def profiled(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A chain whose scorer reads profiles."""
    folder = tmp_path_factory.mktemp("profiled")
    data = folder / "history.parquet"
    pq.write_table(simulate(Simulation(seed=1, customers=800, days=45)), data)
    train(
        read_dataset(data, STANDARD_PROFILES),
        STANDARD_PROFILES,
        FitSettings(trees=30),
        folder / "model",
    )
    names = ("profiler", "scorer")
    with Chain(
        folder / "chain",
        folder / "model",
        names=names,
        brokers=Brokers(session_timeout_ms=2000),
        env={
            **with_features("standard-profiles"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        },
    ) as chain:
        yield chain


@pytest.fixture
def world(profiled: Chain) -> Iterator[World]:
    view = World(profiled)
    yield view
    view.close()


@pytest.fixture
def plain(profiled: Chain) -> redis.Redis:
    return redis.Redis.from_url(profiled.stack.redis)


def _rows(
    tag: str, first: int, count: int, step_ms: int = 120_000
) -> list[tuple[bytes | None, bytes | None]]:
    return [
        (
            f"{tag}-{n % 7}".encode(),
            frame(
                customer_id=f"{tag}-{n % 7}",
                transaction_id=f"{tag}-{n}",
                terminal_id=f"{tag}-t{n % 5}",
                device_id=f"{tag}-d{n % 3}" if n % 4 else None,
                occurred_at=T0 + n * step_ms,
                base_amount_minor=100 + n,
            ),
        )
        for n in range(first, first + count)
    ]


def _say(world: World, numbers: list[int], **changes: Any) -> None:
    """Labels of these transactions of the world's tag, as frauds."""
    sender = BulkProducer(world.kafka, "test")
    keys, frames = [], []
    for n in numbers:
        customer = f"{world.tag}-{n % 7}"
        keys.append(customer.encode())
        frames.append(
            codec("label.v1").encode(
                {
                    "label_id": f"l-{n}",
                    "transaction_id": f"{world.tag}-{n}",
                    "customer_id": customer,
                    "outcome": "FRAUD",
                    "source": "CHARGEBACK",
                    "occurred_at": T0 + n * 120_000,
                    "known_at": T0 + n * 120_000 + 1000,
                    "terminal_id": f"{world.tag}-t{n % 5}",
                    **changes,
                }
            )
        )
    sender.send("labels.v1", list(keys), frames)
    sender.flush()


def _held(plain: redis.Redis, key: str) -> tuple[int, int, list[float]] | None:
    """(as of, closed at, newest vector) of a terminal in Redis."""
    raw: Any = plain.get(PREFIX + b":terminal:" + key.encode())
    if raw is None:
        return None
    as_of, _, closed_at, _, _ = HEAD.unpack_from(raw)
    wide = len(STANDARD_PROFILES.profiles[TERMINAL])
    return as_of, closed_at, np.frombuffer(raw, np.float32, wide, HEAD.size).tolist()


def _wait(what: str, is_so: Any) -> Any:
    end = time.monotonic() + DEADLINE_S
    while not (found := is_so()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return found


def _expected(world: World, key: str) -> list[float]:
    """The vector of a terminal from all of profile-events.v1, at the last closed tile."""
    logs: dict[int, ProfileLog] = {}
    with TopicReader(world.kafka, ["profile-events.v1"]) as reader:
        for record in reader.until_end():
            logs.setdefault(record.partition, ProfileLog(STANDARD_PROFILES)).take([record.value])
    for log in logs.values():
        if key.encode() in log.profiles[TERMINAL].keys().present():
            at = log.clock_ms // HOUR_MS * HOUR_MS
            found: list[float] = log.profiles[TERMINAL].read(key.encode(), at).tolist()
            return found
    raise AssertionError(key)


def _is_shown(world: World, plain: redis.Redis, key: str) -> bool:
    held = _held(plain, key)
    return held is not None and str(held[2]) == str(_expected(world, key))


def _kill(world: World, name: str, *, lost: tuple[str, ...] = ()) -> None:
    """Kill and start again; `lost`: groups whose offsets are gone meanwhile."""
    kill(world.chain.services[name])
    if lost:
        lose_offsets(world.kafka, *lost)
    world.chain.start(name)


def test_vectors_reach_redis_labels_change_them_and_a_killed_profiler_goes_on(
    world: World, plain: redis.Redis
) -> None:
    world.send(_rows(world.tag, 0, 200))
    _wait("the vector of a terminal", lambda: _is_shown(world, plain, f"{world.tag}-t1"))
    before = _held(plain, f"{world.tag}-t1")
    assert before is not None
    _say(world, [1, 6, 11])
    _wait("labels change it", lambda: (_held(plain, f"{world.tag}-t1") or before)[2] != before[2])
    for round_ in range(2):
        _kill(world, "profiler", lost=("profiler", "profiler-shuffle") if round_ else ())
        world.send(_rows(world.tag, 200 + 200 * round_, 200))
    wait_ready(list(world.chain.services.values()))
    names = [each.name for each in STANDARD_PROFILES.profiles[TERMINAL]]
    count = names.index("terminal_count_7d")
    closed = (T0 + 599 * 120_000) // HOUR_MS * HOUR_MS
    wanted = sum(1 for n in range(1, 600, 5) if T0 + n * 120_000 <= closed)
    _wait("all events are there", lambda: _expected(world, f"{world.tag}-t1")[count] >= wanted)
    for n in range(5):
        _wait(
            f"terminal {n} is right again", lambda n=n: _is_shown(world, plain, f"{world.tag}-t{n}")
        )
    found = _expected(world, f"{world.tag}-t1")
    counted = found[count]
    assert counted == wanted, "each counts once through every kill"
    assert found[names.index("terminal_fraud_rate_7d")] == pytest.approx(3 / counted)


HOWS = ("kill", "raise", "interrupt")
CASES = (
    [(point, how) for point in (*DERIVED_POINTS, *FORWARD_POINTS) for how in HOWS]
    if EVERY_POINT
    else [("forwarded", "kill")]
)


if EVERY_POINT:  # `make proof`; `make test` kills it at moments of chance

    @pytest.mark.parametrize(("point", "how"), CASES)
    def test_a_profiler_that_fails_at_a_step_is_as_if_it_did_not(
        world: World, plain: redis.Redis, point: str, how: str
    ) -> None:
        world.chain.services["profiler"].server.stop()
        turn = 1 if point == "restored" else 3
        service = world.chain.start(
            "profiler", {"RISKSTREAM_FAULT_POINT": f"{point}:{turn}", "RISKSTREAM_FAULT_HOW": how}
        )
        sent = 0
        end = time.monotonic() + DEADLINE_S
        while service.server.is_running:
            assert time.monotonic() < end, f"it never passed {point}"
            world.send(_rows(world.tag, sent, 20))
            sent += 20
            time.sleep(0.4)
        service.server.stop()
        log = service.server.log.read_text()
        assert how != "interrupt" or log.rstrip().endswith("\ninterrupted"), (
            f"it ended otherwise: {log[-500:]}"
        )
        service = world.chain.start("profiler")
        world.send(_rows(world.tag, sent, 20))
        sent += 20
        wait_ready([service])
        for n in range(5):
            _wait(
                f"terminal {n} is right", lambda n=n: _is_shown(world, plain, f"{world.tag}-t{n}")
            )
        counted = _expected(world, f"{world.tag}-t1")[
            [each.name for each in STANDARD_PROFILES.profiles[TERMINAL]].index("terminal_count_7d")
        ]
        closed = max(T0 + (sent - 1) * 120_000, T0) // HOUR_MS * HOUR_MS
        assert counted >= sum(1 for n in range(1, sent, 5) if T0 + n * 120_000 <= closed)


def test_a_view_that_redis_lost_is_told_again(world: World, plain: redis.Redis) -> None:
    world.send(_rows(world.tag, 0, 100))
    key = f"{world.tag}-t2"
    _wait("the vector", lambda: _is_shown(world, plain, key))
    names = list(plain.scan_iter(match=PREFIX + b"*"))
    plain.delete(*names)
    world.send(_rows(world.tag, 100, 100))
    _wait("the vector again", lambda: _is_shown(world, plain, key))
    quiet = [name for name in names if b"#" not in name]
    _wait("those that did not change as well", lambda: plain.exists(*quiet) == len(quiet))


def test_every_logged_vector_is_the_one_of_its_place_in_the_log(
    world: World, plain: redis.Redis, tmp_path: Path
) -> None:
    """`riskstream parity` over all that this chain scored, profiles too; through a killed profiler
    and a killed scorer.
    """
    for part in range(6):
        world.send(_rows(world.tag, 100 * part, 100))
        _say(world, list(range(100 * part, 100 * part + 100, 9)))
        world.scores(100 * part + 50)
        if part == 2:
            _kill(world, "profiler")
        if part == 4:
            _kill(world, "scorer")
    wait_ready(list(world.chain.services.values()))
    mine = [score for score in world.scores(600) if str(score.transaction_id).startswith(world.tag)]
    assert len(mine) == 600
    assert any(score.profiles[1] >= 0 for score in mine), "some had a vector"
    assert {len(score.features) for score in mine} == {len(STANDARD_PROFILES.names)}
    out = tmp_path / "parity.json"
    riskstream = str(Path(sys.executable).with_name("riskstream"))
    command = [
        riskstream,
        "parity",
        "--kafka",
        world.kafka,
        "--features",
        "standard-profiles",
        "--json",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert found["compared"] >= 600
    assert found["profiles_compared"] > 300
    assert found["profiles_differ"] == found["vectors_differ"] == 0


def test_without_redis_profiles_are_missing_and_it_is_said(world: World) -> None:
    world.send(_rows(world.tag, 0, 20))
    world.scores(20)
    assert world.chain.stack.redis_server is not None
    server = world.chain.stack.redis_server.server
    assert server is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        world.send(_rows(world.tag, 20, 20))
        late = [
            score
            for score in world.scores(40)
            if int(str(score.transaction_id).rsplit("-", 1)[1]) >= 20
        ]
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert len(late) == 20
    assert {score.flags for score in late} == {("profiles_missing",)}


def test_a_sampled_transaction_is_followed_through_both_stages(
    world: World, collector: Collector
) -> None:
    upstream = new_trace()
    plain = producer(world.kafka, "test")
    [(key, value)] = _rows(world.tag, 1, 1)
    plain.produce("transactions.v1", value, key, headers=header_of(upstream))
    assert plain.flush(10) == 0

    def mine() -> list[Seen]:
        spans = [span for span in collector.spans() if span.trace_id == upstream.trace_id]
        return [span for span in spans if span.service == "riskstream-profiler"]

    _wait("three spans of the profiler", lambda: len(mine()) >= 3)
    [shuffled] = [span for span in mine() if span.name == "process transactions.v1"]
    owned = [span for span in mine() if span.name == "process profile-events.v1"]
    assert shuffled.parent == upstream.span_id
    assert [span.parent for span in owned] == [shuffled.span_id] * 2, (
        "one of the terminal, one of the device"
    )
