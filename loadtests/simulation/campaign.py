"""Many histories on all cores: how many, how fast, what was done to them, and the first that
fail.
"""

import gc
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

from loadtests.simulation.history import quiet, run
from loadtests.simulation.plan import made

AT_ONCE = 200
MOST_FAILURES = 5


@dataclass(slots=True)
class Campaign:
    """`failures`: by seed what was wrong."""

    histories: int = 0
    steps: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[int, list[str]] = field(default_factory=dict)


def ready() -> None:
    """For a process that does nothing else: no logs, and garbage is looked for now and then, not
    among what stays.
    """
    quiet()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def several(first: int, count: int, until: float, scene: str = "") -> Campaign:
    """Histories of seeds from `first` on, one after another; fewer where the time (time.time) comes
    first.
    """
    out = Campaign()
    for seed in range(first, first + count):
        if time.time() >= until:
            break
        result = run(made(seed, scene))
        out.histories += 1
        out.steps += result.steps
        out.counts.update(result.counts)
        if result.problems:
            out.failures[seed] = result.problems
            if len(out.failures) >= MOST_FAILURES:
                break
    return out


def campaign(
    first: int, histories: int, seconds: float, cores: int = 0, scene: str = ""
) -> Iterator[Campaign]:
    """What is known so far, again and again; the last one is the whole. Ends early where histories
    fail.
    """
    began = time.time()
    until = began + seconds
    out = Campaign()
    with ProcessPoolExecutor(cores or os.cpu_count() or 1, initializer=ready) as pool:
        chunks = [
            (seed, min(AT_ONCE, first + histories - seed))
            for seed in range(first, first + histories, AT_ONCE)
        ]
        left = [pool.submit(several, seed, count, until, scene) for seed, count in chunks]
        for done in as_completed(left):
            found = done.result()
            out.histories += found.histories
            out.steps += found.steps
            out.counts.update(found.counts)
            out.failures.update(found.failures)
            out.seconds = time.time() - began
            yield out
            if len(out.failures) >= MOST_FAILURES:
                pool.shutdown(cancel_futures=True)
                break
