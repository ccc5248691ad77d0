"""Rows and watermarks of owned keys in Redis (I5): one script writes both, refuses when the store went back.

Keys: `{<namespace>.<partition>}#mark` is a hash (s, e, identity); `{<namespace>.<partition>}:<customer>` a row.
"""

from typing import Any

import redis

from riskstream.kafka.ports import Mark
from riskstream.runtime.errors import Fatal, Retryable

CHECKPOINT_SCRIPT = """
local s = tonumber(redis.call('HGET', KEYS[1], 's') or '-1')
if s < tonumber(ARGV[1]) then return -2 end
if s >= tonumber(ARGV[2]) then return s end
local pairs_ = {}
for i = 2, #KEYS do
  pairs_[#pairs_ + 1] = KEYS[i]
  pairs_[#pairs_ + 1] = ARGV[i + 3]
  if #pairs_ >= 7000 then
    redis.call('MSET', unpack(pairs_))
    pairs_ = {}
  end
end
if #pairs_ > 0 then redis.call('MSET', unpack(pairs_)) end
redis.call('HSET', KEYS[1], 's', ARGV[2], 'e', ARGV[3], 'identity', ARGV[4])
return tonumber(ARGV[2])
"""


class RedisStateStore:
    """The lane's StateStore on one Redis; primary reads only. Reads have a shorter deadline than checkpoints."""

    def __init__(self, url: str, namespace: str, *, read_timeout_ms: int = 100, write_timeout_ms: int = 5000) -> None:
        self._url = url.rsplit("@", 1)[-1]
        self._namespace = namespace
        self._reader = _client(url, read_timeout_ms)
        self._writer = _client(url, write_timeout_ms)
        self._script = self._writer.register_script(CHECKPOINT_SCRIPT)

    def mark(self, partition: int) -> Mark | None:
        """The watermark of a partition, None where there is none."""
        try:
            found: Any = self._writer.hgetall(self._mark_key(partition))
        except redis.RedisError as error:
            raise self._away(error) from error
        if not found:
            return None
        return Mark(s=int(found[b"s"]), e=int(found[b"e"]), identity=found[b"identity"].decode())

    def read(self, keys: dict[int, list[bytes]]) -> dict[int, tuple[int | None, list[bytes | None]]]:
        """Watermark and rows of each partition, in one round trip and one transaction."""
        pipe = self._reader.pipeline(transaction=True)
        for partition, wanted in keys.items():
            prefix = self._prefix(partition)
            pipe.hget(self._mark_key(partition), "s")
            pipe.mget([prefix + key for key in wanted])
        try:
            answers = pipe.execute()
        except redis.RedisError as error:
            raise self._away(error) from error
        return {
            partition: (None if s is None else int(s), rows)
            for partition, s, rows in zip(keys, answers[::2], answers[1::2], strict=True)
        }

    def checkpoint(self, partition: int, high: int, mark: Mark, rows: list[tuple[bytes, bytes]]) -> int | None:
        """Write rows and watermark unless the store is there already; the watermark now, None where it went back."""
        prefix = self._prefix(partition)
        names: Any = [self._mark_key(partition), *(prefix + key for key, _ in rows)]
        values: Any = [high, mark.s, mark.e, mark.identity, *(row for _, row in rows)]
        try:
            s = int(self._script(keys=names, args=values))
        except redis.ResponseError as error:
            if "OOM" in str(error) or "READONLY" in str(error) or "LOADING" in str(error):
                raise self._away(error) from error
            raise Fatal(what=f"Redis refused a checkpoint: {error}", where=self._url, do="check its version") from error
        except redis.RedisError as error:
            raise self._away(error) from error
        return None if s == -2 else s

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

    def _prefix(self, partition: int) -> bytes:
        return f"{{{self._namespace}.{partition}}}:".encode()

    def _mark_key(self, partition: int) -> str:
        return f"{{{self._namespace}.{partition}}}#mark"

    def _away(self, error: Exception) -> Retryable:
        return Retryable(what=f"Redis does not answer: {error}", where=self._url)


def _client(url: str, timeout_ms: int) -> redis.Redis:
    timeout_s = timeout_ms / 1000
    return redis.Redis.from_url(
        url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry_on_timeout=False, retry=None, protocol=2
    )
