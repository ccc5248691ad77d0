"""Token buckets that gateways share in Redis: one script, one round trip, by Redis's own clock.

A bucket is one hash, `{riskstream.limit}:<caller>`, that expires once it would be full again.
"""

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from riskstream.platform.adapters.redis_errors import translated

TAKE_SCRIPT = """
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if held[1] then
  tokens = math.min(burst, tonumber(held[1]) + math.max(0, now - tonumber(held[2])) * rate)
end
local granted = math.max(0, math.min(wanted, math.floor(tokens)))
if ARGV[4] == 'spend' then granted = wanted end
tokens = tokens - granted
local kept, at = string.format('%.6f', tokens), string.format('%.6f', now)
redis.call('HSET', KEYS[1], 'tokens', kept, 'at', at)
redis.call('EXPIRE', KEYS[1], math.ceil((burst - math.min(0, tokens)) / rate) + 1)
return {granted, math.max(0, math.floor(tokens)), math.ceil(math.max(0, 1 - tokens) / rate * 1000)}
"""


class RedisBuckets:
    """For one event loop. Retryable where Redis does not answer, Fatal where the key is broken."""

    def __init__(self, url: str, *, timeout_ms: int = 50) -> None:
        self._url = url.rsplit("@", 1)[-1]
        self._client = Redis.from_url(
            url,
            socket_timeout=timeout_ms / 1000,
            socket_connect_timeout=timeout_ms / 1000,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._script = self._client.register_script(TAKE_SCRIPT)

    async def take(
        self, name: str, rate_per_s: int, burst: int, wanted: int
    ) -> tuple[int, int, float]:
        """(granted, left, seconds until there is another): `granted` is 0 to `wanted`."""
        granted, left, wait_ms = await self._run(name, rate_per_s, burst, wanted, "take")
        return int(granted), int(left), int(wait_ms) / 1000

    async def spend(self, name: str, rate_per_s: int, burst: int, count: int) -> None:
        """Take so many, also what is not there."""
        await self._run(name, rate_per_s, burst, count, "spend")

    async def _run(
        self, name: str, rate_per_s: int, burst: int, wanted: int, how: str
    ) -> tuple[int, int, int]:
        try:
            found: tuple[int, int, int] = await self._script(
                keys=[f"{{riskstream.limit}}:{name}"], args=[rate_per_s, burst, wanted, how]
            )
            return found
        except (redis.RedisError, OSError) as error:
            refused = error if isinstance(error, redis.RedisError) else redis.RedisError(str(error))
            raise translated(refused, self._url) from error
