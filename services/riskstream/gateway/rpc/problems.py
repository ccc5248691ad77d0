"""A problem as gRPC tells it: a status, its details, and what a caller may read of both. Pure.

The details are google.rpc.Status (`grpc-status-details-bin`), as libraries of every language read
it: in it a riskstream.v1.Problem, and google.rpc.RetryInfo where to try again may help.
"""

from typing import Any

from grpc import StatusCode

from riskstream.domain.contracts.proto_model import PACKAGE
from riskstream.gateway.problem import Problem
from riskstream.gateway.rpc.messages import message_class

DETAILS = "grpc-status-details-bin"
_CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    408: StatusCode.DEADLINE_EXCEEDED,
    409: StatusCode.FAILED_PRECONDITION,
    413: StatusCode.RESOURCE_EXHAUSTED,
    422: StatusCode.FAILED_PRECONDITION,
    429: StatusCode.RESOURCE_EXHAUSTED,
    500: StatusCode.INTERNAL,
    503: StatusCode.UNAVAILABLE,
}
MAX_DETAIL_BYTES = 3072
"""Of the problem in a status: callers take 8 KiB of metadata, all together, in base64."""
MAX_MESSAGE = 512
"""Characters of a status's message."""


def code_of(problem: Problem) -> StatusCode:
    """The status of a problem."""
    return _CODES[problem.status]


def message_of(problem: Problem) -> str:
    """The words of a status."""
    return f"{problem.code}: {problem.detail}"[:MAX_MESSAGE]


def details_of(problem: Problem) -> bytes:
    """google.rpc.Status in bytes."""
    message = problem_message(problem)
    while message.ByteSize() > MAX_DETAIL_BYTES and message.errors:
        del message.errors[-1]
    any_of = [_any(f"{PACKAGE}.Problem", message.SerializeToString())]
    if retry_ms := _retry_after_ms(problem):
        seconds, rest_ms = divmod(retry_ms, 1000)
        delay = _number(1, seconds) + _number(2, rest_ms * 1_000_000)
        any_of.append(_any("google.rpc.RetryInfo", _bytes(1, delay)))
    code = _number(1, code_of(problem).value[0])
    told = _bytes(2, message_of(problem).encode())
    return code + told + b"".join(_bytes(3, each) for each in any_of)


def problem_message(problem: Problem) -> Any:
    """As a riskstream.v1.Problem."""
    more = dict(problem.more)
    out = message_class("Problem")(
        status=problem.status, code=problem.code, title=problem.title, detail=problem.detail
    )
    for each in problem.errors:
        out.errors.add(path=each.path, code=each.code, detail=each.detail, allowed=each.allowed)
    if "reason" in more:
        out.reason = str(more["reason"])
    if retry_ms := _retry_after_ms(problem):
        out.retry_after_ms = retry_ms
    return out


def _retry_after_ms(problem: Problem) -> int:
    after = next((value for name, value in problem.headers if name == "Retry-After"), "0")
    return int(after) * 1000


def _any(name: str, value: bytes) -> bytes:
    """google.protobuf.Any."""
    return _bytes(1, f"type.googleapis.com/{name}".encode()) + _bytes(2, value)


def _bytes(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value) if value else b""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
