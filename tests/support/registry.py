"""A small registry in this process that fails as real ones do; it speaks Confluent's API for what
it holds.
"""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class FakeRegistry:
    """`schemas` by id (what /schemas/ids answers), `mode` says how it fails; `asked` are the paths
    it was asked for.
    """

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, dict[str, Any]] = {}
        self.registered: dict[str, int] = {}
        self.mode = "well"
        self.asked: list[str] = []
        self.authorization: str | None = None
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked.append(self.path)
                fake.authorization = self.headers.get("Authorization")
                fake._answer(self)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                known = fake.registered.setdefault(self.path, len(fake.registered) + 1)
                fake.schemas[known] = {"schema": body["schema"]}
                _send(self, 200, json.dumps({"id": known}).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, schema_id: int, schema: dict[str, Any]) -> None:
        self.schemas[schema_id] = {"schema": json.dumps(schema)}

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.mode == "500":
            _send(handler, 500, b'{"error_code": 50001, "message": "store"}')
        elif self.mode == "401":
            _send(handler, 401, b'{"error_code": 40101, "message": "who are you"}')
        elif self.mode == "proxy_404":
            _send(handler, 404, b"<html>no such page</html>")
        elif self.mode == "garbage":
            _send(handler, 200, b"\xff\xfe not json")
        elif self.mode == "no_schema":
            _send(handler, 200, b'{"schema": "{"}')
        elif self.mode == "huge":
            _send(handler, 200, b'{"schema": "' + b"x" * 2_000_000 + b'"}')
        elif self.mode == "redirect":
            handler.send_response(302)
            handler.send_header("Location", f"{self.url}/elsewhere")
            handler.end_headers()
        elif self.mode == "slow":
            handler.send_response(200)
            handler.end_headers()
            for _ in range(100):
                try:
                    handler.wfile.write(b" ")
                    handler.wfile.flush()
                except OSError:
                    return
                time.sleep(0.05)
        else:
            self._well(handler)

    def _well(self, handler: BaseHTTPRequestHandler) -> None:
        parts = handler.path.strip("/").split("/")
        if parts[:2] == ["schemas", "ids"]:
            found = self.schemas.get(int(parts[2]))
            missing = {"error_code": 40403, "message": "Schema not found"}
        else:
            found = self.subjects.get("/".join(parts[1:]))
            missing = {"error_code": 40401, "message": "Subject not found"}
        _send(handler, 200 if found else 404, json.dumps(found or missing).encode())


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    with contextlib.suppress(OSError):  # who asked has heard enough
        handler.wfile.write(body)
