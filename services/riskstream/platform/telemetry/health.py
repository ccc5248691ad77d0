"""The telemetry port of a process: /metrics, /livez (its own loop and all its threads), /readyz
(what it needs).
"""

import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import structlog
from prometheus_client import REGISTRY, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.threads import dead_threads

log = structlog.get_logger("telemetry")
Check = Callable[[], bool]
_RECEIVE_S = 10
"""Longest wait for a request, and for the peer to take its answer."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  its signature
        """A peer that goes away is no event, and anything else is one line."""
        if not isinstance(error := sys.exception(), OSError):
            log.error("telemetry request failed", exc_info=error)


class TelemetryServer:
    """Serves the three paths on a thread of its own. `port` is the one it got.

    Made before everything else: a process whose port is taken must not join a group. Alive and not
    ready, until `show`.
    """

    def __init__(self, host: str, port: int) -> None:
        self._is_alive: Check = lambda: True
        self._is_ready: Check = lambda: False
        server = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _RECEIVE_S

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    # exemplars are in OpenMetrics only
                    encode, kind = choose_encoder(self.headers.get("Accept", ""))
                    self._answer(200, kind, encode(REGISTRY))
                elif self.path in ("/livez", "/readyz"):
                    is_whole = not dead_threads()
                    ok = is_whole and (
                        server._is_alive() if self.path == "/livez" else server._is_ready()
                    )
                    body = json.dumps({"ok": ok}).encode()
                    self._answer(200 if ok else 503, "application/json", body)
                else:
                    self._answer(404, "application/json", b'{"ok": false}')

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass  # a probe is no event

        disable_created_metrics()  # type: ignore[no-untyped-call]  # in OpenMetrics each would be one more series
        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            raise Fatal(
                what=f"telemetry port {port} cannot be used: {error.strerror}",
                where=host,
                do="give another --telemetry-port, or 0 for a free one",
                exit_code=Exit.NOT_NOW,
            ) from error
        self._host = f"[{host}]" if ":" in host else host
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, name="telemetry", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://{self._host}:{self.port}"

    def show(self, *, is_alive: Check, is_ready: Check) -> None:
        """From now on the process itself says how it is."""
        self._is_alive, self._is_ready = is_alive, is_ready

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
