"""The transactions of one body, as they are let through. Pure."""

from dataclasses import dataclass, field

from riskstream.gateway.batch import Batch
from riskstream.gateway.problem import Problem

Place = tuple[int, int]


@dataclass(slots=True)
class Many:
    """n transactions: names, hashes of their bodies, keys of their records, frames; of each its
    place, a problem, or None where Kafka did not take it, and whether it came again.
    """

    names: list[bytes]
    bodies: list[int]
    keys: list[bytes]
    frames: list[bytes]
    found: list[Place | Problem | None] = field(default_factory=list)
    again: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, batch: Batch, some: list[int]) -> "Many":
        """Some transactions of a batch, that were read."""
        return cls(
            [batch.names[at] for at in some],
            [batch.bodies[at] for at in some],
            [batch.keys[at] or b"" for at in some],
            [batch.frames[at] or b"" for at in some],
        )
