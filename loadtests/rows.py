"""Rows of a bench's JSON: what was measured, the goal, and whether it was met."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any


def spread(values: list[float]) -> str:
    """Smallest to largest."""
    return f"{min(values):.3g} to {max(values):.3g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row; `ours`, `theirs` and `ratio` are medians over the rounds, `spread` is of the ratio
    by round.
    """

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
        goal: float | None,
        *,
        higher: bool,
        at_least: bool = False,
    ) -> "Row":
        """`higher`: theirs over ours, at least the goal; else ours over theirs, at most it (at
        least, where so said). Without a goal it is only shown.
        """
        ratios = [b / a if higher else a / b for a, b in zip(ours, theirs, strict=False)]
        value = median(ratios)
        ok = None if goal is None else value >= goal if higher or at_least else value <= goal
        return cls(
            name=name,
            ours=median(ours),
            theirs=median(theirs),
            unit=unit,
            ratio=round(value, 3),
            goal=goal,
            ok=ok,
            spread=spread(ratios),
        )

    @classmethod
    def least(cls, name: str, ours: list[float], unit: str, goal: float) -> "Row":
        return cls(
            name=name,
            ours=median(ours),
            theirs=None,
            unit=unit,
            ratio=None,
            goal=goal,
            ok=median(ours) >= goal,
            spread=spread(ours),
        )

    @classmethod
    def most(cls, name: str, ours: list[float], unit: str, goal: float) -> "Row":
        return cls(
            name=name,
            ours=median(ours),
            theirs=None,
            unit=unit,
            ratio=None,
            goal=goal,
            ok=median(ours) <= goal,
            spread=spread(ours),
        )

    @classmethod
    def figure(cls, name: str, ours: list[float], unit: str) -> "Row":
        """A figure without a goal."""
        return cls(
            name=name,
            ours=median(ours),
            theirs=None,
            unit=unit,
            ratio=None,
            goal=None,
            ok=None,
            spread=spread(ours),
        )

    def record(self) -> dict[str, Any]:
        out = asdict(self)
        for name in ("ours", "theirs"):
            if out[name] is not None:
                out[name] = float(f"{out[name]:.5g}")
        return out


def write_result(
    path: Path, load: str, rows: list[Row], skipped: list[dict[str, str]]
) -> dict[str, Any]:
    """Write a bench's file and print it; what was written."""
    result = {
        "machine": machine(),
        "load": load,
        "rows": [row.record() for row in rows],
        "skipped": skipped,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return result


def machine() -> str:
    """Cores and processor."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if ("model name") in line
    ]
    return f"{os.cpu_count()} cores, {platform.machine()}, {names[0] if names else 'unknown'}"
