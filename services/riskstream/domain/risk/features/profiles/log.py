"""One partition of profile-events.v1 folded into profiles: the reader's rule, the clock, and the
profiles of each entity.

The owner of the partition and the parity check run this same code. Pure.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import ColumnBounds
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk.features.declare import FeatureSet, bits_of
from riskstream.domain.risk.features.profiles.entity_profiles import (
    EVENT,
    Profiles,
    Steps,
)
from riskstream.domain.risk.features.profiles.labels import standings
from riskstream.domain.risk.features.profiles.positions_text import packed, unpacked

MAX_INLINE = 3900
"""Of the positions in a commit's metadata: Kafka takes 4,096 bytes by default, and offset and clock
stand beside them.
"""
IN_STATE = "state"


class ProfileLog:
    """Takes frames of one partition in order. `clock_ms`: the latest event time seen; `repeats`:
    records dropped; `arrived_at`: when the newest source record of the last frames was appended,
    ms.
    """

    def __init__(self, features: FeatureSet) -> None:
        self.profiles = {
            entity: Profiles(entity, mine) for entity, mine in features.profiles.items()
        }
        self._counted = {entity: bits_of(features.kinds_of(entity)) for entity in features.profiles}
        self.clock_ms = self.arrived_at = 0
        self.repeats = 0
        self._decoder = ColumnDecoder("profile-event.v1")
        self._bounds = ColumnBounds("profile-event.v1", self._decoder.layout)
        self._last: dict[int, int] = {}
        self._is_in_state = False

    def take(self, frames: Sequence[bytes | None]) -> int:
        """Fold frames in; how many of them could not be read and were left out.

        SchemaWait, before anything is folded in, while the schema of one is being asked for.
        """
        columns = self._decoder.decode(frames)
        if (wait := columns.waits()) is not None:
            raise wait
        readable = (columns.status == 0) & ~self._bounds.broken(columns)
        self.arrived_at = int(columns.numbers("src_appended_at").max(where=readable, initial=0))
        accepted = self._accept(
            columns.numbers("kind"),
            columns.numbers("src_partition"),
            columns.numbers("src_index"),
            columns.numbers("src"),
            readable,
        )
        kinds, times = columns.numbers("kind"), columns.numbers("occurred_at")
        said = standings(
            columns.numbers("source") * readable,
            columns.numbers("known_at"),
            columns.numbers("outcome"),
        )
        is_event = accepted & (kinds == EVENT)
        if is_event.any():
            self.clock_ms = max(self.clock_ms, int(times[is_event].max()))
        key_starts, key_lengths = columns.span("key")
        for entity, profiles in self.profiles.items():
            counted = ~is_event | (
                (self._counted[entity] >> columns.numbers("transaction_kind")) & 1
            ).astype(np.bool_)
            is_mine = columns.is_text("entity", entity.name.encode())
            rows = np.flatnonzero(accepted & counted & is_mine)
            if not len(rows):
                continue
            profiles.take(
                Steps(
                    slots=profiles.slots_of(columns.data, key_starts[rows], key_lengths[rows]),
                    kinds=kinds[rows],
                    hashes=columns.numbers("transaction_hash")[rows],
                    times=times[rows],
                    amounts=columns.numbers("amount_minor")[rows],
                    standings=said[rows],
                )
            )
        return int((~readable).sum())

    def _accept(
        self,
        kinds: NDArray[np.int64],
        partitions: NDArray[np.int64],
        indices: NDArray[np.int64],
        srcs: NDArray[np.int64],
        readable: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """The reader's rule (I4), a series for each kind, source partition and index."""
        accepted = np.zeros(len(srcs), np.bool_)
        series = (partitions << 16) | (indices << 4) | kinds
        for each in np.unique(series[readable]).tolist():
            rows = np.flatnonzero((series == each) & readable)
            mine = srcs[rows]
            seen = np.maximum.accumulate(np.concatenate([[self._last.get(each, -1)], mine]))
            accepted[rows] = mine > seen[:-1]
            self._last[each] = int(seen[-1])
        self.repeats += int(readable.sum() - accepted.sum())
        return accepted

    def metadata(self) -> str:
        """What to commit beside the offset, for `resume`; where they are too long, those in the
        state topic count.
        """
        text = packed(self._last)
        return f"clock={self.clock_ms};z={text if len(text) <= MAX_INLINE else IN_STATE}"

    @property
    def positions(self) -> dict[int, int]:
        """Positions by series."""
        return dict(self._last)

    def stand_at(self, clock_ms: int, positions: dict[int, int]) -> None:
        """Take up clock and positions as the state topic says, whatever metadata was given."""
        self.clock_ms, self._last = clock_ms, positions

    def restore(self, positions: dict[int, int]) -> None:
        """Take up `positions` from the state topic, where the metadata given to `resume` says that
        they stand there.
        """
        if self._is_in_state:
            self._last = positions

    def resume(self, metadata: str) -> None:
        """Take up clock and positions from committed metadata; nothing where there is none."""
        for part in metadata.split(";"):
            if part.startswith("clock="):
                self.clock_ms = int(part.removeprefix("clock="))
            elif part.startswith("z="):
                text = part.removeprefix("z=")
                self._is_in_state = text == IN_STATE
                self._last = {} if self._is_in_state else unpacked(text)
            elif ":" in part:  # as committed before there was a short form
                pairs = (pair.split(":") for pair in part.split(","))
                self._last = {int(each, 16): int(last, 16) for each, last in pairs}
