"""What a lane reads for a batch (B2): rows and profiles; and what it does while the state store is
away (W1, W3).
"""

from concurrent.futures import Executor, Future
from typing import Any

import structlog

from riskstream.platform.kafka.lanes.exact.owned import Owned
from riskstream.platform.kafka.lanes.ports import ProfileReader, ReadResult, StateStore
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.runtime.errors import Retryable
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("lane")
_AWAY_S = 0.2
_NO_ROWS = ReadResult.empty({})


class LaneReads:
    """Reads for the polling thread; looks in the background whether a store that was away is
    back.
    """

    def __init__(
        self,
        store: StateStore,
        profiles: ProfileReader | None,
        background: Executor,
        metrics: LaneMetrics,
    ) -> None:
        self._store, self._profiles, self._background, self._metrics = (
            store,
            profiles,
            background,
            metrics,
        )
        self._away_until = 0.0
        self._probe: Future[Any] | None = None

    def read(self, owned_by: dict[int, Owned], keys: dict[int, list[bytes]]) -> ReadResult:
        """B2: one round trip with a deadline; the watermark that comes with it sets h or shows that
        the store went back.
        """
        if not keys:
            return _NO_ROWS
        answers = None
        # W1: while it is away, do not wait for it at every batch
        if monotonic() >= self._away_until:
            try:
                answers = self._store.read(
                    keys, {each: owned_by[each].whole_since for each in keys}
                )
            except Retryable as error:
                self._away_until = monotonic() + _AWAY_S
                self._metrics.store_errors.inc()
                log.warning("state store does not answer", error=str(error))
        if answers is None:
            for partition in keys:
                owned_by[partition].touched_unreadable = True
            return ReadResult(rows={}, unreadable=frozenset(keys), abandoned=frozenset())
        rows = {}
        abandoned = set()
        for partition, (told, found) in answers.items():
            owned = owned_by[partition]
            stored_src = -1 if told is None else told
            went_back = stored_src < max(owned.highest_stored_src, -1)  # OTHER_STATE is below all
            if went_back or owned.touched_unreadable:  # I6 and W3
                abandoned.add(partition)
                continue
            owned.highest_stored_src = max(owned.highest_stored_src, stored_src)
            rows[partition] = found
        fault_point("rows_read")
        return ReadResult(rows=rows, unreadable=frozenset(), abandoned=frozenset(abandoned))

    def profiles(self, keys: list[bytes]) -> list[bytes | None] | None:
        """B2: one round trip with a deadline; None where nothing answered in time, or there is no
        reader.
        """
        if not keys:
            return []
        return None if self._profiles is None else self._profiles.read(keys)

    def came_back(self, owned_by: dict[int, Owned]) -> list[int]:
        """W3: partitions with rows that were unknown, as soon as the store answers again; it is
        asked each `_AWAY_S`.
        """
        touched = [each.partition for each in owned_by.values() if each.touched_unreadable]
        if self._probe is not None and self._probe.done():
            is_back = self._probe.exception() is None
            self._probe = None
            if is_back:
                return touched
            self._away_until = monotonic() + _AWAY_S
        if self._probe is None and touched and monotonic() >= self._away_until:
            self._probe = self._background.submit(self._store.mark, touched[0])
        return []
