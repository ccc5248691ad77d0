"""What a call may fail with, and what the gateway said. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_KIND = "urn:riskstream:problem:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a body. `path` is a JSONPath to it."""

    path: str
    code: str
    detail: str
    allowed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What the gateway says of a refusal (RFC 9457). `code` is "" where another program on the way
    refused.
    """

    status: int
    code: str
    title: str
    detail: str
    errors: tuple[Fault, ...] = ()
    more: Mapping[str, Any]

    @classmethod
    def of(cls, status: int, told: Any) -> Self:
        """From the members of application/problem+json, whatever is in them."""
        data: dict[str, Any] = dict(told) if isinstance(told, Mapping) else {}
        given = data.get("errors")
        texts = ("path", "code", "detail", "allowed")
        return cls(
            status=status,
            code=str(data.get("type", "")).removeprefix(_KIND),
            title=str(data.get("title", "")),
            detail=str(data.get("detail", "")),
            errors=tuple(
                Fault(**{name: str(each.get(name, "")) for name in texts})
                for each in (given if isinstance(given, list) else [])
                if isinstance(each, Mapping)
            ),
            more=data,
        )


class ClientError(Exception):
    """Why a call has no result. `attempts`: how often it was sent."""

    attempts: int = 0


class Refused(ClientError):
    """The gateway refused, and a repeat would be refused again, or not in time. `retry_after_s` is
    None where it did not say when to try again.
    """

    def __init__(
        self, problem: Problem, request_id: str = "", retry_after_s: float | None = None
    ) -> None:
        self.problem, self.request_id, self.retry_after_s = problem, request_id, retry_after_s
        said = problem.detail or problem.title or "no words"
        super().__init__(f"{problem.status} {problem.code or 'without a code'}: {said}")

    @property
    def code(self) -> str:
        return self.problem.code

    @property
    def detail(self) -> str:
        return self.problem.detail

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self.problem.errors


class NoAnswer(ClientError):
    """No answer came within the deadline, or the gateway cannot be reached. It may have taken what
    was sent: send the same ids again.
    """


class BadAnswer(ClientError):
    """The answer is not one of the gateway's: another program answers at this address."""
