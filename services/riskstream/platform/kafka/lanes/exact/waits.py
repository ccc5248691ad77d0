"""The scorer's lane where a record's schema is not known yet: what stands before it is answered,
its partition waits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from confluent_kafka import Consumer

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.clients.polled import Polled
from riskstream.platform.kafka.lanes.exact.failures import naming
from riskstream.platform.kafka.lanes.exact.owned import Owned, Phase
from riskstream.platform.kafka.lanes.ports import Batch, LaneWork, Prepared
from riskstream.platform.kafka.lanes.waits import Waits, firsts
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.runtime.faults import fault_point


class LaneWaits:
    """Used by the polling thread alone."""

    def __init__(
        self, client: Consumer, source: str, work: LaneWork[Any], metrics: LaneMetrics
    ) -> None:
        self._waits, self._source, self._work, self._metrics = Waits(client), source, work, metrics

    def prepare(
        self,
        polled: Polled,
        owned_by: dict[int, Owned],
        batch_of: Callable[[Polled], Batch | None],
    ) -> tuple[Batch, Prepared] | None:
        """The batch of the records, prepared by the work; None where none is left.

        Records from the first whose schema is not known yet on are left: they come again.
        """
        while True:
            batch = batch_of(polled)
            if batch is None:
                return None
            self._metrics.stages.mark("poll")
            fault_point("polled")
            try:
                with naming(batch):
                    return batch, self._work.prepare(batch)
            except SchemaWait as wait:  # nothing was applied
                first = firsts(batch.partitions.tolist(), batch.offsets.tolist(), wait)
                for partition, offset in first.items():
                    owned_by[partition].phase = Phase.WAITING
                    owned_by[
                        partition
                        # an end that came with the record: the source is not empty up to there
                    ].at_end = False
                    self._waits.begin(self._source, partition, offset, wait)
                    self._metrics.waiting.labels(partition=str(partition)).set(1)
                is_before = np.ones(len(polled), np.bool_)
                for partition, offset in first.items():
                    is_before &= (polled.partitions != partition) | (polled.offsets < offset)
                polled = polled.kept(is_before)

    def take_up(self, owned_by: dict[int, Owned]) -> None:
        """Go on with partitions whose schema is known by now."""
        if not self._waits:
            return
        for partition, owned in owned_by.items():
            if owned.phase is not Phase.WAITING:  # held meanwhile
                self.forget(partition)
        for _, partition in self._waits.take_up():
            owned_by[partition].phase = Phase.RUNNING
            self._metrics.waiting.labels(partition=str(partition)).set(0)

    def forget(self, partition: int) -> None:
        """The partition was revoked, or is taken up anew."""
        self._waits.forget(self._source, partition)
        self._metrics.waiting.labels(partition=str(partition)).set(0)
