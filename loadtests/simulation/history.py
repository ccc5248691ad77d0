"""One history: a plan is run in a world, then everything is calm, and what came out is checked."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from loadtests.simulation.exact import Exact
from loadtests.simulation.forward import Forward
from loadtests.simulation.plan import Plan
from loadtests.simulation.profiler import Profiler
from loadtests.simulation.reports import Reports
from loadtests.simulation.scheduler import Stuck
from loadtests.simulation.scorer import Scorer
from loadtests.simulation.tracker import Tracker
from loadtests.simulation.world import ADDRESS, Scene, World
from riskstream.platform.kafka.clients.client import IN_MEMORY
from riskstream.runtime.faults import told_to
from riskstream.runtime.machine import running_on

SCENES: dict[str, Callable[[World], Scene]] = {
    "exact": Exact,
    "scorer": Scorer,
    "tracker": Tracker,
    "forward": Forward,
    "profiler": Profiler,
    "reports": Reports,
}
SETTLES_WITHIN_S = 60.0
"""By the history's own clock: when everything is calm, all is answered by then."""
_LOOK_EVERY_S = 0.05
_MAY_BE_HELD = "opened again more than"
"""A partition that was opened again and again waits for a restart."""


@dataclass(slots=True)
class Result:
    """`problems`: empty where all is well. `trace`: the same for the same history. `counts`: what
    was done to it.
    """

    problems: list[str]
    trace: int = 0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)


def quiet() -> None:
    """Logs are not written: a history has thousands of lines."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        cache_logger_on_first_use=True,
    )


@contextmanager
def _within(world: World) -> Iterator[None]:
    IN_MEMORY[ADDRESS] = world.kafka
    try:
        with running_on(world.machine), told_to(world.at_point):
            yield
    finally:
        del IN_MEMORY[ADDRESS]


def run(plan: Plan) -> Result:
    """The history of a plan."""
    world = World(plan, SCENES[plan.scene])
    with _within(world):
        try:
            _trouble(world)
            world.calm()
            problems = _settle(world)
            problems += _stop(world)
            problems += [*world.problems, *world.scene.check()]
        except Stuck as stuck:
            problems = [str(stuck), *world.problems]
        finally:
            for slot in world.slots:
                if slot.process is not None:
                    world.scheduler.kill(slot.process)
    return Result(
        list(dict.fromkeys(problems)), world.scheduler.trace, world.scheduler.steps, world.counts
    )


def _trouble(world: World) -> None:
    scheduler = world.scheduler
    while not world.is_done:
        if not scheduler.run(lambda: world.is_done, scheduler.now + 20):
            world.skip_to_next()


def _settle(world: World) -> list[str]:
    scheduler = world.scheduler
    until = scheduler.now + SETTLES_WITHIN_S
    while scheduler.now < until:
        scheduler.run(lambda: False, scheduler.now + _LOOK_EVERY_S)
        for why in world.scene.held():
            if not why.startswith(_MAY_BE_HELD):
                return [f"a partition is held: {why}"]
            for slot in world.slots:
                slot.stop.set()
        if world.scene.is_settled() and world.is_readable():
            return []
    return [f"not settled within {SETTLES_WITHIN_S:.0f} s"]


def _stop(world: World) -> list[str]:
    for slot in world.slots:
        slot.again_at = None
        slot.stop.set()
    world.scheduler.at_step = world.send_alone
    if not world.scheduler.run(
        lambda: all(s.process is None or s.process.is_over for s in world.slots),
        world.scheduler.now + 30,
    ):
        return ["a process does not end when it is told to"]
    return []
