"""Starts the tracker: `python -m riskstream.tracker`."""

from riskstream.platform.kafka.claims import prove_ours
from riskstream.platform.kafka.currency import prove_currency
from riskstream.platform.kafka.lanes.derived import DerivedLane
from riskstream.platform.kafka.proofs import TopicNeeds
from riskstream.platform.process.derived import derived_settings, serve_lane
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.runtime.run import run_main
from riskstream.tracker.core import TrackerCore
from riskstream.tracker.outputs import ALERTS, STATE
from riskstream.tracker.settings import TrackerSettings

SCORES = "scores.v1"


def main() -> None:
    settings = TrackerSettings.load()
    with Process(settings) as process:
        process.prove(TopicNeeds.of_catalog("tracker", kept={SCORES: (ALERTS, STATE)}))
        metrics = TrackerMetrics()
        prove_currency(settings.kafka, settings.base_currency, SCORES, "score.v1")
        mine = (settings.group, (SCORES,))
        prove_ours(settings.kafka, process.admin, settings.group, {ALERTS: mine, STATE: mine})
        core = TrackerCore(
            MetricsObserver(metrics, "tracker"), settings.skipped(), settings.base_currency
        )
        lane = derived_settings(settings, SCORES)
        serve_lane(process, DerivedLane(lane, core, metrics, process.stop, tracer=process.tracer))


if __name__ == "__main__":
    run_main(main)
