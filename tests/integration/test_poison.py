"""Records on the topic that cannot be scored: each answered and dead-lettered once, the ones around
it scored.
"""

from collections.abc import Callable

import pytest
from tests.support.poison import BEHAVIOURS
from tests.support.world import World


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda each: each.__name__)
def test_the_lane_does_as_it_should(world: World, behaviour: Callable[[World], None]) -> None:
    behaviour(world)
