"""Starts the reporter: `python -m riskstream.reporter`."""

import time

from riskstream.platform.kafka.currency import prove_currency
from riskstream.platform.kafka.proofs import TopicNeeds
from riskstream.platform.kafka.standby import Standby
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.app import Coverage, Reporter, ReportFolder
from riskstream.reporter.rounds import Rounds
from riskstream.reporter.settings import ReporterSettings
from riskstream.reporter.totals import TOPIC
from riskstream.reporter.write import has_reports
from riskstream.runtime.files import check_folder
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.run import run_main


def main() -> None:
    settings = ReporterSettings.load()
    check_folder(settings.out, is_own=has_reports, is_replaced=False)
    with Process(settings) as process:
        process.prove(TopicNeeds.of_catalog("reporter"))
        prove_currency(settings.kafka, settings.base_currency, "scores.v1", "score.v1")
        compile_all()
        coverage = Coverage(
            grace_s=settings.grace_s, so_far=settings.so_far, base_currency=settings.base_currency
        )
        folder = ReportFolder(settings.out, settings.keep)
        reporter = Reporter(
            settings.kafka,
            folder,
            coverage,
            ReporterMetrics(),
            tracer=process.tracer,
            writes_totals=True,
        )
        turn = Standby(
            settings.kafka,
            "reporter",
            TOPIC,
            group_protocol=settings.group_protocol,
            session_timeout_ms=settings.session_timeout_ms,
        )
        rounds = Rounds(reporter, turn, process.stop)
        with turn:
            process.serve(
                lambda: rounds.run(settings.every_s),
                is_alive=lambda: time.monotonic() - rounds.seen_at < settings.every_s + 900,
                is_ready=lambda: True,
            )


if __name__ == "__main__":
    run_main(main)
