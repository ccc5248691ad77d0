"""The lanes' behaviour on Kafka in memory; `tests/integration/test_lanes_on_a_broker.py` holds the
real one to the same.
"""

from collections.abc import Iterator

import pytest
from tests.support.lane_suites import DerivedSuite, ExactSuite, ForwardSuite
from tests.support.lane_worlds import LaneWorld, MemoryWorld


@pytest.fixture
def world() -> Iterator[LaneWorld]:
    with MemoryWorld().running() as memory:
        yield memory


class TestExact(ExactSuite):
    """Each record once by position."""


class TestDerived(DerivedSuite):
    """Transactions."""


class TestForward(ForwardSuite):
    """At least once, in order."""
