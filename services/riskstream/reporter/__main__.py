"""Starts the reporter: `python -m riskstream.reporter`."""

import time

from riskstream.adapters.schemas import open_schemas
from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.currency import prove_currency
from riskstream.kafka.proofs import TopicNeeds, TopicWatch, prove_topics
from riskstream.kafka.standby import Standby
from riskstream.reporter.app import Reporter
from riskstream.reporter.rounds import Rounds
from riskstream.reporter.settings import ReporterSettings
from riskstream.reporter.totals import TOPIC
from riskstream.reporter.write import has_reports
from riskstream.runtime.files import check_folder
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.run import run_main, stop_event
from riskstream.telemetry.exporter import Tracing
from riskstream.telemetry.health import TelemetryServer
from riskstream.telemetry.logs import set_up_logs
from riskstream.telemetry.metrics import ReporterMetrics


def main() -> None:
    settings = ReporterSettings.load()
    set_up_logs("reporter", settings.log_level)
    check_folder(settings.out, is_own=has_reports, is_replaced=False)
    stop = stop_event()
    health = TelemetryServer(settings.telemetry_host, settings.telemetry_port)
    admin = TopicAdmin(settings.kafka)
    admin.wait_until_allowed()
    needs = TopicNeeds.of_catalog("reporter")
    prove_topics(admin, needs, settings.kafka)
    watch = TopicWatch(admin, needs)
    open_schemas(settings.kafka, "reporter")
    prove_currency(settings.kafka, settings.base_currency, "scores.v1", "score.v1")
    compile_all()
    tracing = Tracing("reporter")
    reporter = Reporter(
        settings.kafka, settings.out, ReporterMetrics(), grace_s=settings.grace_s, so_far=settings.so_far,
        tracer=tracing.tracer, writes_totals=True, keep=settings.keep, base_currency=settings.base_currency,
    )  # fmt: skip
    turn = Standby(
        settings.kafka, "reporter", TOPIC, group_protocol=settings.group_protocol,
        session_timeout_ms=settings.session_timeout_ms,
    )  # fmt: skip
    rounds = Rounds(reporter, turn, stop)
    health.show(
        is_alive=lambda: time.monotonic() - rounds.seen_at < settings.every_s + 900, is_ready=lambda: watch.is_whole
    )
    watch.start()
    try:
        with turn:
            rounds.run(settings.every_s)
    finally:
        watch.stop()
        tracing.stop()
        health.stop()


if __name__ == "__main__":
    run_main(main)
