"""`python -m loadtests.chain.stage shuffle|owner KAFKA REDIS`: one stage of the profiler as a
process of its own. The owner says how much CPU it had used before its first record.
"""

import signal
import sys
import time
from collections.abc import Sequence
from threading import Event

from prometheus_client import CollectorRegistry

from riskstream.domain.risk.features.sets import SETS
from riskstream.platform.adapters.redis_profiles import RedisProfileView
from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.kafka.record import Made, Record
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler.core import ProfilerCore
from riskstream.profiler.shuffle import EVENTS, LABEL_LETTERS, LABELS, TRANSACTIONS, ShuffleCore
from riskstream.runtime.kernel import compile_all

FEATURES = SETS["standard-profiles"]
BEFORE = "CPU seconds before the first record: "


class _Owner(ProfilerCore):
    """It commits in leaps while it is behind: commits say little of when it began."""

    _has_begun = False

    def take(self, partition: int, records: Sequence[Record], committed: int) -> list[Made]:
        if not self._has_begun:
            self._has_begun = True
            print(f"{BEFORE}{time.process_time()}", flush=True)
        return super().take(partition, records, committed)


def _owner(kafka: str, redis: str, metrics: ProfilerMetrics, stop: Event) -> DerivedLane:
    core = _Owner(FEATURES, MetricsObserver(metrics, "profiler"))
    lane = DerivedSettings(
        kafka=kafka, group="profiler", source=EVENTS, instance="0", commit_ms=100, flush_ms=2000
    )
    view = RedisProfileView(redis, FEATURES, core.clocks, metrics)
    return DerivedLane(lane, core, metrics, stop, view)


def _shuffle(kafka: str, metrics: ProfilerMetrics, stop: Event) -> ForwardLane:
    lane = ForwardSettings(
        kafka=kafka,
        group="profiler-shuffle",
        sources=(TRANSACTIONS, LABELS),
        output=EVENTS,
        dead_letters={LABELS: LABEL_LETTERS},
    )
    return ForwardLane(lane, ShuffleCore(tuple(FEATURES.profiles), lane.max_batch), metrics, stop)


def main() -> None:
    stage, kafka, redis = sys.argv[1:4]
    metrics, stop = ProfilerMetrics(CollectorRegistry()), Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    compile_all()
    if stage == "owner":
        _owner(kafka, redis, metrics, stop).run()
    else:
        _shuffle(kafka, metrics, stop).run()


if __name__ == "__main__":
    main()
