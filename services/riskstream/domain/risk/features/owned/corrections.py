"""Applies a batch with corrections: what each takes out of its key's windows, between the records
before and behind it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.owned.corrections_kernel import (
    NO_SLOT,
    TAKEN_OUT,
    tag_of,
    take_out_kernel,
    unfold_kernel,
)
from riskstream.domain.risk.features.owned.events import Events
from riskstream.domain.risk.features.owned.repeats import Corrected, Told
from riskstream.runtime.errors import Fatal

if TYPE_CHECKING:
    from riskstream.domain.risk.features.owned.table import KeyTable

Event = tuple[int, int, int]
"""Time, amount, kind."""


def correct(
    table: "KeyTable",
    rows: NDArray[np.int64],
    events: Events,
    told: Told,
    run: Callable[[int, int], None],
) -> Corrected:
    """Apply a batch by `run`, and at each of `rows` take out what leaves before it, and itself
    where it was corrected.
    """
    slots = events.slots
    left: list[tuple[int, int, int, int]] = []
    unknown: list[int] = []
    done = 0
    for row in rows.tolist():
        run(done, row)
        if tag := int(told.takes[row]):
            found = _take_out(table, int(slots[row]), tag - 1) if tag > 0 else None
            if found is None:
                unknown.append(row)
            else:
                left.append((row, *found))
        run(row, row + 1)
        if told.is_corrected[row]:
            event = int(events.times[row]), int(events.amounts[row]), int(events.kinds[row])
            _leave(table, int(slots[row]), int(events.ids[row]), event)
        done = row + 1
    run(done, len(slots))
    columns = np.array(left, np.int64).reshape(-1, 4)
    return Corrected(
        rows=columns[:, 0],
        times=columns[:, 1],
        amounts=columns[:, 2],
        are_refunds=columns[:, 3] != 0,
        late=np.flatnonzero(told.is_corrected),
        unknown=np.array(unknown, np.int64),
    )


def _take_out(table: "KeyTable", slot: int, tag: int) -> Event | None:
    """Time, amount, and 1 for a refund, of the event with this tag, which leaves the windows; None
    where there is none.
    """
    if table.step:
        return None
    out = np.zeros(3, np.int64)
    held = table.offs, table.caps, table.firsts, table.sizes, table.lefts, table.sums, table.ring
    answer = take_out_kernel(slot, tag, *held, out)
    if answer == NO_SLOT:
        raise Fatal(
            what=f"slot {slot:,} is not there",
            where="corrections",
            do="report this: nothing was written past it",
        )
    return (int(out[0]), int(out[1]), int(out[2])) if answer == TAKEN_OUT else None


def _leave(table: "KeyTable", slot: int, hashed: int, event: Event) -> None:
    """Take the event that was just applied out again; one before a full ring was folded into the
    tiles.
    """
    time, amount, kind = event
    is_done = _take_out(table, slot, tag_of(hashed)) or table.step or not table.counted >> kind & 1
    if not is_done and time > table.newests[slot] - table.windows[-1]:  # an older one was not kept
        tiles = table.tile_numbers, table.tile_counts, table.tile_sums
        unfold_kernel(int(table.blocks[slot]), time, amount, table.windows, *tiles)
