"""What gateways remember together, in Redis: many transactions in one script, one round trip.

`{riskstream.once}:t:<name>` is a transaction, `…:k:<name>` what an Idempotency-Key stands for,
`…:i:<id>` the names of decided transactions with one id. Each expires by itself.
"""

import asyncio
from collections.abc import Sequence
from itertools import chain

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript

from riskstream.platform.adapters.redis_errors import translated
from riskstream.platform.adapters.remembered import DIGEST, PREFIX, Row

RESERVE_SCRIPT = """
local keep, out = ARGV[1], {}
for i = 1, #KEYS / 3 do
  local name, key = KEYS[3 * i - 2], KEYS[3 * i - 1]
  local mine, print, ms = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local known = print ~= '' and redis.call('GET', key)
  if known and known ~= print then
    out[i] = ''
  else
    local held = redis.call('GET', name)
    if not held then redis.call('SET', name, mine, 'PX', ms) end
    local same = not held or string.sub(held, 2, 9) == string.sub(mine, 2, 9)
    if print ~= '' and not known and same then
      redis.call('SET', key, print, 'PX', held and keep or ms)
    end
    out[i] = held
  end
end
return out
"""
SETTLE_SCRIPT = """
local keep = ARGV[1]
for i = 1, #KEYS / 3 do
  local name, key, id = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  local mine, print, value = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local held = redis.call('GET', name)
  if value == '' then
    if held == mine then
      redis.call('DEL', name)
      if print ~= '' and redis.call('GET', key) == print then redis.call('DEL', key) end
    end
  elseif not held or held == mine or string.sub(held, 1, 1) == 'A' then
    redis.call('SET', name, value, 'PX', keep)
    if print ~= '' then redis.call('SET', key, print, 'PX', keep) end
    if id ~= name then
      redis.call('SADD', id, string.sub(name, -16))
      redis.call('PEXPIRE', id, keep)
    end
  end
end
return {}
"""
_AT_ONCE = 250
"""Rows of one script: a few ms of Redis."""


class RedisRemembered:
    """For one event loop. Retryable where Redis does not answer, Fatal where a key is broken."""

    def __init__(self, url: str, keep_ms: int, *, timeout_ms: int = 250) -> None:
        self._url, self._keep_ms = url.rsplit("@", 1)[-1], keep_ms
        self._client = Redis.from_url(
            url,
            socket_timeout=timeout_ms / 1000,
            socket_connect_timeout=timeout_ms / 1000,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._reserve = self._client.register_script(RESERVE_SCRIPT)
        self._settle = self._client.register_script(SETTLE_SCRIPT)

    async def reserve(self, rows: Sequence[Row], pending_ms: Sequence[int]) -> list[bytes | None]:
        """Of each row None where it is the caller's now, for so many ms; else the value that is
        there; b"" where its key stands for another one.
        """
        args = [(row.mine, row.print, ms) for row, ms in zip(rows, pending_ms, strict=True)]
        return await self._run(self._reserve, rows, args)

    async def settle(self, rows: Sequence[Row]) -> None:
        """Keep the rows' values, or let go of what was not taken, where they are still ours."""
        args = [(row.mine, row.print, row.value) for row in rows]
        await self._run(self._settle, rows, args)

    async def get(self, name: bytes) -> bytes | None:
        """The value under a name's digest."""
        try:
            found = await self._client.get(PREFIX + b"t:" + name)
        except (redis.RedisError, OSError) as error:
            raise self._translated(error) from error
        return found if isinstance(found, bytes) else None

    async def with_id(self, id_name: bytes) -> list[bytes]:
        """Digests of the names of decided transactions with this id, one a customer."""
        try:
            found = await self._client.smembers(PREFIX + b"i:" + id_name)
        except (redis.RedisError, OSError) as error:
            raise self._translated(error) from error
        return [each for each in found if isinstance(each, bytes) and len(each) == DIGEST]

    async def close(self) -> None:
        await self._client.aclose()

    async def _run(
        self,
        script: AsyncScript,
        rows: Sequence[Row],
        args: Sequence[tuple[bytes, bytes, bytes | int]],
    ) -> list[bytes | None]:
        """The script's answers, row by row. Many rows are several scripts side by side, so that
        none holds up Redis for long; all have ended when this returns or raises.
        """

        async def run(some: slice) -> list[bytes | None]:
            keys = [each for row in rows[some] for each in row.stored()]
            given = [self._keep_ms, *chain.from_iterable(args[some])]
            found: list[bytes | None] = await script(keys=keys, args=given)
            return found

        parts = [slice(at, at + _AT_ONCE) for at in range(0, len(rows), _AT_ONCE)]
        out: list[bytes | None] = []
        for found in await asyncio.gather(*map(run, parts), return_exceptions=True):
            if isinstance(found, redis.RedisError | OSError):
                raise self._translated(found) from found
            if isinstance(found, BaseException):
                raise found
            out += found or ()
        return out

    def _translated(self, error: Exception) -> Exception:
        found = error if isinstance(error, redis.RedisError) else redis.RedisError(str(error))
        return translated(found, self._url)
