"""When a call is sent again, and when it has failed. Pure: time and chance are given.

A repeat is safe: each request has the ids of its records and one Idempotency-Key.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from riskstream.client.errors import BadAnswer, ClientError, NoAnswer, Problem, Refused
from riskstream.client.requests import Request

LEAST_DEADLINE_MS = 20
_AGAIN = (429, 500, 502, 503, 504)
_FIRST_S, _MOST_S = 0.05, 2.0
"""The pause before the first repeat, doubled for each, and the longest."""
_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back. `headers` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Attempts:
    """The life of one call. `clock` is monotonic, s; `chance` gives 0 to 1."""

    request: Request
    clock: Callable[[], float]
    chance: Callable[[], float]
    made: int = 0
    ends_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.ends_at = self.clock() + self.request.timeout_s

    @property
    def left_s(self) -> float:
        return self.ends_at - self.clock()

    def headers(self) -> dict[str, str]:
        """Of the next attempt; NoAnswer where the time is over."""
        left_s = self.left_s
        if left_s <= 0:
            raise self.failed(NoAnswer(f"no answer within {self.request.timeout_s:g} s"))
        self.made += 1
        out = dict(self.request.headers)
        if self.request.deadline_ms:
            asked = min(self.request.deadline_ms, int(left_s * 1000))
            out["X-Deadline-Ms"] = str(max(asked, LEAST_DEADLINE_MS))
        return out

    def read(self, answer: Answered) -> Any:
        """The JSON of an answer, or the pause (s, as a `Pause`) before the next attempt. Refused or
        BadAnswer where there is nothing to wait for.
        """
        if 200 <= answer.status < 300:
            return self._json(answer)
        problem = Problem.of(answer.status, _problem_of(answer))
        after_s = _retry_after_s(answer)
        refused = Refused(problem, answer.headers.get("x-request-id", ""), after_s)
        if answer.status not in _AGAIN:
            raise self.failed(refused)
        return self._pause(refused, after_s or 0.0)

    def lost(self, error: Exception) -> "Pause":
        """The pause after a broken connection; NoAnswer where there is no time for another."""
        words = str(error) or type(error).__name__
        return self._pause(NoAnswer(f"the gateway cannot be reached: {words}"), 0.0)

    def failed(self, error: ClientError) -> ClientError:
        error.attempts = self.made
        return error

    def _pause(self, error: ClientError, least_s: float) -> "Pause":
        grown_s = min(_FIRST_S * 2 ** (self.made - 1), _MOST_S)
        pause_s = least_s + grown_s * (0.5 + 0.5 * self.chance())
        if pause_s >= self.left_s:
            raise self.failed(error)
        return Pause(pause_s)

    def _json(self, answer: Answered) -> Any:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            told = kind[:_SHOWN] or "nothing"
            raise self.failed(BadAnswer(f"{answer.status} came as {told}, not as JSON"))
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            words = f"{answer.status} came with a body that is no JSON: {str(error)[:_SHOWN]}"
            raise self.failed(BadAnswer(words)) from None


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds to wait."""

    seconds: float


def _problem_of(answer: Answered) -> Any:
    """The problem's members, None where somebody else than the gateway answered."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _retry_after_s(answer: Answered) -> float | None:
    """Whole seconds of the header; a date is left out, as clocks differ."""
    told = answer.headers.get("retry-after", "").strip()
    return float(told) if told.isascii() and told.isdigit() and len(told) < 10 else None
