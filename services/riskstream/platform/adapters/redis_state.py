"""Rows and watermarks of owned keys in Redis (I5): one script writes both, refuses when the store
went back.

Each partition is one hash, `{<namespace>.<partition>}`: fields `:<customer>` are rows, `#s`, `#e`,
`#identity`, `#whole_since` and `#rows_to` the mark, `#n` how many fields it has. So whatever is
lost, a field or the whole, the watermark is lost with it. A hash without `#whole_since` is whole;
one without `#rows_to` has no row past its watermark.
"""

from typing import Any

import redis

from riskstream.platform.adapters.redis_errors import translated
from riskstream.platform.kafka.lanes.ports import OTHER_STATE, Mark

FEW_ROWS, PATIENCE = 64, 10
"""A read of more rows than this has this many times the deadline."""

CHECKPOINT_SCRIPT = """
local key, highest_stored_src, src = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local whole_since, replaces = tonumber(ARGV[5]), tonumber(ARGV[6])
local stored = redis.call('HMGET', key, '#n', '#s', '#whole_since', '#rows_to')
local is_marked = stored[1] and tonumber(stored[1]) == redis.call('HLEN', key)
local left = tonumber(stored[2] or '-1')
local stored_src, rows_to = -1, math.max(tonumber(ARGV[7]), tonumber(stored[4] or '-1'))
if is_marked then stored_src = left else rows_to = math.max(rows_to, left) end
if stored_src < highest_stored_src then return -2 end
if is_marked then
  local held = tonumber(stored[3] or '0')
  if held ~= whole_since and (held ~= replaces or stored_src > src) then return -2 end
  if held == whole_since and stored_src >= src then return stored_src end
end
local some = {}
for i = 8, #ARGV do
  some[#some + 1] = ARGV[i]
  if #some >= 7000 then
    redis.call('HSET', key, unpack(some))
    some = {}
  end
end
if #some > 0 then redis.call('HSET', key, unpack(some)) end
redis.call('HSET', key, '#s', ARGV[2], '#e', ARGV[3], '#identity', ARGV[4], '#n', 0)
if whole_since > 0 or stored[3] then redis.call('HSET', key, '#whole_since', ARGV[5]) end
if rows_to > src then redis.call('HSET', key, '#rows_to', rows_to)
elseif stored[4] then redis.call('HDEL', key, '#rows_to') end
redis.call('HSET', key, '#n', redis.call('HLEN', key))
return src
"""
"""A partition whose `#n` is wrong has lost fields: its rows may reach as far as what is left of its
mark says.
"""


class RedisStateStore:
    """The lane's StateStore on one Redis; primary reads only. Reads have a shorter deadline than
    checkpoints.

    A read of many rows comes from a backlog, whose payments have waited for longer than that
    deadline already: it may take ten times as long, so that a slow moment right after a partition
    was taken over does not degrade a whole batch.
    """

    def __init__(
        self, url: str, namespace: str, *, read_timeout_ms: int = 100, write_timeout_ms: int = 5000
    ) -> None:
        self._url = url.rsplit("@", 1)[-1]
        self._namespace = namespace
        self._reader = client_of(url, read_timeout_ms)
        self._patient_reader = client_of(url, PATIENCE * read_timeout_ms)
        self._writer = client_of(url, write_timeout_ms)
        self._script = self._writer.register_script(CHECKPOINT_SCRIPT)

    def mark(self, partition: int) -> Mark | None:
        """The watermark of a partition, None where there is none or a field of the partition is
        gone.
        """
        key = self.key(partition)
        try:
            with self._writer.pipeline(transaction=True) as pipe:
                pipe.hmget(key, "#s", "#e", "#identity", "#n", "#whole_since", "#rows_to")
                pipe.hlen(key)
                (s, e, identity, n, whole_since, rows_to), fields = pipe.execute()
        except redis.RedisError as error:
            raise translated(error, self._url) from error
        if n is None or int(n) != fields:
            return None
        return Mark(
            stored_src=int(s),
            output_offset=int(e),
            identity=identity.decode(),
            whole_since=int(whole_since or 0),
            rows_to=-1 if rows_to is None else int(rows_to),
        )

    def read(
        self, keys: dict[int, list[bytes]], since: dict[int, int] | None = None
    ) -> dict[int, tuple[int | None, list[bytes | None]]]:
        """Watermark (as in `mark`) and rows of each partition, in one round trip and one
        transaction.

        OTHER_STATE in place of the watermark where the rows' `whole_since` is not what `since` says
        of the partition. Rows without a watermark are None: who has none makes them again.
        """
        reader = self._patient_reader if sum(map(len, keys.values())) > FEW_ROWS else self._reader
        try:
            with reader.pipeline(transaction=True) as pipe:
                for partition, wanted in keys.items():
                    pipe.hmget(
                        self.key(partition),
                        [b"#s", b"#n", b"#whole_since", *(b":" + key for key in wanted)],
                    )
                    pipe.hlen(self.key(partition))
                answers = pipe.execute()
        except redis.RedisError as error:
            raise translated(error, self._url) from error
        found = {}
        for partition, (told, n, held, *rows), fields in zip(
            keys, answers[::2], answers[1::2], strict=True
        ):
            seen: int | None = int(told) if n is not None and int(n) == fields else None
            if seen is not None and since is not None and int(held or 0) != since[partition]:
                seen = OTHER_STATE
            # If the store lost rows without a mark later, no checkpoint could tell.
            found[partition] = (seen, [None] * len(rows) if seen is None else rows)
        return found

    def checkpoint(
        self,
        partition: int,
        highest_stored_src: int,
        mark: Mark,
        rows: list[tuple[bytes, bytes]],
        replaces: int | None = None,
    ) -> int | None:
        """Write rows and mark unless the store is there already; the watermark now.

        None where the store went back, or holds another state than the one that the rows go on
        from.
        """
        before = mark.whole_since if replaces is None else replaces
        values: list[Any] = [highest_stored_src, mark.stored_src, mark.output_offset, mark.identity]
        values += [mark.whole_since, before, mark.rows_to]
        for key, row in rows:
            values += (b":" + key, row)
        try:
            stored_src = int(self._script(keys=[self.key(partition)], args=values))
        except redis.RedisError as error:
            raise translated(error, self._url) from error
        return None if stored_src == -2 else stored_src

    def clear(self, partition: int) -> None:
        """Forget rows and watermark of a partition; scorers that run see it and make them again."""
        try:
            self._writer.unlink(self.key(partition))
        except redis.RedisError as error:
            raise translated(error, self._url) from error

    def close(self) -> None:
        self._reader.close()
        self._patient_reader.close()
        self._writer.close()

    def key(self, partition: int) -> str:
        """The hash that holds a partition."""
        return f"{{{self._namespace}.{partition}}}"


def client_of(url: str, timeout_ms: int, *, has_one_connection: bool = False) -> redis.Redis:
    """A client whose every call ends after `timeout_ms`, tried once."""
    timeout_s = timeout_ms / 1000
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry_on_timeout=False,
        retry=None,
        protocol=2,
        single_connection_client=has_one_connection,
    )
