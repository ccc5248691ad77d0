"""Starts the reporter: `python -m riskstream.reporter`."""

from riskstream.platform.kafka.currency import prove_currency
from riskstream.platform.kafka.proofs import TopicNeeds
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.app import Coverage, Reporter, ReportFolder
from riskstream.reporter.rounds import serve_rounds
from riskstream.reporter.settings import ReporterSettings
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
            grace_s=settings.grace_s,
            so_far=settings.so_far,
            base_currency=settings.base_currency,
            client=settings.client,
        )
        folder, metrics = ReportFolder(settings.out, settings.keep), ReporterMetrics()
        reporter = Reporter(
            settings.kafka, folder, coverage, metrics, tracer=process.tracer, writes_totals=True
        )
        serve_rounds(process, settings, reporter)


if __name__ == "__main__":
    run_main(main)
