"""How often a caller may send: by buckets that all gateways share, else by this gateway's own.

A caller that sends much gets a few requests at once from the shared bucket, so that most requests
ask nobody.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from riskstream.gateway.auth.buckets import MAX_CALLERS, Allowance, LocalBuckets
from riskstream.gateway.auth.caller import Caller
from riskstream.platform.telemetry.metrics import AccessMetrics
from riskstream.runtime.clock import Clock
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("limits")
LEASE_S, LARGEST_LEASE_S = 0.2, 0.1
"""How long requests from the shared bucket are kept, and of how many seconds they are at most."""
AWAY_S = 1.0
"""How long nobody asks the shared buckets after they did not answer."""


class SharedBuckets(Protocol):
    """Buckets of all gateways; as `RedisBuckets`."""

    async def take(
        self, name: str, rate_per_s: int, burst: int, wanted: int
    ) -> tuple[int, int, float]: ...

    async def spend(self, name: str, rate_per_s: int, burst: int, count: int) -> None: ...


@dataclass(slots=True)
class _Lease:
    """Requests that this gateway may let in without asking, until when, and how many next time."""

    left: int = 0
    shared_left: int = 0
    ends_s: float = 0.0
    size: int = 1
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limits:
    """`rate_per_s` and `burst` are of callers that say none; 0 is no limit."""

    def __init__(
        self,
        clock: Clock,
        metrics: AccessMetrics,
        shared: SharedBuckets | None = None,
        *,
        rate_per_s: int = 0,
        burst: int = 0,
    ) -> None:
        self._clock, self._metrics, self._shared = clock, metrics, shared
        self._rate_per_s, self._burst = rate_per_s, burst
        self._local = LocalBuckets()
        self._leases: dict[str, _Lease] = {}
        self._away_until_s = 0.0
        self._is_away = False

    async def take(self, caller: Caller) -> Allowance | None:
        """What a caller may send after this request; None where nothing limits it."""
        rate, burst = self._rate_of(caller)
        if rate == 0:
            return None
        if self._shared is not None and self._clock.monotonic() >= self._away_until_s:
            try:
                return await self._from_shared(self._shared, caller.name, rate, burst)
            except (Retryable, Fatal) as error:
                self._on_away(str(error))
        if self._shared is not None:
            self._metrics.limits_local.inc()
        left, wait_s = self._local.take(caller.name, rate, burst, self._clock.monotonic())
        return Allowance(rate_per_s=rate, burst=burst, left=left, wait_s=wait_s)

    async def spend(self, caller: Caller, count: int) -> None:
        """Take so many more for a request that was let in, also what is not there: the caller then
        waits until its rate has paid for them.
        """
        rate, burst = self._rate_of(caller)
        if rate == 0 or count <= 0:
            return
        if self._shared is not None and self._clock.monotonic() >= self._away_until_s:
            lease = self._leases.setdefault(caller.name, _Lease())
            kept = min(lease.left, count)
            try:
                lease.left = 0
                await self._shared.spend(caller.name, rate, burst, count - kept)
                return
            except (Retryable, Fatal) as error:
                self._on_away(str(error))
        self._local.spend(caller.name, rate, burst, count, self._clock.monotonic())

    def _rate_of(self, caller: Caller) -> tuple[int, int]:
        rate = caller.rate_per_s or self._rate_per_s
        return rate, caller.burst or (self._burst if not caller.rate_per_s else 0) or 2 * rate

    async def _from_shared(
        self, shared: SharedBuckets, name: str, rate: int, burst: int
    ) -> Allowance:
        lease = self._leases.setdefault(name, _Lease())
        if not self._holds(lease):
            async with lease.lock:  # one asks, the others get from what it brings
                if self._clock.monotonic() < self._away_until_s:  # as the one before found
                    raise Retryable(what="it did not answer", where="Redis")
                if not self._holds(lease):
                    wait_s = await self._renew(shared, lease, name, rate, burst)
                    if not lease.left:
                        return Allowance(rate_per_s=rate, burst=burst, left=0, wait_s=wait_s)
        lease.left -= 1
        left = min(lease.left + lease.shared_left, burst)
        return Allowance(rate_per_s=rate, burst=burst, left=left)

    def _holds(self, lease: _Lease) -> bool:
        return lease.left > 0 and self._clock.monotonic() < lease.ends_s

    async def _renew(
        self, shared: SharedBuckets, lease: _Lease, name: str, rate: int, burst: int
    ) -> float:
        """Seconds until there is another, where the lease stays empty."""
        is_used_up = not lease.left and self._clock.monotonic() < lease.ends_s
        most = max(min(int(rate * LARGEST_LEASE_S), burst), 1)
        lease.size = min(2 * lease.size, most) if is_used_up else 1
        lease.left = 0
        granted, left, wait_s = await shared.take(name, rate, burst, lease.size)
        lease.left, lease.shared_left = granted, left
        lease.ends_s = self._clock.monotonic() + LEASE_S
        if self._is_away:
            self._is_away = False
            log.info("limits are shared again")
        if len(self._leases) > MAX_CALLERS:
            self._leases = {name: lease}
        return max(wait_s, 0.001)

    def _on_away(self, why: str) -> None:
        self._away_until_s = self._clock.monotonic() + AWAY_S
        if not self._is_away:
            self._is_away = True
            log.warning("each gateway limits callers by itself until Redis answers", why=why)
