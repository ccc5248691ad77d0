"""Checkpoints of a lane's rows (C1-C2): copied at a batch edge, written once everything up to there
is acked.
"""

from concurrent.futures import Executor, Future
from typing import Any

import structlog

from riskstream.platform.kafka.lanes.exact.owned import Owned, PendingCheckpoint
from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts
from riskstream.platform.kafka.lanes.ports import LaneWork, StateStore
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.runtime.errors import Retryable
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("lane")
AGAIN_S = 0.5
"""A store that refuses answers at once: without a pause the loop would ask, and log, a thousand
times a second.
"""


class Checkpoints:
    """At most one checkpoint a partition is under way. Called by the polling thread; writes in the
    background.
    """

    def __init__(
        self, work: LaneWork[Any], store: StateStore, background: Executor, metrics: LaneMetrics
    ) -> None:
        self._work, self._store, self._background, self._metrics = work, store, background, metrics
        self._writing: dict[int, tuple[int, PendingCheckpoint, Future[int | None]]] = {}

    def begin(self, owned_by: dict[int, Owned]) -> None:
        """C1: at a batch edge copy the changed rows of each partition that has no checkpoint under
        way.
        """
        for owned in owned_by.values():
            if not owned.may_be_copied or owned.position <= owned.stored_src:
                continue
            src = owned.position
            recorded_output_offset = None
            if src <= owned.known_src:  # an answer that is gone stood before all that are left
                recorded = owned.recorded.get(src)
                recorded_output_offset = recorded.output_offset if recorded else owned.output_offset
            rows = self._work.take_changed(owned.partition)
            owned.changed_rows = 0
            owned.pending = PendingCheckpoint(
                copied_to_src=src, rows=rows, recorded_output_offset=recorded_output_offset
            )
            fault_point("copied")

    def advance(self, owned_by: dict[int, Owned]) -> list[int]:
        """C2 in the background for copies that are acked; partitions whose store went back (I6) are
        returned.
        """
        went_back = []
        for owned in owned_by.values():
            pending = owned.pending
            if pending is None or owned.is_writing or not owned.is_acked_to(pending.copied_to_src):
                continue
            if monotonic() < owned.write_again_at:
                continue
            owned.is_writing = True
            mark = owned.mark_for(pending)
            fault_point("writing")
            future = self._background.submit(
                self._store.checkpoint,
                owned.partition,
                owned.highest_stored_src,
                mark,
                pending.rows,
            )
            self._writing[owned.partition] = (owned.number, pending, future)
        for partition, (number, pending, future) in list(self._writing.items()):
            if not future.done():
                continue
            del self._writing[partition]
            current = owned_by.get(partition)
            if current is None or current.number != number:
                continue
            if not self._take(current, pending, future):
                went_back.append(partition)
        return went_back

    def _take(self, owned: Owned, pending: PendingCheckpoint, future: "Future[int | None]") -> bool:
        """Take the answer of a checkpoint; False where the store went back."""
        owned.is_writing = False
        fault_point("written")
        try:
            stored_src = future.result()
        except Retryable as error:  # W2: keep the copy and write it again
            self._metrics.store_errors.inc()
            owned.write_again_at = monotonic() + AGAIN_S
            log.warning("checkpoint waits", partition=owned.partition, error=str(error))
            return True
        if stored_src is None:  # I6: the store went back
            return False
        owned.pending = None
        owned.highest_stored_src = max(owned.highest_stored_src, stored_src)
        owned.stored_src = max(owned.stored_src, pending.copied_to_src)
        if owned.stored_src >= owned.known_src:
            owned.recorded = Verdicts()
        self._metrics.checkpoints.inc()
        return True
