"""What the lane's metrics say of a micro-batch that is done."""

import time

import numpy as np

from riskstream.platform.kafka.lanes.exact.intake import scored_at
from riskstream.platform.kafka.lanes.ports import Batch, Outcome
from riskstream.platform.telemetry.metrics import LaneMetrics


def count(metrics: LaneMetrics, batch: Batch, outcome: Outcome, started: float) -> None:
    """`started`: of time.perf_counter, when the batch was polled."""
    replayed = int(np.count_nonzero(batch.modes))  # LIVE is 0
    metrics.records.labels(mode="live").inc(len(batch.modes) - replayed)
    if replayed:
        metrics.records.labels(mode="replay").inc(replayed)
    metrics.batch_seconds.observe(time.perf_counter() - started)
    metrics.batch_records.observe(len(batch.values))
    metrics.event_age_seconds.observe(scored_at(batch, outcome))
    for name, numbers in outcome.counted.items():
        counter = metrics.counted[name]
        for kind, number in numbers.items():
            counter.labels(kind).inc(number)
