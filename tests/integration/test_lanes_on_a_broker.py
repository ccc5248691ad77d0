"""The lanes' behaviour on a real broker: what `tests/unit/platform/kafka/test_lanes_in_memory.py`
says of the one in memory holds here.
"""

import pytest
from tests.support.lane_suites import DerivedSuite, ExactSuite, ForwardSuite
from tests.support.lane_worlds import LaneWorld, RealWorld

from riskstream.workbench.local.chain import Chain


@pytest.fixture
def world(bare: Chain) -> LaneWorld:
    return RealWorld(bare)


class TestExact(ExactSuite):
    """Each record once by position; compiled code takes and puts the records."""


class TestExactInPython(ExactSuite):
    """The same by confluent-kafka's own calls."""

    @pytest.fixture
    def world(self, bare: Chain) -> LaneWorld:
        return RealWorld(bare, "python")


class TestDerived(DerivedSuite):
    """Transactions; compiled code takes the records."""


class TestDerivedInPython(DerivedSuite):
    """The same by confluent-kafka's own calls."""

    @pytest.fixture
    def world(self, bare: Chain) -> LaneWorld:
        return RealWorld(bare, "python")


class TestForward(ForwardSuite):
    """At least once, in order; compiled code takes and puts the records."""


class TestForwardInPython(ForwardSuite):
    """The same by confluent-kafka's own calls."""

    @pytest.fixture
    def world(self, bare: Chain) -> LaneWorld:
        return RealWorld(bare, "python")
