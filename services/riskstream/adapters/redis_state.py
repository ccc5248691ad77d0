"""Rows and watermarks of owned keys in Redis (I5): one script writes both, refuses when the store went back.

Each partition is one hash, `{<namespace>.<partition>}`: fields `:<customer>` are rows, `#s`, `#e`, `#identity` the
watermark, `#n` how many fields it has. So whatever is lost, a field or the whole, the watermark is lost with it.
"""

from typing import Any

import redis

from riskstream.adapters.redis_errors import translated
from riskstream.kafka.ports import Mark

FEW_ROWS, PATIENCE = 64, 10
"""A read of more rows than this has this many times the deadline."""

CHECKPOINT_SCRIPT = """
local s = -1
if tonumber(redis.call('HGET', KEYS[1], '#n') or '0') == redis.call('HLEN', KEYS[1]) then
  s = tonumber(redis.call('HGET', KEYS[1], '#s') or '-1')
end
if s < tonumber(ARGV[1]) then return -2 end
if s >= tonumber(ARGV[2]) then return s end
local some = {}
for i = 5, #ARGV do
  some[#some + 1] = ARGV[i]
  if #some >= 7000 then
    redis.call('HSET', KEYS[1], unpack(some))
    some = {}
  end
end
if #some > 0 then redis.call('HSET', KEYS[1], unpack(some)) end
redis.call('HSET', KEYS[1], '#s', ARGV[2], '#e', ARGV[3], '#identity', ARGV[4], '#n', 0)
redis.call('HSET', KEYS[1], '#n', redis.call('HLEN', KEYS[1]))
return tonumber(ARGV[2])
"""


class RedisStateStore:
    """The lane's StateStore on one Redis; primary reads only. Reads have a shorter deadline than checkpoints.

    A read of many rows comes from a backlog, whose payments have waited for longer than that deadline already: it may take
    ten times as long, so that a slow moment right after a partition was taken over does not degrade a whole batch.
    """

    def __init__(self, url: str, namespace: str, *, read_timeout_ms: int = 100, write_timeout_ms: int = 5000) -> None:
        self._url = url.rsplit("@", 1)[-1]
        self._namespace = namespace
        self._reader = client_of(url, read_timeout_ms)
        self._patient_reader = client_of(url, PATIENCE * read_timeout_ms)
        self._writer = client_of(url, write_timeout_ms)
        self._script = self._writer.register_script(CHECKPOINT_SCRIPT)

    def mark(self, partition: int) -> Mark | None:
        """The watermark of a partition, None where there is none or a field of the partition is gone."""
        key = self._key(partition)
        try:
            with self._writer.pipeline(transaction=True) as pipe:
                pipe.hmget(key, "#s", "#e", "#identity", "#n")
                pipe.hlen(key)
                (s, e, identity, n), fields = pipe.execute()
        except redis.RedisError as error:
            raise translated(error, self._url) from error
        if n is None or int(n) != fields:
            return None
        return Mark(s=int(s), e=int(e), identity=identity.decode())

    def read(self, keys: dict[int, list[bytes]]) -> dict[int, tuple[int | None, list[bytes | None]]]:
        """Watermark (as in `mark`) and rows of each partition, in one round trip and one transaction."""
        reader = self._patient_reader if sum(map(len, keys.values())) > FEW_ROWS else self._reader
        try:
            with reader.pipeline(transaction=True) as pipe:
                for partition, wanted in keys.items():
                    pipe.hmget(self._key(partition), [b"#s", b"#n", *(b":" + key for key in wanted)])
                    pipe.hlen(self._key(partition))
                answers = pipe.execute()
        except redis.RedisError as error:
            raise translated(error, self._url) from error
        found = {}
        for partition, (s, n, *rows), fields in zip(keys, answers[::2], answers[1::2], strict=True):
            found[partition] = (int(s) if n is not None and int(n) == fields else None, rows)
        return found

    def checkpoint(self, partition: int, high: int, mark: Mark, rows: list[tuple[bytes, bytes]]) -> int | None:
        """Write rows and watermark unless the store is there already; the watermark now, None where it went back."""
        values: list[Any] = [high, mark.s, mark.e, mark.identity]
        for key, row in rows:
            values += (b":" + key, row)
        try:
            s = int(self._script(keys=[self._key(partition)], args=values))
        except redis.RedisError as error:
            raise translated(error, self._url) from error
        return None if s == -2 else s

    def clear(self, partition: int) -> None:
        """Forget rows and watermark of a partition; scorers that run see it and make them again."""
        try:
            self._writer.unlink(self._key(partition))
        except redis.RedisError as error:
            raise translated(error, self._url) from error

    def close(self) -> None:
        self._reader.close()
        self._patient_reader.close()
        self._writer.close()

    def _key(self, partition: int) -> str:
        return f"{{{self._namespace}.{partition}}}"


def client_of(url: str, timeout_ms: int) -> redis.Redis:
    """A client whose every call ends after `timeout_ms`, tried once."""
    timeout_s = timeout_ms / 1000
    return redis.Redis.from_url(
        url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry_on_timeout=False, retry=None, protocol=2
    )
