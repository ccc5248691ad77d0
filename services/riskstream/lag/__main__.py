"""Starts the lag service: `python -m riskstream.lag`."""

import time

from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.proofs import TopicNeeds, TopicWatch, prove_topics
from riskstream.lag.app import LagService
from riskstream.lag.settings import LagSettings
from riskstream.runtime.run import run_main, stop_event
from riskstream.telemetry.health import TelemetryServer
from riskstream.telemetry.logs import set_up_logs
from riskstream.telemetry.metrics import LagMetrics


def main() -> None:
    settings = LagSettings.load()
    set_up_logs("lag", settings.log_level)
    stop = stop_event()
    health = TelemetryServer(settings.telemetry_host, settings.telemetry_port)
    admin = TopicAdmin(settings.kafka)
    admin.wait_until_allowed()
    needs = TopicNeeds(reads=settings.named())
    prove_topics(admin, needs, settings.kafka)
    watch = TopicWatch(admin, needs)
    service = LagService(settings, LagMetrics(), stop, admin)
    health.show(
        is_alive=lambda: time.monotonic() - service.loop_seen < settings.every_s + 120,
        is_ready=lambda: service.is_ready and watch.is_whole,
    )
    watch.start()
    try:
        service.run()
    finally:
        watch.stop()
        health.stop()


if __name__ == "__main__":
    run_main(main)
