"""Takes records of customer-risk.v1 into a snapshot, many at once. Pure."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import Columns
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.customers.kernel import ERASE, LEAVE, LOAD
from riskstream.domain.risk.customers.state_columns import StateColumns, name_of, spans_of
from riskstream.domain.risk.customers.tiles import TileRows
from riskstream.platform.kafka.record import Records
from riskstream.reporter.core import Snapshot, StateRows
from riskstream.runtime.errors import Rejected

_Keys = Sequence[bytes | None]


class States:
    """A flush is taken whole or not at all: what follows the last record that ends one waits for
    more of its partition.
    """

    def __init__(self, snapshot: Snapshot, base_currency: str) -> None:
        self._snapshot, self._base_currency = snapshot, base_currency
        self._columns = StateColumns(base_currency)
        self._half: dict[int, list[tuple[StateRows, NDArray[np.int64]]]] = defaultdict(list)

    def take(self, records: Records) -> int:
        """Take records of one partition, in the order of the topic; how many cannot be read.
        SchemaWait while the schema of one is being asked for.
        """
        number, keys, frames = records.partition, records.keys, records.values
        columns, is_good = self._good(number, keys, frames)
        deeds = np.full(len(records), LOAD, np.uint8)
        if not is_good.all():
            is_erased = Joined.of(frames).nulls != 0
            keys, frames = list(keys), list(frames)
            for row in np.flatnonzero(is_erased).tolist():
                keys[row] = name_of(keys[row])
            if self._read_alone(number, keys, frames, ~is_good & ~is_erased):
                columns, is_good = self._good(number, keys, frames)
            deeds[~is_good] = LEAVE
            deeds[is_erased] = ERASE
        self._apply(number, _rows(self._snapshot, number, keys, columns, deeds), columns, deeds)
        return int((deeds == LEAVE).sum())

    def _good(self, number: int, keys: _Keys, frames: _Keys) -> tuple[Columns, NDArray[np.bool_]]:
        """(records as columns, which of them count)."""
        columns, is_good = self._columns.placed(number, keys, frames)
        is_good &= self._columns.is_of_currency(columns)
        return columns, is_good

    def _read_alone(
        self,
        number: int,
        keys: _Keys,
        frames: list[bytes | None],
        is_asked: NDArray[np.bool_],
    ) -> bool:
        """Put frames of our own schema in the place of those that can be read one by one; whether
        there is one.
        """
        is_any = False
        for row in np.flatnonzero(is_asked).tolist():
            try:
                frames[row], is_any = self._columns.alone(number, keys[row], frames[row]), True
            except Rejected:
                continue
        return is_any

    def _apply(
        self, number: int, states: StateRows, columns: Columns, deeds: NDArray[np.uint8]
    ) -> None:
        """States count when their flush ends, an erasure where it stands."""
        good, erased = np.flatnonzero(deeds == LOAD), np.flatnonzero(deeds == ERASE)
        closes = good[columns.numbers("ends_flush")[good] != 0]
        at = np.searchsorted(closes, good)  # the first one that is not before it
        here = int((at < len(closes)).sum())
        when = np.concatenate([closes[at[:here]], erased])
        rows = np.concatenate([good[:here], erased])
        order = np.lexsort((rows, when))
        rows, when = rows[order], when[order]
        before = int(np.searchsorted(when, closes[0])) if here else len(rows)
        self._snapshot.take(number, states, deeds, rows[:before])
        if here:
            self._snapshot.base_currency = self._base_currency
            for half, mine in self._half.pop(number, ()):
                self._snapshot.take(
                    number, half, np.full(len(half.positions), LOAD, np.uint8), mine
                )
            self._snapshot.take(number, states, deeds, rows[before:])
        if here < len(good):
            self._half[number].append((states, good[here:]))


def _rows(
    snapshot: Snapshot, number: int, keys: _Keys, columns: Columns, deeds: NDArray[np.uint8]
) -> StateRows:
    numbers = columns.numbers
    lacks = [
        np.maximum(numbers("whole_from"), numbers(f"{name}_lacks_before"))
        for name in ("hourly", "daily")
    ]
    tiles = TileRows(
        snapshot.tiles.slots_of(number, spans_of(keys), deeds != LEAVE),
        np.stack(lacks, axis=1),
        *columns.rows("hourly"),
        *columns.rows("daily"),
    )
    positions = np.maximum(numbers("src"), numbers("position"))
    return StateRows(
        tiles, positions, numbers("last_occurred_at").copy(), numbers("updated_at").copy()
    )
