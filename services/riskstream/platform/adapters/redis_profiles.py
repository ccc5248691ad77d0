"""Vectors of profiles in Redis: a view of the <entity>-risk.v1 topics. The profiler writes it,
scorers read it.

One key a vector, `{profile.<feature set>}:<entity>:<key>`, and one a clock, `{profile.<feature
set>}#<entity>:<partition>`: the end of the last tile closed there, in ms. The newest position wins,
so that a late write of an owner before changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import redis
import structlog

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.profiles.vector import topic_of
from riskstream.domain.risk.features.profiles.vectors import VectorReader
from riskstream.platform.adapters.redis_errors import translated
from riskstream.platform.adapters.redis_state import FEW_ROWS, PATIENCE, client_of
from riskstream.platform.kafka.record import Made, OutputRows, Record, RecordParts
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.runtime.errors import Fatal

log = structlog.get_logger("profiles")

NEWEST_WINS = """
local had = redis.call('EXISTS', KEYS[#KEYS])
for i = 1, #KEYS - 1 do
  local held = redis.call('GET', KEYS[i])
  if not held or struct.unpack('<i8', held) < struct.unpack('<i8', ARGV[i]) then
    redis.call('SET', KEYS[i], ARGV[i])
  end
end
if tonumber(redis.call('GET', KEYS[#KEYS]) or '-1') < tonumber(ARGV[#ARGV]) then
  redis.call('SET', KEYS[#KEYS], ARGV[#ARGV])
end
return had
"""
_A_SCRIPT = 1000


class RedisProfileView:
    """The profiler's View. What Redis does not take waits here, the newest of each key; what it
    lost is told again.
    """

    def __init__(
        self,
        url: str,
        features: FeatureSet,
        clocks: Callable[[int], dict[str, int]],
        metrics: ProfilerMetrics,
        *,
        timeout_ms: int = 1000,
    ) -> None:
        self._features, self._clocks, self._metrics = features, clocks, metrics
        self._prefix = prefix_of(features)
        self._client = client_of(url, timeout_ms)
        self._script = self._client.register_script(NEWEST_WINS)
        self._readers = {
            topic_of(entity): VectorReader(entity, len(mine), features.label)
            for entity, mine in features.profiles.items()
        }
        self._waiting: dict[tuple[str, int], dict[bytes, bytes]] = {}
        self._held: dict[tuple[str, int], dict[bytes, bytes]] = {}

    def restore(self, partition: int, records: Iterable[Record]) -> None:
        """All vectors of a partition that was taken over: what its owner before had committed and
        not shown is shown now.
        """
        parts = RecordParts.of(records).parts
        for topic, reader in self._readers.items():
            self._held[reader.entity.name, partition] = {}
            self._waiting[reader.entity.name, partition] = {}
            for part in parts:
                if part.topic == topic:
                    self._take(reader, partition, part.values)
        self._write([partition])

    def show(self, partitions: list[int], outputs: Sequence[Made]) -> None:
        """What was committed. Never raises where Redis is away or refuses: it waits for the next
        commit.
        """
        for each in outputs:
            if (reader := self._readers.get(each.topic)) is not None:
                values: Sequence[bytes | None] = (
                    each.values if isinstance(each, OutputRows) else [each.value]
                )
                self._take(reader, each.partition, values)
        self._write(partitions)

    def close(self) -> None:
        self._client.close()

    def _take(self, reader: VectorReader, partition: int, frames: Sequence[bytes | None]) -> None:
        """Hold the vectors among the frames, for Redis. What is none was counted by the profiler's
        core, which leaves it out as well.
        """
        name = reader.entity.name
        found = reader.read(partition, frames)
        if not found.keys:
            return
        begin = self._prefix + b":" + name.encode() + b":"
        packed = dict(
            zip([begin + key for key in found.keys], found.packed(partition), strict=True)
        )
        self._held[name, partition] |= packed
        self._waiting[name, partition] |= packed

    def _write(self, partitions: list[int]) -> None:
        try:
            for partition in partitions:
                for name, clock in self._clocks(partition).items():
                    self._write_one(name, partition, clock)
        except redis.RedisError as error:
            problem = translated(error, "the view of vectors")
            if isinstance(problem, Fatal):
                raise problem from error
            self._metrics.view_errors.inc()
            log.warning("Redis accepts no vectors", error=str(problem))
        self._metrics.view_waiting.set(sum(map(len, self._waiting.values())))

    def _write_one(self, name: str, partition: int, clock: int) -> None:
        """The vectors that wait, then the clock: it never says more than the vectors beside it.
        Twice where Redis forgot.
        """
        place = self._prefix + f"#{name}:{partition}".encode()
        was_there = self._send(self._waiting[name, partition], place, clock)
        self._waiting[name, partition] = {}
        if not was_there and self._held[name, partition]:
            log.warning(
                "Redis has lost the view of vectors: writing it again",
                entity=name,
                partition=partition,
            )
            self._send(self._held[name, partition], place, clock)

    def _send(self, vectors: dict[bytes, bytes], place: bytes, clock: int) -> bool:
        items = list(vectors.items())
        was_there = True
        for start in range(0, len(items) or 1, _A_SCRIPT):
            part = items[start : start + _A_SCRIPT]
            is_last = start + _A_SCRIPT >= len(items)
            keys = [*(key for key, _ in part), place]
            values: list[Any] = [*(packed for _, packed in part), clock if is_last else -1]
            had = bool(self._script(keys=keys, args=values))
            was_there = was_there and (had or start > 0)
        return was_there


class RedisProfileReader:
    """The scorer's ProfileReader: one MGET a micro-batch, with a deadline."""

    def __init__(self, url: str, features: FeatureSet, *, timeout_ms: int) -> None:
        self._prefix = prefix_of(features)
        self._reader = client_of(url, timeout_ms)
        self._patient_reader = client_of(url, PATIENCE * timeout_ms)

    def read(self, keys: list[bytes]) -> list[bytes | None] | None:
        """Of each key (`:<entity>:<key>` or `#<entity>:<partition>`) what is held; None where Redis
        did not answer in time.
        """
        reader = self._patient_reader if len(keys) > FEW_ROWS else self._reader
        try:
            found: Any = reader.mget([self._prefix + key for key in keys])
        except redis.RedisError as error:
            log.warning(
                "profiles do not answer", error=str(translated(error, "the view of vectors"))
            )
            return None
        return list(found)

    def close(self) -> None:
        self._reader.close()
        self._patient_reader.close()


def prefix_of(features: FeatureSet) -> bytes:
    """Prefix, and hash tag, of a feature set's keys."""
    return b"{profile." + features.label.encode() + b"}"
