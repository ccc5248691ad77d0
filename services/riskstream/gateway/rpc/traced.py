"""The span of one call by gRPC."""

import time

from riskstream.gateway.traced import RequestTrace
from riskstream.platform.telemetry import conventions as names
from riskstream.platform.telemetry.span import SERVER, Span


class RpcTrace(RequestTrace):
    """`path`: the method, with its service."""

    def end(self, status: int) -> None:
        service, method = self.path.strip("/").split("/")
        span = Span(
            self.path.strip("/"),
            SERVER,
            self.context,
            self.parent,
            self.started_ns,
            time.time_ns(),
            {names.RPC_SYSTEM: "grpc", names.RPC_SERVICE: service, names.RPC_METHOD: method},
            error=f"status {status}" if status >= 500 else "",
        )
        self.tracer.record(span)
