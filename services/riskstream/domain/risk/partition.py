"""Where a key belongs: Kafka's own hash, so that a record that stands elsewhere can be flagged.

MurmurHash2, 32 bits, seed 0x9747b28c, sign bit cleared, modulo the partition count: the default
partitioner of Kafka's Java client, and librdkafka's `murmur2_random` for keys that are not null.
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel

_U8 = "Array(uint8, 1, 'C', readonly=True)"


@njit(inline="always")
def _murmur2(data, start, length):  # type: ignore[no-untyped-def]
    m = np.uint32(0x5BD1E995)
    h = np.uint32(0x9747B28C) ^ np.uint32(length)
    at = start
    end = start + length
    while end - at >= 4:
        k = (
            np.uint32(data[at])
            | (np.uint32(data[at + 1]) << np.uint32(8))
            | (np.uint32(data[at + 2]) << np.uint32(16))
            | (np.uint32(data[at + 3]) << np.uint32(24))
        )
        k = np.uint32(k * m)
        k = np.uint32((k ^ (k >> np.uint32(24))) * m)
        h = np.uint32(np.uint32(h * m) ^ k)
        at += 4
    left = end - at
    if left >= 3:
        h ^= np.uint32(data[at + 2]) << np.uint32(16)
    if left >= 2:
        h ^= np.uint32(data[at + 1]) << np.uint32(8)
    if left >= 1:
        h = np.uint32((h ^ np.uint32(data[at])) * m)
    h = np.uint32((h ^ (h >> np.uint32(13))) * m)
    h = np.uint32(h ^ (h >> np.uint32(15)))
    return np.int64(h & np.uint32(0x7FFFFFFF))


@kernel(f"void({_U8}, int64[::1], int64, int32[::1], uint8[::1])")
def misplaced_kernel(data, ends, partition_count, partitions, out):  # type: ignore[no-untyped-def]
    """1 for each key (data[ends[i-1]:ends[i]]) that murmur2 does not hash to its partition."""
    for i in range(min(len(ends), len(partitions), len(out))):
        start = ends[i - 1] if i > 0 else 0
        out[i] = _murmur2(data, start, ends[i] - start) % partition_count != partitions[i]


@kernel(f"void({_U8}, int64[::1], int32[::1], int64, int32[::1])")
def partition_kernel(data, starts, lengths, partition_count, out):  # type: ignore[no-untyped-def]
    """The partition of each key (starts, lengths in data)."""
    for i in range(min(len(starts), len(lengths), len(out))):
        out[i] = _murmur2(data, np.int64(starts[i]), np.int64(lengths[i])) % partition_count
