"""Kernels that move state without changing it: keys into new buckets, the rest closer together."""

import numpy as np

from riskstream.runtime.kernel import kernel


@kernel("void(int64, uint64[::1], int32[::1])")
def rebuild_kernel(used, hashes, buckets):  # type: ignore[no-untyped-def]
    """Put slots 0..used-1 into empty buckets (-1), a power of two of them and more than slots."""
    mask = np.uint64(len(buckets) - 1)
    for slot in range(used):
        bucket = hashes[slot] & mask
        while buckets[bucket] >= 0:
            bucket = (bucket + np.uint64(1)) & mask
        buckets[bucket] = slot


@kernel(
    "int64(int64, int64[::1], int32[::1], int64[::1], int32[::1], int64[::1], int64[::1], uint8[::1],"
    "int64[::1], int64[::1], uint8[::1], int64[::1])"
)
def compact_kernel(  # type: ignore[no-untyped-def]
    used, offs, caps, key_starts, key_lengths, old_times, old_amounts, old_keys, times, amounts, keys, arena_used
):
    """Copy the rings and keys of slots 0..used-1 one behind another, and point the slots there. The key bytes used."""
    at = 0
    key_at = 0
    for s in range(used):
        for i in range(caps[s]):
            times[at + i] = old_times[offs[s] + i]
            amounts[at + i] = old_amounts[offs[s] + i]
        offs[s] = at
        at += caps[s]
        for i in range(key_lengths[s]):
            keys[key_at + i] = old_keys[key_starts[s] + i]
        key_starts[s] = key_at
        key_at += key_lengths[s]
    arena_used[0] = at
    return key_at
