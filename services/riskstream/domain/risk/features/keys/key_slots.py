"""The slots of keys: each key of a partition has one, found by an open-addressing hash table over
flat arrays. What is held in a slot is for its users to say.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.features.keys.key_kernel import (
    KNOWN,
    NO_SLOT,
    SHORT,
    join_kernel,
    rebuild_kernel,
    resolve_kernel,
    sort_kernel,
)
from riskstream.runtime.errors import Fatal

PerSlot = Mapping[str, tuple[Any, ...]]
"""By name of an array its type, what a new slot has in it, and the shape of that."""
PER_KEY: PerSlot = {
    "hashes": (np.uint64, 0),
    "key_starts": (np.int64, 0),
    "key_lengths": (np.int32, 0),
    "partitions": (np.int32, -1),
    "statuses": (np.uint8, KNOWN),
}


class KeySlots:
    """Arrays of `capacity` slots, of which `used` have a key; `PER_SLOT` names them all."""

    PER_SLOT: ClassVar[PerSlot] = PER_KEY

    def __init__(self, slots: int) -> None:
        self._start_slots(slots)

    def _start_slots(self, slots: int) -> None:
        """No key is known, and there is room for so many."""
        self.used = 0
        self.key_used = 0
        self.capacity = slots
        for name, (kind, fill, *shape) in self.PER_SLOT.items():
            setattr(self, name, np.full((slots, *shape), fill, kind))
        self.key_bytes = np.zeros(slots * 16, np.uint8)
        self.buckets = np.full(power_of_two(2 * slots), -1, np.int32)

    # The arrays of PER_KEY, for readers and for mypy.
    hashes: NDArray[np.uint64]
    key_starts: NDArray[np.int64]
    key_lengths: NDArray[np.int32]
    partitions: NDArray[np.int32]
    statuses: NDArray[np.uint8]

    def resolve(
        self,
        data: NDArray[np.uint8],
        starts: NDArray[np.int64],
        lengths: NDArray[np.int32],
        partitions: NDArray[np.int32],
        wanted: NDArray[np.uint8],
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """(slot of each record or -1, slots made by this call with status FRESH: their rows are to
        be loaded).
        """
        slots = np.empty(len(starts), np.int32)
        before = self.used
        progress = np.array([0, self.used, self.key_used], np.int64)
        while missing := resolve_kernel(
            progress,
            data,
            starts,
            lengths,
            partitions,
            wanted,
            slots,
            self.buckets,
            self.hashes,
            self.key_starts,
            self.key_lengths,
            self.key_bytes,
            self.partitions,
            self.statuses,
        ):
            self.used, self.key_used = int(progress[1]), int(progress[2])
            if missing == SHORT:
                raise no_room("columns of", len(starts), "KeySlots.resolve")
            if missing == NO_SLOT:
                self.reserve_slots(len(starts) - int(progress[0]))
            else:
                self.reserve_keys(int(missing))
        self.used, self.key_used = int(progress[1]), int(progress[2])
        return slots, np.arange(before, self.used, dtype=np.int32)

    def key(self, slot: int) -> bytes:
        """The key of a slot."""
        start = int(self.key_starts[slot])
        return self.key_bytes[start : start + int(self.key_lengths[slot])].tobytes()

    def keys(self, slots: NDArray[Any]) -> list[bytes]:
        """The keys of some slots."""
        return self.joined_keys(slots).present()

    def joined_keys(self, slots: NDArray[Any]) -> Joined:
        """The keys of some slots, joined."""
        order = slots.astype(np.int64)
        ends = np.cumsum(self.key_lengths[order], dtype=np.int64)
        out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
        if not join_kernel(self.key_bytes, self.key_starts, self.key_lengths, order, out):
            raise no_room("keys of", len(order), "KeySlots.joined_keys")
        return Joined(out, ends, np.zeros(len(ends), np.uint8))

    def in_order(self, slots: NDArray[Any]) -> NDArray[np.int64]:
        """Some slots in the order of their keys' bytes."""
        order = slots.astype(np.int64)
        spare = np.empty_like(order)
        if not sort_kernel(self.key_bytes, self.key_starts, self.key_lengths, order, spare):
            raise no_room("keys of", len(order), "KeySlots.in_order")
        return order

    def reserve_slots(self, more: int) -> None:
        if self.used + more <= self.capacity:
            return
        new = max(2 * self.capacity, self.used + more)
        for name, (_, fill, *_) in self.PER_SLOT.items():
            setattr(self, name, grown(getattr(self, name), new, fill))
        self._grow_slots(new)
        self.capacity = new
        size = power_of_two(2 * new)
        if size > len(self.buckets):
            self.buckets = np.full(size, -1, np.int32)
            self._rebuild()

    def _grow_slots(self, new: int) -> None:
        """Room for `new` slots in what is held beside PER_SLOT."""

    def reserve_keys(self, more: int) -> None:
        if self.key_used + more > len(self.key_bytes):
            self.key_bytes = grown(
                self.key_bytes, max(2 * len(self.key_bytes), self.key_used + more), 0
            )

    def _rebuild(self) -> None:
        if not rebuild_kernel(self.used, self.hashes, self.buckets):
            raise no_room("buckets for", self.used, "KeySlots._rebuild")


def no_room(what: str, many: int, where: str) -> Fatal:
    return Fatal(
        what=f"there is no room for the {what} {many:,}",
        where=where,
        do="report this: nothing was written past it",
    )


def grown(array: NDArray[Any], size: int, fill: Any) -> NDArray[Any]:
    shape = (size, *array.shape[1:])
    # zeros are not touched before they are used: a third of the time of a table that grows
    new = np.full(shape, fill, array.dtype) if fill else np.zeros(shape, array.dtype)
    new[: len(array)] = array
    return new


def power_of_two(at_least: int) -> int:
    return 1 << (at_least - 1).bit_length()
