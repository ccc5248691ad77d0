"""Starts the gateway: `python -m riskstream.gateway`."""

from riskstream.adapters.schemas import open_schemas
from riskstream.gateway.app import Gateway
from riskstream.gateway.listening import bound
from riskstream.gateway.rates import read_rates
from riskstream.gateway.serving import http_server
from riskstream.gateway.settings import GatewaySettings
from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.currency import prove_currency
from riskstream.kafka.proofs import TopicNeeds, TopicWatch, prove_topics
from riskstream.runtime.clock import SystemClock
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.run import freeze_garbage_collector, run_main, stop_event
from riskstream.telemetry.exporter import Tracing
from riskstream.telemetry.health import TelemetryServer
from riskstream.telemetry.logs import set_up_logs
from riskstream.telemetry.metrics import GatewayMetrics


def main() -> int:
    settings = GatewaySettings.load()
    set_up_logs("gateway", settings.log_level)
    rates = read_rates(settings.rates, settings.base_currency)
    health = TelemetryServer(settings.telemetry_host, settings.telemetry_port)
    listening = bound(settings.host, settings.port)
    admin = TopicAdmin(settings.kafka)
    admin.wait_until_allowed()
    needs = TopicNeeds.of_catalog("gateway")
    prove_topics(admin, needs, settings.kafka)
    watch = TopicWatch(admin, needs)
    open_schemas(settings.kafka, "gateway")
    prove_currency(settings.kafka, settings.base_currency, "scores.v1", "score.v1")
    tracing = Tracing("gateway")
    metrics = GatewayMetrics()
    gateway = Gateway(settings, rates, SystemClock(), metrics, tracing.tracer)
    server = http_server(gateway.app(lambda: server.is_draining), settings, metrics)
    compile_all()
    health.show(
        is_alive=lambda: gateway.is_alive,
        is_ready=lambda: gateway.is_ready and watch.is_whole and not server.is_draining,
    )
    watch.start()
    freeze_garbage_collector()
    stop_event()  # uvicorn drains on a signal, then raises it again: that must not end us before our own end
    server.run(sockets=[listening])
    watch.stop()
    tracing.stop()
    health.stop()
    return 0 if server.started else 1


if __name__ == "__main__":
    run_main(main)
