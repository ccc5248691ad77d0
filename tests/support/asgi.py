"""Requests to an ASGI application in this process: no socket."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True, slots=True)
class Answered:
    """`headers` by lower-case name; `body` as JSON, None where there is none."""

    status: int
    headers: dict[str, str]
    body: Any


def ask(
    app: ASGIApp,
    target: str,
    *,
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    method: str = "POST",
    extensions: dict[str, Any] | None = None,
) -> Answered:
    """What the application answers to one request."""
    return asyncio.run(asked(app, target, headers, body, method, extensions))


async def asked(
    app: ASGIApp,
    target: str,
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    method: str = "POST",
    extensions: dict[str, Any] | None = None,
) -> Answered:
    """As `ask`, in a loop that runs."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers or []],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
        "extensions": extensions or {},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    [start] = [each for each in sent if each["type"] == "http.response.start"]
    raw = b"".join(each.get("body", b"") for each in sent)
    found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answered(start["status"], found, json.loads(raw) if raw else None)
