"""A histogram a stage, written by one thread: a mark costs a third of a labelled Histogram's
observe, once a micro-batch each.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from riskstream.platform.telemetry.conventions import STAGE_SECONDS


class Stages(Collector):
    """`begin`, then `mark` at the end of each stage: the time since the mark before is the
    stage's.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        stages: tuple[str, ...],
        bounds_s: tuple[float, ...],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation, self._bounds = name, documentation, bounds_s
        self._counts = {stage: [0] * (len(bounds_s) + 1) for stage in stages}
        self._sums = dict.fromkeys(stages, 0.0)
        self._at = 0.0
        self.last = dict.fromkeys(stages, 0.0)
        """Seconds of each stage the last time it was marked."""
        registry.register(self)

    def begin(self) -> None:
        self._at = time.perf_counter()

    def mark(self, stage: str) -> None:
        """The stage is over; the next one begins."""
        now = time.perf_counter()
        seconds, self._at = now - self._at, now
        self.last[stage] = seconds
        self._sums[stage] += seconds
        self._counts[stage][bisect_left(self._bounds, seconds)] += 1

    def shown(self) -> dict[str, str | int | float]:
        """Seconds of each stage of the last round, as attributes of its span."""
        return {STAGE_SECONDS.format(stage=stage): seconds for stage, seconds in self.last.items()}

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """One family, a series of buckets a stage."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=["stage"])
        for stage, counts in self._counts.items():
            buckets, total = [], 0
            for bound, count in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            family.add_metric([stage], buckets, self._sums[stage])
        yield family
