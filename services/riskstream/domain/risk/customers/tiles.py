"""Tiles that outlive their states, by customer and partition: flat arrays by slot, and one arena.

A record gives the newest tiles of its customer; those that have left it stay here from an older
one. What is erased stays in the sums, under the key ERASED.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.customer_risk import DAILY_KEPT, HOURLY_KEPT
from riskstream.domain.risk.customers.kernel import ERASE
from riskstream.domain.risk.customers.state_columns import Spans
from riskstream.domain.risk.customers.tiles_kernel import (
    BLOCK_SIZES,
    forget_kernel,
    keep_kernel,
    rows_in_order_kernel,
)
from riskstream.domain.risk.features.keys.key_kernel import same_kernel
from riskstream.domain.risk.features.keys.key_slots import (
    PER_KEY,
    KeySlots,
    PerSlot,
    grown,
    no_room,
)

ERASED = b"(erased)"
"""Stands for every customer whose state was erased."""
_FULL = np.array([HOURLY_KEPT, DAILY_KEPT], np.int64)


class TileRows(NamedTuple):
    """n records of one partition: arrays [n], `lacks_before` [n, 2]; the items of each history one
    behind another, and where each record's end.

    `lacks_before`: by history, windows that begin before it lack something.
    """

    slots: NDArray[np.int32]
    lacks_before: NDArray[np.int64]
    hours: NDArray[np.int64]
    hour_ends: NDArray[np.int64]
    days: NDArray[np.int64]
    day_ends: NDArray[np.int64]


class Part(NamedTuple):
    """n tiles, int64[n, columns], in order of their owners' names and their starts; `owners`
    int64[n] are places in the table's order.
    """

    tiles: NDArray[np.int64]
    owners: NDArray[np.int64]


class TileTable(KeySlots):
    """`items`: names of the numbers of a record's items; `names`: of a tile's, the start first.

    History 0 is of hours, 1 of days. `whole_from` int64[2]: by history, windows that begin before
    it are not whole.
    """

    PER_SLOT: ClassVar[PerSlot] = {
        **PER_KEY,
        "held": (np.uint8, 0),
        "firsts": (np.int64, 0, 2),
        "sizes": (np.int32, 0, 2),
        "caps": (np.int32, 0, 2),
    }
    # Its arrays, for readers and for mypy.
    held: NDArray[np.uint8]
    firsts: NDArray[np.int64]
    sizes: NDArray[np.int32]
    caps: NDArray[np.int32]

    def __init__(self, items: Sequence[str], names: Sequence[str], slots: int = 64) -> None:
        super().__init__(slots)
        self.names = tuple(names)
        self._columns = np.array([items.index(name) for name in names], np.int64)
        self._same = np.arange(len(names), dtype=np.int64)
        self.tiles = np.zeros((0, len(names)), np.int64)
        self._tiles_used = np.zeros(1, np.int64)
        self._frees = np.full(BLOCK_SIZES, -1, np.int64)
        self._whole_from = np.zeros(3, np.int64)
        self._order = np.zeros(0, np.int64)
        self._begins = np.zeros(0, np.bool_)

    @property
    def whole_from(self) -> NDArray[np.int64]:
        return self._whole_from[:2]

    def slots_of(
        self, partition: int, spans: Spans, is_wanted: NDArray[np.bool_]
    ) -> NDArray[np.int32]:
        """The slot of each customer in a partition, an empty one for who is not known; -1 of those
        that are not wanted.
        """
        partitions = np.full(len(is_wanted), partition, np.int32)
        return self.resolve(*spans, partitions, is_wanted.view(np.uint8))[0]

    def keep(
        self, partition: int, rows: TileRows, deeds: NDArray[np.uint8], order: NDArray[np.int64]
    ) -> None:
        """Take some records in an order: by its deed (`kernel.LOAD`, `ERASE`, `LEAVE`) a record's
        tiles come in the place of those that begin with them, or its customer is erased.
        """
        pool = self._pool(partition) if len(order) and (deeds[order] == ERASE).any() else -1
        done, n = 0, len(order)
        while True:
            done = int(
                keep_kernel(
                    done,
                    order,
                    deeds,
                    *rows,
                    self._columns,
                    self._same,
                    _FULL,
                    pool,
                    *self._held(),
                    self._whole_from,
                )
            )
            if done < 0:
                raise no_room("tiles of", n, "TileTable")
            if done == n:
                return
            used, needed = int(self._tiles_used[0]), int(self._whole_from[2])
            size = max(used + needed + 2 * (n - done), 3 * len(self.tiles) // 2)
            self.tiles = grown(self.tiles, size, 0)

    def _pool(self, partition: int) -> int:
        """The slot of all who were erased in a partition."""
        data = np.frombuffer(ERASED, np.uint8)
        spans = data, np.zeros(1, np.int64), np.full(1, len(ERASED), np.int32)
        return int(self.slots_of(partition, spans, np.ones(1, np.bool_))[0])

    def _held(self) -> tuple[NDArray[np.generic], ...]:
        arena = self.tiles, self._tiles_used, self._frees
        return (self.held, self.firsts, self.sizes, self.caps, *arena)

    def forget(self, before_ms: int) -> None:
        """Let go of tiles that begin before an instant."""
        np.maximum(self.whole_from, before_ms, out=self.whole_from)
        given = self.used, before_ms, self.firsts, self.sizes, self.caps, self.tiles, self._frees
        if not forget_kernel(*given):
            raise no_room("tiles of", self.used, "TileTable")

    def parts(self, history: int, least: int, most: int, at_once: int) -> Iterator[Part]:
        """Tiles that begin from `least` to `most`, by customers' names and by start: those of one
        customer in several partitions added up, and never in two parts. A part is good until the
        next one, and has `at_once` tiles at most, or those of one customer.
        """
        self._sort()
        out = np.empty((at_once, len(self.names)), np.int64)
        owners, cursors = np.empty(at_once, np.int64), np.zeros(64, np.int64)
        used, done, n = np.zeros(1, np.int64), 0, len(self._order)
        while done < n:
            before, done = (
                done,
                int(
                    rows_in_order_kernel(
                        done,
                        self._order,
                        self._begins,
                        history,
                        least,
                        most,
                        self.firsts,
                        self.sizes,
                        self.tiles,
                        cursors,
                        out,
                        owners,
                        used,
                    )
                ),
            )
            if done < 0:
                raise no_room("tiles of", n, "TileTable.parts")
            if used[0]:
                yield Part(out[: used[0]], owners[: used[0]])
            elif done == before:  # one customer has more than that
                out, owners = grown(out, 2 * len(out), 0), grown(owners, 2 * len(out), 0)
                cursors = np.zeros(2 * len(cursors), np.int64)

    def _sort(self) -> None:
        """Every slot in the order of its key, then of its partition."""
        if len(self._order) == self.used:
            return
        by_partition = np.argsort(self.partitions[: self.used], kind="stable")
        self._order = order = self.in_order(by_partition)
        starts, lengths = self.key_starts[order], self.key_lengths[order]
        is_same = np.zeros(max(len(order) - 1, 0), np.bool_)
        texts = starts[1:], lengths[1:], self.key_bytes, starts[:-1], lengths[:-1]
        same_kernel(self.key_bytes, *texts, is_same)
        self._begins = np.concatenate([[True], ~is_same])

    def names_of(self, owners: NDArray[np.int64]) -> Joined:
        """The name of each owner."""
        return self.joined_keys(self._order[owners])
