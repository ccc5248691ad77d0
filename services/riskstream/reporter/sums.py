"""Adds tiles up, by window and by customer. Pure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.customers.tiles import TileTable
from riskstream.domain.risk.customers.tiles_kernel import sums_kernel
from riskstream.domain.risk.features.keys.key_slots import grown, no_room

TOP_CUSTOMERS = 20
_AT_ONCE = 8192
"""Tiles that are added up at once: they stay in a core's cache."""


class Sums(NamedTuple):
    """`windows`: by start, rising, the number of customers with a payment and the sums.
    `customers`: how many have a payment in any of them. `top`: customers with alerts and their
    sums, those with the largest alerted amount first.
    """

    windows: dict[int, dict[str, int]]
    customers: int
    top: list[dict[str, str | int]]


class _Top:
    """The customers with the largest alerted amounts; of equal ones those first in order."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._alerts, self._amount = names.index("alerts"), names.index("alert_amount_minor")
        self.owners = np.zeros(0, np.int64)
        self.totals = np.zeros((0, len(names)), np.int64)

    def add(self, owners: NDArray[np.int64], totals: NDArray[np.int64]) -> None:
        alerted = np.flatnonzero(totals[:, self._alerts])
        owners = np.concatenate([self.owners, owners[alerted]])
        totals = np.concatenate([self.totals, totals[alerted]])
        # ~amount falls where amount rises, and no number is too large for it
        best = np.lexsort((owners, ~totals[:, self._amount]))[:TOP_CUSTOMERS]
        self.owners, self.totals = owners[best], totals[best]


def sums_of(tiles: TileTable, history: int, least: int, most: int) -> Sums:
    """Of the tiles that begin from `least` to `most`, in 64 bits as the tiles themselves."""
    names = tiles.names[1:]
    counted, top, customers = tiles.names.index("transactions"), _Top(names), 0
    windows, used = np.zeros((64, len(names) + 2), np.int64), np.zeros(2, np.int64)
    totals, whose = np.empty((_AT_ONCE, len(names)), np.int64), np.empty(_AT_ONCE, np.int64)
    for part in tiles.parts(history, least, most, _AT_ONCE):
        done, n, used[1] = 0, len(part.owners), 0
        if n > len(whose):
            totals, whose = np.empty((n, len(names)), np.int64), np.empty(n, np.int64)
        while done < n:
            done = int(sums_kernel(done, n, *part, counted, windows, totals, whose, used))
            if done < 0:
                raise no_room("sums of", n, "sums_of")
            if used[0] == len(windows):
                windows = grown(windows, 2 * len(windows), 0)
        mine = totals[: used[1]]
        customers += int(np.count_nonzero(mine[:, counted - 1] > 0))
        top.add(whose[: used[1]], mine)
    found = tiles.names_of(top.owners).present()
    pairs = zip(found, top.totals.tolist(), strict=True)
    return Sums(
        {
            start: dict(zip(("customers", *names), row, strict=True))
            for start, *row in windows[: used[0]].tolist()
        },
        customers,
        [{"customer_id": key.decode(), **dict(zip(names, row, strict=True))} for key, row in pairs],
    )
