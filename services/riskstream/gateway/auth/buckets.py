"""Token buckets of this process alone, and what a caller is told of one. Pure."""

import math
from dataclasses import dataclass

MAX_CALLERS = 100_000
"""Buckets that are kept; the ones unused for longest are forgotten, and full again."""
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """`wait_s` is 0 where the request may go on, else the time until another one may."""

    rate_per_s: int
    burst: int
    left: int
    wait_s: float = 0.0

    def headers(self) -> tuple[tuple[str, str], ...]:
        """RateLimit and RateLimit-Policy, as draft-ietf-httpapi-ratelimit-headers-11 has them."""
        window = math.ceil(self.burst / self.rate_per_s)
        reset = self.retry_after_s or math.ceil((self.burst - self.left) / self.rate_per_s)
        return (
            ("RateLimit-Policy", f'"default";q={self.burst};w={window}'),
            ("RateLimit", f'"default";r={self.left};t={reset}'),
        )

    @property
    def retry_after_s(self) -> int:
        """Whole seconds; 0 where the request may go on."""
        return math.ceil(self.wait_s)


class LocalBuckets:
    """By caller how many requests may come, and since when that is known (s)."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, name: str, rate_per_s: int, burst: int, now_s: float) -> tuple[int, float]:
        """(left, seconds until there is another): one was taken where that is 0."""
        tokens = self._filled(name, rate_per_s, burst, now_s)
        is_taken = tokens >= 1 - _ROUNDING
        tokens -= is_taken
        self._keep(name, tokens, now_s)
        return max(int(tokens), 0), 0.0 if is_taken else (1 - tokens) / rate_per_s

    def spend(self, name: str, rate_per_s: int, burst: int, count: int, now_s: float) -> None:
        """Take so many, also what is not there."""
        self._keep(name, self._filled(name, rate_per_s, burst, now_s) - count, now_s)

    def _filled(self, name: str, rate_per_s: int, burst: int, now_s: float) -> float:
        tokens, at_s = self._held.pop(name, (float(burst), now_s))
        return min(float(burst), tokens + max(now_s - at_s, 0.0) * rate_per_s)

    def _keep(self, name: str, tokens: float, now_s: float) -> None:
        self._held[name] = tokens, now_s
        if len(self._held) > MAX_CALLERS:
            del self._held[next(iter(self._held))]
