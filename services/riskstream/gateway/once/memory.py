"""What one gateway remembers by itself: bounded in entries and in bytes, the oldest go first. Pure.

An entry is a row of arrays in a ring and an item of one dict; decisions are bytes beside.
"""

from collections.abc import Sequence
from itertools import chain, islice

import numpy as np

from riskstream.gateway.once.known import Known

ENTRY_BYTES = 200
"""Of an entry without a decision: 36 in arrays, the rest in the dict, at its emptiest."""
_TOLD_BYTES = 250
"""Of a decision beside its text: two items of dicts, and what they hold."""


class Memory:
    """By the hash of a name. Instants are ms since 1970."""

    def __init__(self, entries: int, max_bytes: int, keep_ms: int) -> None:
        self._entries, self._max_bytes, self._keep_ms = entries, max_bytes, keep_ms
        self.serials: dict[int, int] = {}
        self._first = self._next = 0
        self._names = np.zeros(entries, np.int64)
        self._bodies = np.zeros(entries, np.int64)
        self._until = np.zeros(entries, np.int64)
        self._places = np.zeros((entries, 2), np.int64)
        self._told: dict[int, tuple[bytes, int]] = {}
        self._by_id: dict[int, int | dict[int, None]] = {}
        self._told_bytes = 0

    def __len__(self) -> int:
        return len(self.serials)

    @property
    def size(self) -> int:
        """What it takes, about."""
        return len(self.serials) * ENTRY_BYTES + self._told_bytes

    def get(self, name: int, now_ms: int) -> Known | None:
        """What is known under a name; None where nothing is, or it is too old."""
        serial = self.serials.get(name)
        if serial is None:
            return None
        at = serial % self._entries
        if self._until[at] <= now_ms:
            return None
        partition, offset = self._places[at].tolist()
        told = self._told.get(name)
        place = (partition, offset) if partition >= 0 else None
        return Known(int(self._bodies[at]), place, told[0] if told else None)

    def put(self, name: int, known: Known, now_ms: int, id_name: int = 0) -> None:
        """Remember; in place of what was known. `id_name`: hash of the transaction's id alone."""
        self.put_many([name], [known.body], [known.place or (-1, -1)], now_ms)
        if known.told is not None:
            self._told[name] = known.told, id_name
            self._told_bytes += _TOLD_BYTES + len(known.told)
            self._name_id(id_name, name)
            self._shrink(now_ms, 0)

    def put_many(
        self,
        names: Sequence[int],
        bodies: Sequence[int],
        places: Sequence[tuple[int, int]],
        now_ms: int,
    ) -> None:
        """Remember transactions without decisions."""
        for first in range(0, len(names), self._entries):
            some = slice(first, first + self._entries)
            self._put_some(names[some], bodies[some], places[some], now_ms)

    def _put_some(
        self,
        names: Sequence[int],
        bodies: Sequence[int],
        places: Sequence[tuple[int, int]],
        now_ms: int,
    ) -> None:
        n = len(names)
        if self._told:
            for name in names:
                self._forget_told(name)
        self._shrink(now_ms, n)
        at, end = self._next % self._entries, self._entries
        flat = np.fromiter(chain.from_iterable(places), np.int64, 2 * n).reshape(n, 2)
        given = np.array(names, np.int64), np.array(bodies, np.int64)
        head = min(n, end - at)
        for rows, some in (  # to the ring's end, then from its beginning
            (slice(at, at + head), slice(head)),
            (slice(n - head), slice(head, n)),
        ):
            self._names[rows], self._bodies[rows] = given[0][some], given[1][some]
            self._places[rows], self._until[rows] = flat[some], now_ms + self._keep_ms
        self.serials.update(zip(names, range(self._next, self._next + n), strict=True))
        self._next += n

    def late(self, name: int, told: bytes) -> None:
        """Another text of a decision that is remembered."""
        if name in self._told:
            before, id_name = self._told[name]
            self._told[name] = told, id_name
            self._told_bytes += len(told) - len(before)

    def with_id(self, id_name: int, now_ms: int) -> tuple[int, ...]:
        """Names of the decisions on transactions with this id, one a customer: two at most."""
        self._shrink(now_ms, 0)
        found = self._by_id.get(id_name, {})
        return (found,) if isinstance(found, int) else tuple(islice(found, 2))

    def _shrink(self, now_ms: int, room: int) -> None:
        """Forget what is too old, and the oldest until there is room."""
        size, serials = self._entries, self.serials
        while self._first < self._next and (
            self._next - self._first + room > size
            or self.size + room * ENTRY_BYTES > self._max_bytes
            or self._until[self._first % size] <= now_ms
        ):
            name = int(self._names[self._first % size])
            if serials.get(name) == self._first:
                del serials[name]
                self._forget_told(name)
            self._first += 1

    def _forget_told(self, name: int) -> None:
        found = self._told.pop(name, None)
        if found is None:
            return
        self._told_bytes -= _TOLD_BYTES + len(found[0])
        names = self._by_id[found[1]]
        if isinstance(names, dict):
            del names[name]
        if names == name or not names:
            del self._by_id[found[1]]

    def _name_id(self, id_name: int, name: int) -> None:
        """Most ids have one name; one that very many customers use costs each of them no more."""
        names = self._by_id.setdefault(id_name, name)
        if isinstance(names, dict):
            names[name] = None
        elif names != name:
            self._by_id[id_name] = {names: None, name: None}
