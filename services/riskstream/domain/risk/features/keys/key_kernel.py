"""Kernels that find the slot of a key: an open-addressing hash table over flat arrays, which
`key_slots.py` explains.
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel

KNOWN, UNKNOWN, FRESH = 0, 1, 2
"""Status of a slot: its row was read or is new; could not be read; waits to be read."""

NO_SLOT = -1
"""Answer of `resolve_kernel`: all slots or buckets are used."""
SHORT = -2
"""Its answer where an array of records is shorter than another, and nothing was done."""
_U8 = "Array(uint8, 1, 'C', readonly=True)"


@njit(inline="always")
def _hash(data, start, length):  # type: ignore[no-untyped-def]
    """64-bit FNV-1a with MurmurHash3's finaliser."""
    h = np.uint64(14695981039346656037)
    for at in range(start, start + length):
        h = (h ^ np.uint64(data[at])) * np.uint64(1099511628211)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@kernel(f"void({_U8}, int64[::1], int32[::1], uint64[::1])")
def hash_kernel(data, starts, lengths, out):  # type: ignore[no-untyped-def]
    """Hash of each text, as many as `out` has room for."""
    for i in range(min(len(starts), len(lengths), len(out))):
        out[i] = _hash(data, starts[i], lengths[i])


@kernel(
    f"int64(int64[::1], {_U8}, int64[::1], int32[::1], int32[::1], uint8[::1], int32[::1], "
    "int32[::1], uint64[::1],"
    "int64[::1], int32[::1], uint8[::1], int32[::1], uint8[::1])"
)
def resolve_kernel(  # type: ignore[no-untyped-def]
    progress,
    data,
    starts,
    lengths,
    partitions,
    wanted,
    slots,
    buckets,
    hashes,
    key_starts,
    key_lengths,
    key_bytes,
    slot_partitions,
    statuses,
):
    """Find or make the slot of each wanted record's key. 0, or the room that is missing: NO_SLOT,
    or bytes of a key.

    `progress` is (next record, slots used, key bytes used): it stops before the record whose new
    key has no room, and goes on there when it is called again. At most half of the buckets are
    used.
    """
    if min(len(lengths), len(partitions), len(wanted), len(slots)) < len(starts) or len(buckets) & (
        len(buckets) - 1
    ):
        return SHORT
    room = min(len(hashes), len(key_starts), len(key_lengths), len(slot_partitions), len(statuses))
    mask = np.uint64(len(buckets) - 1)
    used = progress[1]
    key_used = progress[2]
    for i in range(progress[0], len(starts)):
        slots[i] = -1
        if not wanted[i]:
            continue
        h = _hash(data, starts[i], lengths[i])
        bucket = h & mask
        while True:
            slot = buckets[bucket]
            if slot < 0:
                progress[0] = i
                progress[1] = used
                progress[2] = key_used
                if used >= room or 2 * used >= len(buckets):
                    return NO_SLOT
                if key_used + lengths[i] > len(key_bytes):
                    return np.int64(lengths[i])
                slot = used
                used += 1
                buckets[bucket] = slot
                hashes[slot] = h
                key_starts[slot] = key_used
                key_lengths[slot] = lengths[i]
                for at in range(lengths[i]):
                    key_bytes[key_used + at] = data[starts[i] + at]
                key_used += lengths[i]
                slot_partitions[slot] = partitions[i]
                statuses[slot] = FRESH
                break
            if (
                hashes[slot] == h
                and key_lengths[slot] == lengths[i]
                and slot_partitions[slot] == partitions[i]
            ):
                same = True
                for at in range(lengths[i]):
                    if key_bytes[key_starts[slot] + at] != data[starts[i] + at]:
                        same = False
                        break
                if same:
                    break
            bucket = (bucket + np.uint64(1)) & mask
        slots[i] = slot
    progress[0] = len(starts)
    progress[1] = used
    progress[2] = key_used
    return 0


