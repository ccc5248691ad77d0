"""The lanes' behaviour on Kafka in memory; `tests/integration/test_lanes_on_a_broker.py` holds the
real one to the same.
"""

from collections.abc import Iterator

import pytest
from loadtests.simulation.store import MemoryStore
from loadtests.simulation.work import PARTIAL
from tests.support.lane_suites import DerivedSuite, ExactSuite, ForwardSuite, rows
from tests.support.lane_worlds import LaneWorld, MemoryWorld


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


class TestForward(ForwardSuite):
    """At least once, in order."""
