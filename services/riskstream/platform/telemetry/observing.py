"""The Observer of a process: counts into its metrics class, reports into its log."""

from typing import cast

import structlog
from prometheus_client import Counter, Gauge


class MetricsObserver:
    """`metrics`: an object of `telemetry.metrics`, whose counters and gauges a core names."""

    def __init__(self, metrics: object, logger: str) -> None:
        self._metrics, self._log = metrics, structlog.get_logger(logger)

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        counter = cast("Counter", getattr(self._metrics, name))
        (counter.labels(**labels) if labels else counter).inc(by)

    def show(self, name: str, value: float, **labels: str) -> None:
        gauge = cast("Gauge", getattr(self._metrics, name))
        (gauge.labels(**labels) if labels else gauge).set(value)

    def report(self, event: str, **fields: object) -> None:
        self._log.error(event, **fields)
