"""Starts the gateway: `python -m riskstream.gateway`."""

from riskstream.gateway.doors import open_doors
from riskstream.gateway.handler import Handler
from riskstream.gateway.listening import bound
from riskstream.gateway.rates import read_rates
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.kafka.currency import prove_currency
from riskstream.platform.kafka.proofs import TopicNeeds
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.run import run_main


def main() -> int:
    settings = GatewaySettings.load()
    rates = read_rates(settings.rates, settings.base_currency)
    with Process(settings, handles_signals=False) as process:
        listening = bound(settings.host, settings.port)
        process.prove(TopicNeeds.of_catalog("gateway"))
        prove_currency(settings.kafka, settings.base_currency, "scores.v1", "score.v1")
        metrics = GatewayMetrics()
        handler = Handler(settings, metrics)
        server = open_doors(settings, rates, metrics, handler, process)
        compile_all()
        return process.serve(
            lambda: server.serve_on(listening),
            is_alive=lambda: handler.is_alive,
            is_ready=lambda: handler.is_ready and not server.is_draining,
        )


if __name__ == "__main__":
    run_main(main)
