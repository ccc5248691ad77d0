"""A collector for tests and benches: takes OTLP/HTTP with JSON, keeps the spans, and may be told to
be away or to refuse.
"""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One span as it arrived; ids as hex, `parent` empty for a root, links as (trace, span)."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    error: str


class Collector:
    """Serves on a free port of 127.0.0.1; `status` is what it answers, `bodies` what came as it
    came.
    """

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer._lock:
                    if outer.status == 200:
                        outer.bodies.append(body)
                        outer.headers.append(dict(self.headers))
                self.send_response(outer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def spans(self) -> list[Seen]:
        """Everything that came, in order of arrival."""
        with self._lock:
            bodies = list(self.bodies)
        return [span for body in bodies for span in _spans(json.loads(body))]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _spans(body: dict[str, Any]) -> list[Seen]:
    out = []
    for resource in body["resourceSpans"]:
        who = _values(resource["resource"]["attributes"])
        for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
            out.append(
                Seen(
                    service=who["service.name"],
                    name=span["name"],
                    kind=span["kind"],
                    trace_id=span["traceId"],
                    span_id=span["spanId"],
                    parent=span.get("parentSpanId", ""),
                    start_ns=int(span["startTimeUnixNano"]),
                    end_ns=int(span["endTimeUnixNano"]),
                    attributes=_values(span["attributes"]),
                    links=tuple(
                        (link["traceId"], link["spanId"]) for link in span.get("links", ())
                    ),
                    error=span.get("status", {}).get("message", ""),
                )
            )
    return out


def _values(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for each in attributes:
        kind, value = next(iter(each["value"].items()))
        out[each["key"]] = int(value) if kind == "intValue" else value
    return out
