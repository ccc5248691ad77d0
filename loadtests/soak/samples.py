"""What a soak notes of each service, and whether it stayed flat."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from riskstream.workbench.local.services import Service, cpu_s, own_mib

MOST_MIB_AN_HOUR, MOST_HANDLES = 1.0, 2.0
"""The slope of resident memory without pages of files, which come and go with the kernel's need of
them; and handles that the last fifth has more than the first.
"""
MOST_P99 = 1.5
"""p99 of the last fifth over that of the first. Noise of a small machine is within it."""


@dataclass(slots=True)
class Samples:
    """A service by time: hours since the start, MiB resident, those of them that are its own, open
    handles, CPU seconds.
    """

    hours: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)
    own_mib: list[float] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def take(self, service: Service, hours: float) -> None:
        self.hours.append(hours)
        self.rss_mib.append(service.rss_mib())
        self.own_mib.append(own_mib(service.server.pid))
        self.handles.append(handles_of(service.server.pid))
        self.cpu_s.append(cpu_s(service.server.pid))

    def record(self, warm_h: float) -> dict[str, Any]:
        """Figures of the time after the first `warm_h` hours."""
        first = next(at for at, hours in enumerate(self.hours) if hours >= warm_h)
        hours, handles = self.hours[first:], self.handles[first:]
        rss, own = self.rss_mib[first:], self.own_mib[first:]
        grown = ends(handles)
        return {
            "rss_mib": round(median(rss), 1),
            "own_mib": round(median(own), 1),
            "mib_an_hour": round(slope(hours, own), 3),
            "rss_mib_an_hour": round(slope(hours, rss), 3),
            "handles": handles[-1],
            "handles_more": grown[1] - grown[0],
            "cpu_cores": round((self.cpu_s[-1] - self.cpu_s[first]) / 3600 / span(hours), 4),
        }


def handles_of(pid: int) -> int:
    """Open file handles of a process."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def span(hours: list[float]) -> float:
    """Hours between the first and the last."""
    return max(hours[-1] - hours[0], 1e-9)


def slope(xs: list[float], ys: list[float]) -> float:
    """Of a line through the points, by least squares; 0 where there is one."""
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    square = sum((x - mx) ** 2 for x in xs)
    above = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
    return above / square if square else 0.0


def ends(values: list[Any]) -> tuple[float, float]:
    """Medians of the first and of the last fifth."""
    fifth = max(len(values) // 5, 1)
    return median(values[:fifth]), median(values[-fifth:])


def problems(services: dict[str, dict[str, Any]], p99: tuple[float, float]) -> list[str]:
    """What did not stay flat. `p99`: of the first fifth and of the last one, ms."""
    found = []
    for name, figures in services.items():
        if figures["mib_an_hour"] > MOST_MIB_AN_HOUR:
            found.append(f"{name}: memory grows by {figures['mib_an_hour']:.2f} MiB an hour")
        if figures["handles_more"] > MOST_HANDLES:
            found.append(
                f"{name}: {figures['handles_more']:.0f} handles more than in the beginning"
            )
    if p99[1] > MOST_P99 * p99[0]:
        found.append(f"p99 rises from {p99[0]:.1f} to {p99[1]:.1f} ms")
    return found
