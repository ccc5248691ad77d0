"""The simulation: histories hold, a seed is one history, faults that are put back are seen, and
what fails is made small.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import structlog
from loadtests.simulation.campaign import several
from loadtests.simulation.history import run
from loadtests.simulation.plan import Deed, Plan, made
from loadtests.simulation.shrink import shrunk

SECONDS = 45
"""Of histories in each run of the tests; `make simulation` runs more."""


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """A history has thousands of lines of them."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


def test_every_history_holds() -> None:
    found = several(0, 1_000_000, time.time() + SECONDS)
    assert not found.failures, 'see `make simulation ARGS="--seed N"`'
    assert found.histories > 100
    for kind in (
        "kill",
        "raise",
        "pause",
        "refuse",
        "fail over",
        "store away",
        "expire source",
        "giant",
        "commit",
        "twin",
    ):
        assert found.counts[kind] > 0, kind


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_seed_is_one_history(seed: int) -> None:
    first, second = run(made(seed)), run(made(seed))
    assert (first.trace, first.steps, first.counts) == (second.trace, second.steps, second.counts)
    assert first.trace != run(made(seed + 100)).trace


def test_faults_are_done_at_fault_points_one_after_the_other() -> None:
    payments = tuple(Deed(40 * number + 1, "append", 0, f"c0=t{number}") for number in range(6))
    chain = Deed(0, "in turn", 0, "produced: kill | resumed: store away 0.1; append c0=t9")
    result = run(Plan(schedule=7, deeds=(chain, *payments)))
    assert result.problems == []
    assert (result.counts["kill"], result.counts["store away"]) == (1, 1)
    assert result.counts["append"] == len(payments) + 1
    never = Deed(0, "in turn", 0, "no such point: kill")
    assert run(Plan(schedule=7, deeds=(never, *payments))).counts["kill"] == 0


@pytest.mark.parametrize("name", ["ack", "prev", "offsets", "unflushed"])
def test_a_fault_that_is_put_back_is_found(name: str) -> None:
    command = [
        sys.executable,
        "-m",
        "loadtests.simulation",
        "--mutation",
        name,
        "--first",
        "--minutes",
        "2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "found after" in done.stdout, done.stdout + done.stderr


def test_a_failing_history_is_made_small() -> None:
    plan = made(3)
    needed = Deed(10, "kill", 1)
    plan = Plan(schedule=plan.schedule, deeds=(*plan.deeds, needed), processes=2)
    assert shrunk(plan, lambda each: needed in each.deeds) == Plan(
        schedule=plan.schedule, deeds=(needed,), processes=1
    )
