"""Makes a failing history small: fewer records, fewer faults, fewer processes, as long as it
fails.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from loadtests.simulation.plan import Plan

OTHER_SCHEDULES = 3
"""Without a deed everybody goes on in another order: so many orders are tried before the deed is
kept.
"""


def shrunk(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """The smallest plan that was found to fail."""
    size = max(len(plan.deeds) // 2, 1)
    while True:
        smaller = next((each for each in _smaller(plan, size) if fails(each)), None)
        if smaller is not None:
            plan = smaller
            size = min(size, max(len(plan.deeds) // 2, 1))
        elif size > 1:
            size //= 2
        else:
            return plan


def _smaller(plan: Plan, size: int) -> Iterator[Plan]:
    if plan.processes > 1:
        yield replace(plan, processes=1)
    for first in range(0, len(plan.deeds), size):
        less = plan.without(set(range(first, first + size)))
        yield less
        for n in range(1, OTHER_SCHEDULES):
            yield replace(less, schedule=plan.schedule + n)
