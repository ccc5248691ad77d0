"""The state of owned keys: windows and ids, updated a micro-batch at a time. `slot_arrays.py`
explains the arrays.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet, Kind, bits_of
from riskstream.domain.risk.features.keys.key_slots import no_room
from riskstream.domain.risk.features.owned import kernel as k
from riskstream.domain.risk.features.owned.corrections import correct
from riskstream.domain.risk.features.owned.corrections_kernel import REFUND_AT
from riskstream.domain.risk.features.owned.events import Events
from riskstream.domain.risk.features.owned.repeats import Told
from riskstream.domain.risk.features.owned.rows import RowArrays

_REFUND = np.uint64(1 << REFUND_AT)
_NO_KIND = 63
"""A kind that no feature set counts."""
LATEST_MS = 2**42 - 1
"""The latest time that an event in a ring can have: 2109-05-15, in ms since 1970 UTC."""


class KeyTable(RowArrays):
    """State of the keys of one feature set, of every partition this process owns.

    `windows` in ms, of which `widths` are the tiles where they are tiled; `counted`: a bit for each
    kind of transaction that windows count.
    """

    def __init__(self, features: FeatureSet, slots: int = 1024) -> None:
        self.windows = np.array(features.windows_ms, np.int64)
        index = {window: at for at, window in enumerate(features.windows_ms)}
        rows = [(int(each.aggregate), index.get(each.window_ms, 0)) for each in features.owned]
        self.program = np.array(rows, np.int32).reshape(len(rows), 2)
        self.base = len(features.inputs)
        self.counted = bits_of(features.counted)
        self._read = k.Reading(
            np.zeros(len(self.windows), np.int64), np.zeros(len(self.windows), np.int64)
        )
        super().__init__(features, slots)

    def apply(self, events: Events, out: NDArray[Any]) -> Told:
        """Apply a micro-batch in order: verdicts into its `verdicts` (repeats_kernel), features
        into `out` (kernel.apply_kernel).

        A correction takes the place of the event that it names before it is applied; one whose
        correction came before it leaves after it was.
        """
        n = len(events)
        if len(out) < n or out.shape[1] < self.base + len(self.program):
            raise no_room("vectors and verdicts of", n, "KeyTable.apply")
        told = self.repeats.tell(events, self.ats)
        rows = np.flatnonzero((told.takes != 0) | (told.is_corrected != 0))
        # tiles hold no events: one that was corrected before it came is not counted
        if len(rows) and self.step:
            events = replace(events, kinds=np.where(told.is_corrected != 0, _NO_KIND, events.kinds))
        tags = events.ids & ~_REFUND | (events.kinds == Kind.REFUND).astype(np.uint64) << np.uint64(
            REFUND_AT
        )
        if not len(rows):
            self._run(0, n, events, tags, out)
            return told
        corrected = correct(
            self, rows, events, told, lambda done, stop: self._run(done, stop, events, tags, out)
        )
        return replace(told, corrected=corrected)

    def _run(
        self, done: int, stop: int, events: Events, tags: NDArray[np.uint64], out: NDArray[Any]
    ) -> None:
        """Apply records done..stop-1; where the kernel stops, room is made and it goes on."""
        given = (
            events.slots,
            events.times,
            events.amounts,
            events.kinds,
            events.offsets,
            events.modes,
            events.verdicts,
        )
        asked = (out, self.base, self.program, self.windows, self.counted, *self._read)
        while done < stop:
            held = (self.ats, self.changed, *self.rings)
            if self.step:
                done = int(k.apply_tiles_kernel(done, stop, *given, *asked, self.widths, *held))
            else:
                done = int(
                    k.apply_kernel(
                        done, stop, *given, tags, *asked, *held, *self.edges, *self.tiles
                    )
                )
            if done < 0:
                raise no_room("slots and columns of", len(events), "KeyTable.apply")
            if done < stop:
                self.make_room(int(events.slots[done]), len(events) - done)
