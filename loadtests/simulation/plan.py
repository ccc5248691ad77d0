"""What is to happen in a history: records that come, and what is done to whom. Made from a seed,
kept as data, and so shrunk.
"""

import random
from dataclasses import dataclass, replace

from riskstream.runtime import faults

PARTITIONS = 2
SLOTS = 3
"""How many processes there may be."""
GROUP = "group"
POINTS = {
    "exact": faults.POINTS,
    "scorer": faults.POINTS,
    "tracker": faults.DERIVED_POINTS,
    "profiler": faults.DERIVED_POINTS,
    "forward": faults.FORWARD_POINTS,
    "reports": (*faults.DERIVED_POINTS, *faults.REPORTER_POINTS),
}
"""Of each scene where it may raise."""


@dataclass(frozen=True, slots=True)
class Deed:
    """At a step of the history: `kind` says what, `who` to which process, partition or transaction,
    `what` with which value.
    """

    at_step: int
    kind: str
    who: int = 0
    what: str | float | int = 0

    def __str__(self) -> str:
        return f"{self.at_step:6} {self.kind} {self.who} {self.what}"


@dataclass(frozen=True, slots=True)
class Plan:
    """`schedule`: the seed of who goes on when. `is_eager`: how often others may go first at a
    step. `processes` to begin with.
    """

    schedule: int
    deeds: tuple[Deed, ...]
    processes: int = 1
    is_eager: float = 1.0
    scene: str = "exact"

    def without(self, left_out: set[int]) -> "Plan":
        return replace(
            self, deeds=tuple(each for at, each in enumerate(self.deeds) if at not in left_out)
        )


FAULTS: dict[str, dict[str, int]] = {
    "exact": {
        "kill": 6,
        "raise": 6,
        "pause": 4,
        "stop": 2,
        "join": 3,
        "refuse": 2,
        "away": 2,
        ("store away"): 3,
        "replicate": 4,
        "fail over": 3,
        "lose": 1,
        "evict": 1,
        "expire source": 2,
        "expire output": 2,
    },
    "tracker": {
        "kill": 6,
        "raise": 6,
        "pause": 4,
        "stop": 2,
        "join": 3,
        "refuse": 2,
        "away": 2,
        ("lose offsets"): 2,
        "compact": 2,
        "twin": 1,
        "expire scores.v1": 2,
    },
    "profiler": {
        "kill": 6,
        "raise": 6,
        "pause": 4,
        "stop": 2,
        "join": 3,
        "refuse": 2,
        "away": 2,
        ("lose offsets"): 2,
        "compact": 2,
        "twin": 1,
        "expire profile-events.v1": 2,
    },
    "reports": {
        "kill": 6,
        "raise": 6,
        "pause": 4,
        "stop": 2,
        "refuse": 2,
        "away": 2,
        "lose offsets": 1,
        "compact": 2,
    },
    "forward": {
        "kill": 6,
        "raise": 6,
        "pause": 4,
        "stop": 2,
        "join": 3,
        "refuse": 2,
        "away": 2,
        ("lose offsets"): 1,
        ("expire source"): 2,
    },
}
FAULTS["scorer"] = FAULTS["exact"]
"""Of each scene how often each fault is chosen."""
SCENES = {"exact": 350, "scorer": 10, "tracker": 80, "forward": 50, "profiler": 8, "reports": 2}
"""How often each is played: most of the protocol is the exact lane's, and a report costs ten
histories of it.
"""


def made(seed: int, scene: str = "") -> Plan:
    """The plan of a seed; of one scene where it is named."""
    rng = random.Random(seed)
    horizon = rng.choice((150, 400, 800))
    [chosen] = rng.choices(tuple(SCENES), tuple(SCENES.values()))
    scene = scene or chosen
    deeds = _records(rng, horizon) + _series(rng, horizon, scene)
    deeds += [
        _fault(rng, horizon, scene) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 6)))
    ]
    return Plan(
        schedule=rng.getrandbits(32),
        deeds=tuple(sorted(deeds, key=lambda each: each.at_step)),
        processes=rng.choice((1, 1, 2)),
        is_eager=rng.choice((0.1, 0.3, 0.3, 1.0)),
        scene=scene,
    )


