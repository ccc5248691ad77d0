"""Rows of a bench's JSON: what was measured, the goal, and whether it was met."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


def spread(values: list[float]) -> str:
    """Smallest to largest."""
    return f"{min(values):.3g} to {max(values):.3g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row; `ours`, `theirs` and `ratio` are medians over the rounds, `spread` is of the ratio by round."""

    name: str
    ours: float
    theirs: float | None
    unit: str
    ratio: float | None
    goal: float | None
    ok: bool | None
    spread: str

    @classmethod
    def compared(
        cls,
        name: str,
        ours: list[float],
        theirs: list[float],
        unit: str,
        goal: float,
        *,
        higher: bool,
        at_least: bool = False,
    ) -> "Row":
        """`higher`: theirs over ours, at least the goal; else ours over theirs, at most it (at least, where so said)."""
        ratios = [b / a if higher else a / b for a, b in zip(ours, theirs, strict=False)]
        value = median(ratios)
        ok = value >= goal if higher or at_least else value <= goal
        return cls(name=name, ours=median(ours), theirs=median(theirs), unit=unit, ratio=round(value, 3), goal=goal, ok=ok,
                   spread=spread(ratios))  # fmt: skip

    @classmethod
    def least(cls, name: str, ours: list[float], unit: str, goal: float) -> "Row":
        return cls(name=name, ours=median(ours), theirs=None, unit=unit, ratio=None, goal=goal, ok=median(ours) >= goal,
                   spread=spread(ours))  # fmt: skip

    @classmethod
    def most(cls, name: str, ours: list[float], unit: str, goal: float) -> "Row":
        return cls(name=name, ours=median(ours), theirs=None, unit=unit, ratio=None, goal=goal, ok=median(ours) <= goal,
                   spread=spread(ours))  # fmt: skip

    @classmethod
    def figure(cls, name: str, ours: list[float], unit: str) -> "Row":
        """A figure without a goal."""
        return cls(
            name=name, ours=median(ours), theirs=None, unit=unit, ratio=None, goal=None, ok=None, spread=spread(ours)
        )

    def record(self) -> dict[str, Any]:
        out = asdict(self)
        for name in ("ours", "theirs"):
            if out[name] is not None:
                out[name] = float(f"{out[name]:.5g}")
        return out
