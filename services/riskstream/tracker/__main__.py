"""Starts the tracker: `python -m riskstream.tracker`."""

import time

from riskstream.adapters.schemas import open_schemas
from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.claims import prove_ours
from riskstream.kafka.currency import prove_currency
from riskstream.kafka.derived import DerivedLane, DerivedSettings
from riskstream.kafka.proofs import TopicNeeds, TopicWatch, prove_topics
from riskstream.kafka.watchdog import Watchdog
from riskstream.runtime.run import freeze_garbage_collector, run_main, stop_event
from riskstream.telemetry.exporter import Tracing
from riskstream.telemetry.health import TelemetryServer
from riskstream.telemetry.logs import set_up_logs
from riskstream.telemetry.metrics import TrackerMetrics
from riskstream.tracker.core import ALERTS, STATE, TrackerCore
from riskstream.tracker.settings import TrackerSettings

SCORES = "scores.v1"


def main() -> None:
    settings = TrackerSettings.load()
    set_up_logs("tracker", settings.log_level)
    stop = stop_event()
    health = TelemetryServer(settings.telemetry_host, settings.telemetry_port)
    admin = TopicAdmin(settings.kafka)
    admin.wait_until_allowed()
    needs = TopicNeeds.of_catalog("tracker", kept={SCORES: (ALERTS, STATE)})
    prove_topics(admin, needs, settings.kafka)
    watch = TopicWatch(admin, needs)
    open_schemas(settings.kafka, "tracker")
    metrics = TrackerMetrics()
    prove_currency(settings.kafka, settings.base_currency, SCORES, "score.v1")
    mine = (settings.group, (SCORES,))
    prove_ours(settings.kafka, admin, settings.group, {ALERTS: mine, STATE: mine})
    tracing = Tracing("tracker")
    lane = DerivedLane(
        DerivedSettings(
            kafka=settings.kafka, group=settings.group, source=SCORES, instance=settings.instance,
            commit_ms=settings.commit_ms, flush_ms=settings.flush_ms, group_protocol=settings.group_protocol,
            session_timeout_ms=settings.session_timeout_ms,
        ),
        TrackerCore(metrics, settings.skipped(), settings.base_currency), metrics, stop, tracer=tracing.tracer,
    )  # fmt: skip
    health.show(
        is_alive=lambda: time.monotonic() - lane.seen_at < 30, is_ready=lambda: lane.is_ready and watch.is_whole
    )
    watch.start()
    watchdog = Watchdog(lambda: lane.seen_at, lane.is_behind)
    watchdog.start()
    freeze_garbage_collector()
    try:
        lane.run()
    finally:
        watchdog.stop()
        watch.stop()
        tracing.stop()
        health.stop()


if __name__ == "__main__":
    run_main(main)
