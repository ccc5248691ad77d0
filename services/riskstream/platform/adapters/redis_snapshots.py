"""Snapshots of the state in Redis: taken while owners write, restored in one step.

Taking: the watermark is read first and the rows after it, so a row may be ahead of it and none is
behind; a replay skips what a row already holds. Restoring: rows go to a key of their own in the
same slot, and one script puts it in the place of the partition's, where that has no watermark or a
lower one. So rows of two owners never mix.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import redis
import structlog

from riskstream.platform.adapters.redis_errors import translated
from riskstream.platform.adapters.redis_state import RedisStateStore, client_of
from riskstream.platform.adapters.snapshot_files import Damaged, Rows
from riskstream.platform.adapters.snapshot_shelf import Fields, Shelf, SnapshotName
from riskstream.platform.kafka.lanes.ports import Mark
from riskstream.platform.telemetry.metrics import SnapshotMetrics
from riskstream.runtime.errors import Retryable

log = structlog.get_logger("snapshots")
FIELDS = ("s", "e", "identity", "whole_since", "rows_to")
"""What a mark consists of, each a field `#<name>` of the partition's hash; the last two may be
missing.
"""
_ROWS_A_PIECE = 250
_TIMEOUT_MS = 10_000
_TEMPORARY_S = 900

_MARK_SCRIPT = """
local told = redis.call('HMGET', KEYS[1], unpack(ARGV))
local rows = tonumber(redis.call('HGET', KEYS[1], '#n') or '0')
if rows ~= redis.call('HLEN', KEYS[1]) then return {} end
return told
"""
_PIECE_SCRIPT = """
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local told = redis.call('HMGET', KEYS[1], '#s', '#n')
local count = redis.call('HLEN', KEYS[1])
if tonumber(told[2] or '0') ~= count then return {page[1], {}, -1, count} end
return {page[1], page[2], tonumber(told[1] or '-1'), count}
"""
_SWAP_SCRIPT = """
local stored_src = -1
if tonumber(redis.call('HGET', KEYS[1], '#n') or '0') == redis.call('HLEN', KEYS[1]) then
  stored_src = tonumber(redis.call('HGET', KEYS[1], '#s') or '-1')