def _records(rng: random.Random, horizon: int) -> list[Deed]:
    """Payments of a few customers: some twice, some broken, some in transactions that commit late,
    or never; a giant.
    """
    out: list[Deed] = []
    names: list[tuple[int, str]] = []
    before = rng.random() < 0.5
    for n in range(rng.choice((6, 12, 20, 30))):
        at = 0 if before and n < 8 else rng.randrange(horizon)
        partition = rng.randrange(PARTITIONS) if rng.random() < 0.5 else 0
        chance = rng.random()
        if chance < 0.08:
            out.append(Deed(at, "append", partition, f"c{rng.randrange(3)}=bad{n}"))
        elif chance < 0.2 and names:
            partition, name = rng.choice(names)
            out.append(Deed(at, "append", partition, name))
        elif chance < 0.22:
            out.append(Deed(at, "giant", partition))
        elif chance < 0.32:
            several = [f"c{rng.randrange(3)}=t{n}.{each}" for each in range(rng.randrange(1, 4))]
            out.append(Deed(at, "begin", n, f"{partition}:{','.join(several)}"))
            out.append(
                Deed(at + rng.randrange(horizon), "commit" if rng.random() < 0.7 else "abort", n)
            )
        else:
            names.append((partition, f"c{rng.randrange(3)}=t{n}"))
            out.append(Deed(at, "append", *names[-1]))
    return out


_TWICE = "produced: kill | writing: kill"
SERIES: dict[str, tuple[tuple[tuple[str, str | float | int], ...], ...]] = {
    "exact": (
        (("evict", 0), ("kill", 0), ("expire output", 1.0), ("kill", 0)),
        (("lose", 0), ("kill", 0), ("expire output", 0.6), ("kill", 0)),
        (("join", 0), ("store away", 0.2), ("pause", 1.0), ("kill", 0)),
        (("join", 0), ("pause", 0.5), ("replicate", 0), ("pause", 0.5), ("fail over", 0)),
        (("expire source", 1.0), ("kill", 0), ("expire source", 1.0)),
        (("replicate", 0), ("kill", 0), ("fail over", 0), ("kill", 0)),
        (("store away", 0.2), ("kill", 0), ("kill", 0)),
        (("kill", 0), ("kill", 0), ("kill", 0)),
        (("in turn", "written: kill; evict 0; expire output 1.0"), ("kill", 0)),
        (("join", 0), ("in turn", "writing: pause 0.36 | rows_read: fail over | written: kill")),
        (
            ("append", "c0=twice"),
            ("stop", 0),
            ("in turn", f"resumed: store away 0.3; append c0=twice | {_TWICE}"),
        ),
    ),
    "tracker": (
        (("lose offsets", 0), ("kill", 0), ("kill", 0)),
        (("lose offsets", 0), ("raise", "taken"), ("raise", "transacted"), ("kill", 0)),
        (("twin", 0), ("pause", 0.5), ("lose offsets", 0)),
        (("kill", 0), ("in turn", "transacted: kill | transacted: kill")),
    ),
    "profiler": ((("lose offsets", 0), ("kill", 0), ("kill", 0)),),
    "reports": ((("pause", 0.5), ("kill", 0), ("pause", 0.2)),),
    "forward": ((("expire source", 1.0), ("kill", 0), ("expire source", 1.0)),),
}
SERIES["scorer"] = SERIES["exact"]
"""Faults that hurt most one soon after the other. `in turn` has them done at fault points, each by
whoever passes the next one: where a few steps decide, chance alone finds it once in 100,000.
"""


def _series(rng: random.Random, horizon: int, scene: str) -> list[Deed]:
    if rng.random() < 0.6:
        return []
    at, who, out = rng.randrange(horizon), rng.randrange(3), []
    for kind, what in rng.choice(SERIES[scene]):
        out.append(Deed(at, kind, who + (kind == "pause" and rng.random() < 0.5), what))
        at += rng.randrange(3, rng.choice((15, 60, 150)))
    return out


def _fault(rng: random.Random, horizon: int, scene: str) -> Deed:
    at, weights = rng.randrange(horizon), FAULTS[scene]
    [kind] = rng.choices(tuple(weights), tuple(weights.values()))
    who = rng.randrange(3)
    what: str | float | int = 0
    if kind == "raise":
        what = rng.choice(POINTS[scene])
    elif kind == "pause":
        what = rng.choice((0.05, 0.2, 0.5, 1.0))
    elif kind in ("refuse", "away", "store away"):
        what = rng.choice((0.05, 0.2, 0.6))
    elif kind == "evict":
        what = rng.randrange(4)
    elif kind.startswith("expire"):
        what = rng.choice((0.3, 0.6, 1.0))
    return Deed(at, kind, who, what)
