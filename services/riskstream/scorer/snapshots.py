"""Takes snapshots of the partitions that this scorer owns, in the background: the lane neither
waits for it nor ends with it.

A partition is due once its newest snapshot, whoever took it, is as old as the interval. What goes
wrong is counted, told once and tried again.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from riskstream.platform.adapters.redis_snapshots import RedisSnapshots
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.adapters.snapshot_places import place_of
from riskstream.platform.adapters.snapshot_shelf import Fields, Shelf, is_whole
from riskstream.platform.telemetry.metrics import SnapshotMetrics
from riskstream.runtime.durations import DAY_S
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.scorer.settings import ScorerSettings

log = structlog.get_logger("snapshots")
_LOOK_S, _AGAIN_S = 1.0, 60.0
_SHARE, _LONGEST_REST_S = 0.2, 0.25
"""Of its time, how much a snapshot works at most; it rests after each piece."""
_MOST_AGE_S = 35 * DAY_S
"""Longer than the longest window: what is older knows nothing of any."""


@dataclass(slots=True)
class _Kept:
    """A partition: `current_at`, when its newest snapshot was as new as its state (s since 1970
    UTC); `due_at`, monotonic.

    `has_one`: a snapshot of it was seen.
    """

    current_at: float
    due_at: float
    has_one: bool = False


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a partition's snapshot is taken, and how many of it are kept."""

    every_s: float
    kept: int


class ScorerSnapshots:
    """What the settings ask for: `restorer` for the lane, and the keeper, not yet started. Fatal
    where the place is of no kind.
    """

    def __init__(self, settings: ScorerSettings, space: str, store: RedisStateStore) -> None:
        self._settings, self._store = settings, store
        self._shelf = Shelf(place_of(settings.snapshots), space)
        self._metrics = SnapshotMetrics()
        self._redis = settings.redis.get_secret_value()
        self.restorer = RedisSnapshots(self._redis, store, self._shelf, self._metrics)

    def beside(self, progress: Callable[[], tuple[int, ...]]) -> Callable[[], tuple[int, ...]]:
        """A progress that also changes with each piece that is restored: a large snapshot takes
        longer than the watchdog waits.
        """
        return lambda: (*progress(), self.restorer.steps)

    def keeper(self, owned: Callable[[], list[int]]) -> "SnapshotKeeper":
        rhythm = Rhythm(self._settings.snapshot_minutes * 60, self._settings.snapshots_kept)
        return SnapshotKeeper(self._redis, self._store, self._shelf, rhythm, owned, self._metrics)


class SnapshotKeeper:
    """Runs from `start` to `stop` on a thread of its own, with a Redis client of its own."""

    def __init__(
        self,
        url: str,
        store: RedisStateStore,
        shelf: Shelf,
        rhythm: Rhythm,
        owned: Callable[[], list[int]],
        metrics: SnapshotMetrics,
    ) -> None:
        self._shelf, self._owned, self._metrics = shelf, owned, metrics
        self._every_s, self._count = rhythm.every_s, rhythm.kept
        self._snapshots = RedisSnapshots(url, store, shelf, metrics, self._rest)
        self._kept: dict[int, _Kept] = {}
        self._failing: set[int] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        metrics.interval_seconds.set(rhythm.every_s)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends within the rest of one piece; one that is under way is given up."""
        self._stop.set()
        self._thread.join(5)
        self._snapshots.close()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            owned = self._owned()
            for partition in self._kept.keys() - owned:
                self._forget(partition)
            for partition in owned:
                kept = self._kept.get(partition) or self._own(partition)
                if time.monotonic() < kept.due_at or self._stop.is_set():
                    continue
                try:
                    self._keep(partition, kept)
                    if self._failing == {partition}:
                        log.info("snapshots are taken again", partition=partition)
                    self._failing.discard(partition)
                except Exception as error:  # the lane goes on without it; the age tells
                    kept.due_at = time.monotonic() + min(_AGAIN_S, self._every_s / 5)
                    if not self._stop.is_set():
                        self._tell(partition, error)

    def _own(self, partition: int) -> _Kept:
        kept = self._kept[partition] = _Kept(time.time(), 0.0)
        age = self._metrics.age_seconds.labels(partition=str(partition))
        age.set_function(lambda: max(0.0, time.time() - kept.current_at))
        return kept

    def _forget(self, partition: int) -> None:
        del self._kept[partition]
        self._failing.discard(partition)
        for each in (self._metrics.age_seconds, self._metrics.bytes):
            each.remove(str(partition))

    def _keep(self, partition: int, kept: _Kept) -> None:
        """Take a snapshot, unless the newest that anybody took is as new as the state or younger
        than the interval.
        """
        fields = self._snapshots.fields(partition)
        if fields is None:  # nothing was ever written, or it was lost: that is told by others
            kept.due_at = time.monotonic() + min(_AGAIN_S, self._every_s)
            if not kept.has_one:
                kept.current_at = time.time()
            return
        known = self._shelf.known(partition, fields["identity"])
        if not known or (known[0].stored_src, known[0].is_whole) != (
            int(fields["s"]),
            is_whole(fields),
        ):
            left = known[0].taken_at / 1000 + self._every_s - time.time() if known else 0.0
            if 0 < left <= self._every_s:  # more than that: whoever took it has another time
                kept.current_at, kept.has_one = known[0].taken_at / 1000, True
                kept.due_at = time.monotonic() + left
                return
            self._take(partition, fields)
        kept.current_at, kept.has_one = time.time(), True
        kept.due_at = time.monotonic() + self._every_s

    def _take(self, partition: int, fields: Fields) -> None:
        started = time.perf_counter()
        size = self._snapshots.take(partition, fields)
        took = time.perf_counter() - started
        self._metrics.taken.inc()
        self._metrics.seconds.observe(took)
        self._metrics.bytes.labels(partition=str(partition)).set(size)
        pruned = self._shelf.prune(partition, fields["identity"], self._count, _MOST_AGE_S)
        log.info(
            "snapshot taken",
            partition=partition,
            stored_src=int(fields["s"]),
            bytes=size,
            seconds=round(took, 3),
            pruned=pruned,
        )

    def _rest(self, took_s: float) -> None:
        if self._stop.wait(min(_LONGEST_REST_S, took_s * (1 / _SHARE - 1))):
            raise Retryable(what="the scorer ends", where="snapshots")

    def _tell(self, partition: int, error: Exception) -> None:
        self._metrics.errors.inc()
        if not self._failing:  # the others' reason is the same, and so is the next hour's
            is_known = isinstance(error, Retryable | Fatal)
            log.error(
                "snapshots cannot be taken; trying again",
                partition=partition,
                error=str(error),
                exc_info=not is_known,
            )
        self._failing.add(partition)