@njit(inline="always")
def _is_after(data, start, length, other, other_length):  # type: ignore[no-untyped-def]
    """Whether the text at `start` comes after the one at `other`, byte by byte."""
    for at in range(min(length, other_length)):
        if data[start + at] != data[other + at]:
            return data[start + at] > data[other + at]
    return length > other_length


@kernel(f"boolean({_U8}, int64[::1], int32[::1], int64[::1], int64[::1])", allocates=False)
def sort_kernel(data, starts, lengths, order, spare):  # type: ignore[no-untyped-def]
    """Sort `order`, places of texts, by their bytes: runs that double are merged by way of `spare`.
    False, and nothing done, where a text or a place is not there, or `spare` is too short.
    """
    n = len(order)
    texts = min(len(starts), len(lengths))
    if len(spare) < n:
        return False
    for i in range(n):
        at = order[i]
        if at < 0 or at >= texts or starts[at] < 0 or lengths[at] < 0:
            return False
        if starts[at] + lengths[at] > len(data):
            return False
    width = 1
    while width < n:
        for i in range(n):
            spare[i] = order[i]
        for begin in range(0, n, 2 * width):
            left, right = begin, min(begin + width, n)
            middle, end = right, min(begin + 2 * width, n)
            for out in range(begin, end):
                is_right = left >= middle
                if left < middle and right < end:
                    a, b = spare[left], spare[right]
                    is_right = _is_after(data, starts[a], lengths[a], starts[b], lengths[b])
                if is_right:
                    order[out] = spare[right]
                    right += 1
                else:
                    order[out] = spare[left]
                    left += 1
        width *= 2
    return True


@kernel(f"boolean({_U8}, int64[::1], int32[::1], int64[::1], uint8[::1])", allocates=False)
def join_kernel(data, starts, lengths, order, out):  # type: ignore[no-untyped-def]
    """Put texts one behind another, those at the places in `order`. False where a text or a place
    is not there, or `out` has no room.
    """
    texts = min(len(starts), len(lengths))
    used = 0
    for i in range(len(order)):
        at = order[i]
        if at < 0 or at >= texts or starts[at] < 0 or lengths[at] < 0:
            return False
        if starts[at] + lengths[at] > len(data) or used + lengths[at] > len(out):
            return False
        for byte in range(lengths[at]):
            out[used + byte] = data[starts[at] + byte]
        used += lengths[at]
    return True


@kernel(f"boolean({_U8}, int64[::1], int32[::1], {_U8}, int64[::1], int32[::1], boolean[::1])")
def same_kernel(data, starts, lengths, other, other_starts, other_lengths, same):  # type: ignore[no-untyped-def]
    """Whether each text is the one at its place in `other`. False where an array is shorter than
    another or a text is not there: `same` is False of it and of those behind it.
    """
    n = min(len(starts), len(lengths), len(other_starts), len(other_lengths))
    same[:] = False
    if n < len(same):
        return False
    for i in range(len(same)):
        length = lengths[i]
        if starts[i] < 0 or length < 0 or starts[i] + length > len(data):
            return False
        if other_starts[i] < 0 or other_starts[i] + other_lengths[i] > len(other):
            return False
        is_same = length == other_lengths[i]
        for at in range(length if is_same else 0):
            if data[starts[i] + at] != other[other_starts[i] + at]:
                is_same = False
                break
        same[i] = is_same
    return True


@kernel("boolean(int64, uint64[::1], int32[::1])")
def rebuild_kernel(used, hashes, buckets):  # type: ignore[no-untyped-def]
    """Put slots 0..used-1 into empty buckets (-1), a power of two of them. False, and nothing done,
    where they are too few.
    """
    if used > len(hashes) or used >= len(buckets):
        return False
    mask = np.uint64(len(buckets) - 1)
    for slot in range(used):
        bucket = hashes[slot] & mask
        while buckets[bucket] >= 0:
            bucket = (bucket + np.uint64(1)) & mask
        buckets[bucket] = slot
    return True
