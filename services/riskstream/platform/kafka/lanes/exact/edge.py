"""What a lane writes at a batch edge: checkpoints (C), the group's offsets, and both once more
before it gives up.

Within a batch it writes nothing, and nothing ever again after an exception or a failed delivery:
memory may hold what was never produced (I5).
"""

from confluent_kafka import Consumer

from riskstream.platform.kafka.lanes.exact.checkpoints import Checkpoints
from riskstream.platform.kafka.lanes.exact.commits import commit
from riskstream.platform.kafka.lanes.exact.outputs import LaneOutputs
from riskstream.platform.kafka.lanes.exact.owned import Owned
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.runtime.machine import monotonic


class LaneEdge:
    """Used by the polling thread alone.

    `is_reached`: False from where a batch is applied until all of it was produced. `is_broken`: an
    exception ended a step.
    """

    def __init__(
        self,
        settings: LaneSettings,
        client: Consumer,
        outputs: LaneOutputs,
        checkpoints: Checkpoints,
        owned_by: dict[int, Owned],
    ) -> None:
        self._settings, self._client, self._outputs = settings, client, outputs
        self._checkpoints, self._owned = checkpoints, owned_by
        self._begun_at = monotonic()
        self.is_reached, self.is_broken = True, False

    @property
    def may_write(self) -> bool:
        return self.is_reached and not self.is_broken and self._outputs.failure is None

    def is_due(self) -> bool:
        """True each `checkpoint_every_ms`, or earlier where a partition that can be copied has
        `checkpoint_rows` records since its last copy.
        """
        # one whose copy waits for the store would make every turn of the loop due
        records = max(
            (each.changed_rows for each in self._owned.values() if each.may_be_copied), default=0
        )
        every_s = self._settings.checkpoint_every_ms / 1000
        return monotonic() - self._begun_at >= every_s or records >= self._settings.checkpoint_rows

    def begin(self) -> None:
        """C1: copy what changed."""
        self._begun_at = monotonic()
        self._checkpoints.begin(self._owned)

    def advance(self) -> list[int]:
        """C2: write the copies that are acknowledged. Partitions whose store went back are
        returned.
        """
        return self._checkpoints.advance(self._owned)

    def commit(self) -> None:
        if self.may_write:
            commit(self._client, self._settings.source, self._owned)

    def drain(self, partitions: list[int]) -> None:
        """Revocation and shutdown: wait a little for acknowledgements, write a last checkpoint,
        commit.
        """
        end = monotonic() + self._settings.drain_ms / 1000
        mine = [self._owned[each] for each in partitions if each in self._owned]
        asked = False
        while monotonic() < end and self.may_write:
            self._outputs.poll(0.005)
            if not self.may_write:
                return
            self.advance()  # a store that went back is the next owner's to see
            if not asked and all(each.pending is None and not each.is_writing for each in mine):
                self._checkpoints.begin(self._owned)
                asked = True
            done = all(each.pending is None and not each.is_writing for each in mine)
            if asked and done:
                break
        self.commit()
