"""Starts the lag service: `python -m riskstream.lag`."""

import time

from riskstream.lag.app import LagService
from riskstream.lag.settings import LagSettings
from riskstream.platform.kafka.proofs import TopicNeeds
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import LagMetrics
from riskstream.runtime.run import run_main


def main() -> None:
    settings = LagSettings.load()
    with Process(settings) as process:
        process.prove(TopicNeeds(reads=settings.named()), schemas=False)
        service = LagService(settings, LagMetrics(), process.stop, process.admin)
        process.serve(
            service.run,
            is_alive=lambda: time.monotonic() - service.loop_seen < settings.every_s + 120,
            is_ready=lambda: service.is_ready,
        )


if __name__ == "__main__":
    run_main(main)
