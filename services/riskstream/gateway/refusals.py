"""Why a connection or a request is refused before any route sees it, and the answer as bytes."""

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from riskstream.gateway.problem import Problem, busy


def malformed(detail: str) -> Problem:
    return _problem(400, "malformed-request", "The request is not HTTP", detail)


def slow(seconds: float) -> Problem:
    detail = f"{seconds:g} s have passed and the request is not complete"
    return _problem(408, "slow-request", "The request did not arrive in time", detail)


def body_too_large(most: int) -> Problem:
    return _problem(413, "body-too-large", "The body is too large", f"{most} bytes at most")


def target_too_long(most: int) -> Problem:
    detail = f"{most} bytes at most, with the headers"
    return _problem(414, "target-too-long", "The target is too long", detail)


def too_many_pipelined(most: int) -> Problem:
    detail = f"{most} requests may be sent ahead of their answers"
    return _problem(429, "too-many-pipelined", "Too many requests at once", detail)


def headers_too_large(most: int) -> Problem:
    return _problem(431, "headers-too-large", "The headers are too large", f"{most} bytes at most")


def too_many_frames() -> Problem:
    detail = "the connection sends frames without requests, or takes its requests back"
    return _problem(429, "too-many-frames", "Too many frames at once", detail)


def too_many(most: int) -> Problem:
    return busy(f"{most} connections are open already", "too-many-connections")


def _problem(status: int, code: str, title: str, detail: str) -> Problem:
    return Problem(status=status, code=code, title=title, detail=detail)


def as_message(problem: Problem) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """(headers, body) of the answer, whatever its transport."""
    body = msgspec.json.encode(problem.body())
    headers = [
        *problem.headers,
        ("content-type", "application/problem+json"),
        ("content-length", str(len(body))),
    ]
    return [(name.lower().encode(), value.encode()) for name, value in headers], body


def as_response(problem: Problem) -> bytes:
    """The whole response of HTTP/1.1; it is the connection's last."""
    headers, body = as_message(problem)
    lines = [b"%s: %s\r\n" % each for each in [*headers, (b"connection", b"close")]]
    return b"".join([STATUS_LINE[problem.status], *lines, b"\r\n", body])
