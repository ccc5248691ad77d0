"""What the Faust shell reads of Redis, and how it waits for a store that is away."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog

from riskstream.platform.kafka.lanes.ports import Mark, ProfileReader, ReadResult, StateStore
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.runtime.errors import Retryable

log = structlog.get_logger("faust")
_STORE_DEADLINE_S = 20.0


class FaustReads:
    """Rows and profiles of a batch, read in place; other calls of the store in a thread."""

    def __init__(
        self, store: StateStore, profiles: ProfileReader | None, metrics: LaneMetrics
    ) -> None:
        self._store, self._profiles, self._metrics = store, profiles, metrics

    def rows(self, keys: dict[int, list[bytes]], stored_src: Mapping[int, int]) -> ReadResult:
        """Rows of the asked keys; waits in place for a store that is away, at most 20 s.

        `stored_src`: of each partition the watermark that the store had. Where it has none any
        more, its rows are unreadable: they may be there, and must not be taken for new ones.
        """
        if not keys:
            return ReadResult.empty(keys)
        end = time.monotonic() + _STORE_DEADLINE_S
        while True:
            try:
                answers = self._store.read(keys)
                break
            except Retryable:
                self._metrics.store_errors.inc()
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        lost = frozenset(
            partition
            for partition, (mark, _) in answers.items()
            if mark is None and stored_src[partition] >= 0
        )
        return ReadResult(
            rows={
                partition: rows for partition, (_, rows) in answers.items() if partition not in lost
            },
            unreadable=lost,
            abandoned=frozenset(),
        )

    def profiles(self, keys: list[bytes]) -> list[bytes | None] | None:
        """None where nothing answered in time, or there is no reader."""
        if not keys:
            return []
        return None if self._profiles is None else self._profiles.read(keys)

    async def watermark(self, partition: int, first: int) -> int:
        """The watermark of a partition whose next record is at offset `first`.

        Without one the group is fresh, or Redis lost a part: the scorer goes on with the rows that
        are left, and the record before `first` is the watermark.
        """
        mark = await self.patiently(self._store.mark, partition)
        if mark is None:
            mark = Mark(stored_src=first - 1, output_offset=0, identity="faust")
            await self.patiently(self._store.checkpoint, partition, -1, mark, [])
        return int(mark.stored_src)

    async def patiently(self, call: Any, *arguments: Any) -> Any:
        """What a call of the store gives, made again until it answers."""
        while True:
            try:
                return await asyncio.to_thread(call, *arguments)
            except Retryable as error:
                self._metrics.store_errors.inc()
                self._metrics.loop_seen.set(time.time())
                log.warning("the store does not answer", error=str(error))
                await asyncio.sleep(0.2)