end
if stored_src >= tonumber(ARGV[1]) then return 0 end
if redis.call('HLEN', KEYS[2]) ~= tonumber(ARGV[2]) then return -1 end
redis.call('HSET', KEYS[2], '#n', 0)
redis.call('HSET', KEYS[2], '#n', redis.call('HLEN', KEYS[2]))
redis.call('PERSIST', KEYS[2])
redis.call('UNLINK', KEYS[1])
redis.call('RENAME', KEYS[2], KEYS[1])
return 1
"""


class RedisSnapshots:
    """Takes and restores snapshots of partitions of one store. One thread at a time; clients of its
    own.

    `rest(took_s)` is called after each piece, with the seconds that it took: it may sleep, or raise
    to give up.
    """

    def __init__(
        self,
        url: str,
        store: RedisStateStore,
        shelf: Shelf,
        metrics: SnapshotMetrics | None = None,
        rest: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._url = url.rsplit("@", 1)[-1]
        self._store, self._shelf, self._metrics, self._rest = store, shelf, metrics, rest
        # One connection: a server that was started again hashes otherwise, and a scan that goes on
        # there would miss rows.
        try:
            self._client = client_of(url, _TIMEOUT_MS, has_one_connection=True)
        except redis.RedisError as error:  # such a client connects at once
            raise translated(error, self._url) from error
        self._mark = self._client.register_script(_MARK_SCRIPT)
        self._piece = self._client.register_script(_PIECE_SCRIPT)
        self._swap = self._client.register_script(_SWAP_SCRIPT)
        self.steps = 0
        """Grows with each piece that was restored."""

    def fields(self, partition: int) -> Fields | None:
        """The mark of a partition, field by field; None where there is none."""
        try:
            told = self._mark(
                keys=[self._store.key(partition)], args=[f"#{name}" for name in FIELDS]
            )
        except redis.RedisError as error:
            raise translated(error, self._url) from error
        if not told or told[0] is None:
            return None
        return {
            name: value.decode()
            for name, value in zip(FIELDS, told, strict=True)
            if value is not None
        }

    def take(self, partition: int, fields: Fields) -> int:
        """Write a snapshot at the mark `fields`, which was read just now; its bytes. Retryable
        where the store went back.
        """
        rows_to = max(int(fields.get("rows_to", -1)), int(fields["s"]))
        with self._shelf.write(partition, fields) as writer:
            for rows, stored_src in self._scan(partition, int(fields["s"])):
                writer.add(rows)
                rows_to = max(rows_to, stored_src)
            writer.end({"rows_to": rows_to})
        return writer.size

    def restore(self, partition: int, identity: str, first: int = 0) -> Mark | None:
        """Put the newest usable snapshot of these topics into the store where its watermark is
        missing or lower.

        A whole one that joins up with the source's `first` record comes before a newer one that is
        not whole. The mark that the store has then; None where it has none, as no snapshot could be
        used.
        """
        known = self._shelf.known(partition, identity)
        for name in sorted(
            known, key=lambda each: not (each.is_whole and each.stored_src + 1 >= first)
        ):
            mark = self._store.mark(partition)
            if mark is not None and mark.stored_src >= name.stored_src:
                break
            try:
                rows = self.restore_one(name, identity)
            except Damaged as error:
                if self._metrics is not None:
                    self._metrics.damaged.inc()
                log.error(
                    "a snapshot cannot be used", partition=partition, path=name.path, why=str(error)
                )
                continue
            if rows is not None:
                if self._metrics is not None:
                    self._metrics.restored.inc()
                log.warning(
                    "state restored from a snapshot",
                    partition=partition,
                    path=name.path,
                    stored_src=name.stored_src,
                    rows=rows,
                )
            break
        return self._store.mark(partition)

    def restore_one(self, name: SnapshotName, identity: str | None = None) -> int | None:
        """The same with one snapshot: how many fields it has; None where the store is as far or
        further. Damaged as `open`.
        """
        key = self._store.key(name.partition)
        temporary = f"{key}restoring-{uuid.uuid4().hex}"
        try:
            with self._shelf.open(name, identity) as (fields, reader):
                count = sum(self._put(temporary, rows) for rows in reader.batches())
                rows_to = int(reader.tail().get("rows_to", -1))
                told = {**fields, "rows_to": str(rows_to)} if rows_to > name.stored_src else fields
                count += self._put(
                    temporary,
                    [(f"#{each}".encode(), value.encode()) for each, value in told.items()],
                )
            swapped = int(self._swap(keys=[key, temporary], args=[name.stored_src, count]))
            if swapped < 0:
                raise Retryable(
                    what="rows disappeared while they were being restored", where=self._url
                )
            return count if swapped else None
        except redis.RedisError as error:
            raise translated(error, self._url) from error
        finally:
            with suppress(redis.RedisError):
                self._client.unlink(temporary)

    def close(self) -> None:
        self._client.close()

    def _scan(self, partition: int, stored_src: int) -> Iterator[tuple[Rows, int]]:
        """Pieces of the rows, each with the watermark that stood beside it."""
        key, cursor, least = self._store.key(partition), b"0", stored_src
        seen = wanted = 0
        while True:
            started = time.perf_counter()
            try:
                cursor, flat, now, count = self._piece(keys=[key], args=[cursor, _ROWS_A_PIECE])
            except redis.RedisError as error:
                raise translated(error, self._url) from error
            if now < least:
                raise Retryable(
                    what=f"the store went back from {least} to {now} while it was read",
                    where=self._url,
                )
            least = now
            wanted = wanted or count
            rows = [
                (name, row)
                for name, row in zip(flat[::2], flat[1::2], strict=True)
                if name[:1] == b":"
            ]
            seen += len(rows)
            yield rows, now
            if cursor == b"0":
                break
            self._rest(time.perf_counter() - started)
        # rows never go, and a scan tells each that was there all the time
        if seen < wanted - len(FIELDS) - 1:
            raise Retryable(
                what=f"the store returned {seen} rows of {wanted} fields", where=self._url
            )

    def _put(self, key: str, rows: Rows) -> int:
        """Rows to the key that is being filled, which goes by itself if we are ended; how many
        fields were new.
        """
        added = 0
        for at in range(0, len(rows), _ROWS_A_PIECE):
            values: list[Any] = [part for pair in rows[at : at + _ROWS_A_PIECE] for part in pair]
            added += int(self._client.execute_command("HSET", key, *values))  # type: ignore[no-untyped-call]
            self._client.expire(key, _TEMPORARY_S)
            self.steps += 1
        return added
