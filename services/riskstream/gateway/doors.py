"""The doors of a gateway: HTTP, and gRPC beside it where it has a port."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from riskstream.gateway.app import HttpDoor
from riskstream.gateway.auth.guard import Gate, open_guard
from riskstream.gateway.handler import Handler
from riskstream.gateway.listening import bound
from riskstream.gateway.rates import Rates
from riskstream.gateway.serving import DrainingServer, http_server
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import GatewayMetrics

Beside = Callable[[], AbstractAsyncContextManager[None]]


def open_doors(
    settings: GatewaySettings,
    rates: Rates,
    metrics: GatewayMetrics,
    handler: Handler,
    process: Process,
) -> DrainingServer:
    """The server of all doors. Fatal where a port or a file of the settings cannot be used."""
    door = HttpDoor(settings, rates, metrics, handler, process.tracer)
    gate = open_guard(settings, process, metrics)
    beside: Beside = nullcontext
    if settings.grpc_port:
        # that it is taken is told now; gRPC binds by itself, later
        bound(settings.host, settings.grpc_port).close()
        beside = _rpc(settings, rates, handler, gate, process, lambda: server.is_draining)
    server = http_server(door.app(lambda: server.is_draining, gate, beside), settings, metrics)
    return server


def _rpc(
    settings: GatewaySettings,
    rates: Rates,
    handler: Handler,
    gate: Gate,
    process: Process,
    is_draining: Callable[[], bool],
) -> Beside:
    from riskstream.gateway.rpc.door import RpcDoor  # only where asked for: 10 MB
    from riskstream.gateway.rpc.server import serving

    door = RpcDoor(settings, rates, handler, gate, process.tracer)
    return lambda: serving(settings, door, lambda: handler.is_ready and not is_draining())
