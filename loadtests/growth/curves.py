"""What was measured at each size, and how fast the cost of an event grows with it."""

import math
from dataclasses import dataclass, field
from typing import Any

FLAT, LINEAR = 0.25, 1.15
"""The most that an exponent may be where the cost of an event should stay as it is, and where it
should grow with the size. Caches that no longer hold everything, and noise, are within them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One size: `cost` in the curve's unit, and other figures by their name with unit."""

    at: int
    cost: float
    more: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The cost of an event by a size. `most`: what the exponent may be, FLAT or LINEAR."""

    name: str
    what: str
    unit: str
    points: list[Point]
    most: float = FLAT

    @property
    def exponent(self) -> float:
        """e where the cost of an event grows as size to the power of e, by least squares over the
        logarithms.
        """
        xs = [math.log(each.at) for each in self.points]
        ys = [math.log(each.cost) for each in self.points]
        mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
        above = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
        return above / sum((x - mx) ** 2 for x in xs)

    @property
    def is_well(self) -> bool:
        """Whether the cost grows no faster than it may."""
        return self.exponent <= self.most

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "what": self.what,
            "unit": self.unit,
            "exponent": round(self.exponent, 3),
            "most": self.most,
            "ok": self.is_well,
            "points": [
                {"at": each.at, "cost": float(f"{each.cost:.4g}"), **_short(each.more)}
                for each in self.points
            ],
        }


def _short(figures: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in figures.items()}
