"""A histogram of how old records are, each record one observation: told a micro-batch at a time, by
one thread.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

_FEW = 512
"""Up to so many records a list is sorted sooner than an array."""


class Ages(Collector):
    """`observe` the append times of a batch: a late batch of 2,048 is 2,048 late records, as an SLO
    counts them.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        bounds_s: tuple[float, ...],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation, self._bounds_s = name, documentation, bounds_s
        self._bounds_ms = [1000 * bound for bound in bounds_s]
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0
        registry.register(self)

    def observe(self, appended_at: NDArray[np.int64]) -> None:
        """Append times in ms since 1970 UTC, in any order; one in the future counts as age 0."""
        now_ms = time.time() * 1000
        times: Sequence[int] | NDArray[np.int64]
        if len(appended_at) <= _FEW:
            times = sorted(appended_at.tolist())
            past = bisect_right(times, now_ms)
            self._sum_s += (now_ms * past - sum(times[:past])) / 1000
        else:
            times = np.sort(appended_at)
            past = bisect_right(times, now_ms)
            self._sum_s += (now_ms * past - float(times[:past].sum())) / 1000
        self._count(now_ms, times)

    def _count(self, now_ms: float, times: Sequence[int] | NDArray[np.int64]) -> None:
        """From the newest to the oldest, bucket by bucket: as a rule a batch lies in one or two of
        them.
        """
        left = len(times)
        if not left:
            return
        at = bisect_left(self._bounds_ms, now_ms - int(times[-1]))
        for bound in self._bounds_ms[at:]:
            older = bisect_left(times, now_ms - bound)
            self._counts[at] += left - older
            left, at = older, at + 1
            if not left:
                return
        self._counts[at] += left

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """One family, as a Histogram of prometheus_client would show it."""
        family = HistogramMetricFamily(self._name, self._documentation)
        buckets, total = [], 0
        for bound, count in zip(
            (*map(str, self._bounds_s), "+Inf"), list(self._counts), strict=True
        ):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric([], buckets, self._sum_s)
        yield family
