"""The gRPC server: its limits, its TLS, and how it ends: with what was asked before."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog

from riskstream.gateway.rpc.certificates import credentials_of
from riskstream.gateway.rpc.door import NAME, RpcDoor
from riskstream.gateway.rpc.health import Health
from riskstream.gateway.settings import GatewaySettings
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

log = structlog.get_logger("gateway")
MAX_MESSAGE_BYTES = 4_194_304
"""Of a batch: what gRPC's own libraries send and take unless they are told otherwise."""
MAX_STREAMS = 1000
"""Calls of one connection at a time."""
_MAX_CALLS = 8192
"""Of all connections: over it gRPC answers RESOURCE_EXHAUSTED by itself."""
_STOP_S = 5.0
"""Seconds for a reply to leave, over the longest deadline."""


@asynccontextmanager
async def serving(
    settings: GatewaySettings, door: RpcDoor, is_ready: Callable[[], bool]
) -> AsyncIterator[None]:
    """The server, in the loop that runs. Fatal where its port is taken."""
    health = Health(is_ready, (NAME,))
    server = grpc.aio.server(options=options_of(settings), maximum_concurrent_rpcs=_MAX_CALLS)
    server.add_generic_rpc_handlers((door.handlers(), health.handlers()))
    _listen(server, settings)
    await server.start()
    log.info("serving gRPC", host=settings.host, port=settings.grpc_port)
    try:
        yield
    finally:
        door.end()
        await server.stop(max(settings.max_deadline_ms, settings.deadline_ms) / 1000 + _STOP_S)


def options_of(settings: GatewaySettings) -> list[tuple[str, int]]:
    """The C core's options by the settings."""
    idle_ms, head = 1000 * settings.grpc_idle_timeout_s, settings.max_head_bytes
    most = max(settings.max_body_bytes, min(settings.max_batch_bytes, MAX_MESSAGE_BYTES))
    return [
        ("grpc.so_reuseport", 0),  # else a second gateway would share the port in silence
        ("grpc.max_receive_message_length", most),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        ("grpc.max_metadata_size", head),
        ("grpc.absolute_max_metadata_size", head),
        ("grpc.max_connection_idle_ms", idle_ms),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.server_handshake_timeout_ms", int(1000 * settings.receive_timeout_s)),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.compression_enabled_algorithms_bitset", 1),  # none: what is small cannot swell
    ]


def _listen(server: Any, settings: GatewaySettings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    where, credentials = f"{host}:{settings.grpc_port}", credentials_of(settings)
    try:
        if credentials is None:
            server.add_insecure_port(where)
        else:
            server.add_secure_port(where, credentials)
    except RuntimeError as error:
        raise Fatal(
            what=f"port {settings.grpc_port} cannot be used for gRPC",
            where=settings.host,
            do="give another --grpc-port or --host",
            exit_code=Exit.NOT_NOW,
        ) from error
