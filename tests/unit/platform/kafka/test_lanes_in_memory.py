"""The lanes' behaviour on Kafka in memory; `tests/integration/test_lanes_on_a_broker.py` holds the
real one to the same.
"""

from collections.abc import Iterator

import pytest
from loadtests.simulation.store import MemoryStore
from loadtests.simulation.work import PARTIAL
from prometheus_client import CollectorRegistry
from tests.support.lane_suites import DerivedSuite, ExactSuite, ForwardSuite, rows
from tests.support.lane_worlds import LaneWorld, MemoryWorld
from tests.support.lanes import Counting

from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.runtime.machine import now_ms


@pytest.fixture
def world() -> Iterator[LaneWorld]:
    with MemoryWorld().running() as memory:
        yield memory


class TestExact(ExactSuite):
    """Each record once by position."""

    def test_a_giant_where_lost_state_begins_anew_is_left_behind(self, world: LaneWorld) -> None:
        assert isinstance(world, MemoryWorld)
        lane = self._start(world, MemoryStore())
        world.send(1, rows(0, 3))
        self._wait_scored(world, 3)
        lane.end()
        world.expire(1, 3)
        world.send(1, [(b"c0", b"giant"), *rows(4, 2)])
        world.broker.log(world.source, 1).entries[0].is_giant = True
        lane = self._start(world, MemoryStore())  # its store is empty
        self._wait_scored(world, 5)
        lane.end()
        assert not lane.failed
        assert [(each.src, each.flags) for each in self._accepted(world)[3:]] == [
            (4, PARTIAL),
            (5, PARTIAL),
        ]


class TestDerived(DerivedSuite):
    """Transactions."""

    def test_what_a_fetch_before_the_seek_brought_is_folded_in_once(self, world: LaneWorld) -> None:
        assert isinstance(world, MemoryWorld)
        world.odd.add("stale fetch")
        world.send(1, rows(0, 3))
        lane, _ = self._start(world)
        world.wait_committed(1, 3)
        lane.end()
        assert self._written(world) == [1, 2, 3]

    @pytest.mark.parametrize(("age_ms", "most"), [(0, 120), (10_000, 10)])
    def test_a_lane_far_behind_commits_less_often_and_writes_the_same(
        self, world: LaneWorld, age_ms: int, most: int
    ) -> None:
        assert isinstance(world, MemoryWorld)
        registry = CollectorRegistry()
        settings = DerivedSettings(
            kafka=world.kafka,
            group=world.group,
            source=world.source,
            instance="0",
            commit_ms=50,
            flush_ms=5000,
            group_protocol="classic",
        )

        class Old(Counting):
            def arrived_at(self, partition: int) -> int:  # noqa: ARG002
                return now_ms() - age_ms

        lane = world.start(
            lambda stop: DerivedLane(
                settings,
                Old(world.dead_letters, world.output),
                ProfilerMetrics(registry),
                stop,
            )
        )
        for n in range(300):
            world.send(1, rows(n, 1))
            at = world.scheduler.now + 0.01
            world.until(lambda at=at: world.scheduler.now >= at, "time")  # type: ignore[misc]
        world.wait_committed(1, 300)
        lane.end()
        commits = registry.get_sample_value("riskstream_profiler_commit_seconds_count") or 0
        assert most / 2 < commits <= most
        assert self._written(world) == list(range(1, 301))


class TestForward(ForwardSuite):
    """At least once, in order."""
