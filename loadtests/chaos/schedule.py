"""The seeded plan: two trains of episodes that run beside each other, one hurts the services, one
the world.
"""

import random
from dataclasses import dataclass

SERVICES_PER_10_MIN = {
    "kill_scorer": 9,
    "pause_scorer": 6,
    "late_append": 3,
    "zombie_checkpoint": 3,
    "kill_tracker": 3,
    "rolling_restart": 2,
    "pause_tracker": 1,
}
WORLD_PER_10_MIN = {
    "kill_broker": 5,
    "pause_broker": 2,
    "kill_redis": 4,
    "pause_redis": 2,
    "redis_from_copy": 1,
    "redis_flushed": 1,
    "redis_row_lost": 1,
}
_FIRST_SERVICES = ("kill_scorer", "pause_scorer", "late_append")
_FIRST_WORLD = ("redis_from_copy", "redis_flushed", "redis_row_lost", "kill_broker")
"""What a short run has too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One mischief: `target` is 0, 1 or 2, `seconds` how long it lasts, `rest_s` the quiet after
    it.
    """

    what: str
    target: int
    seconds: float
    rest_s: float


def plan(seed: int, minutes: float) -> tuple[list[Episode], list[Episode]]:
    """(episodes for the services, episodes for the world); the same for the same seed and
    length.
    """
    rng = random.Random(seed)
    return (
        _train(rng, SERVICES_PER_10_MIN, _FIRST_SERVICES, minutes, rest_s=4.0),
        _train(rng, WORLD_PER_10_MIN, _FIRST_WORLD, minutes, rest_s=4.0 if minutes < 2 else 24.0),
    )


def _train(
    rng: random.Random,
    shares: dict[str, int],
    first: tuple[str, ...],
    minutes: float,
    rest_s: float,
) -> list[Episode]:
    names: list[str] = []
    while len(names) < 2 * sum(shares.values()) * minutes / 10:  # more than there is time for
        names += [name for name, count in shares.items() for _ in range(count)]
    rng.shuffle(names)
    return [_episode(rng, name, minutes, rest_s) for name in [*first, *names]]


def _episode(rng: random.Random, name: str, minutes: float, rest_s: float) -> Episode:
    short = minutes < 2
    seconds = {
        "pause_scorer": rng.uniform(8, 10 if short else 40)
        if rng.random() < 0.5 or short
        else rng.uniform(8, 16),
        "pause_tracker": rng.uniform(8, 20),
        "pause_broker": rng.uniform(8, 15),
        "pause_redis": rng.uniform(1, 8),
        "kill_broker": rng.uniform(1, 10),
        "kill_redis": rng.uniform(0, 5),
    }.get(name, rng.uniform(0, 3))
    return Episode(
        what=name, target=rng.randrange(3), seconds=seconds, rest_s=rng.uniform(1, rest_s)
    )
