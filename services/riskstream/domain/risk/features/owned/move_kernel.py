"""The kernel that moves state closer together without changing it."""

from riskstream.runtime.kernel import kernel


@kernel(
    "int64(int64, int64, int64[::1], int32[::1], int32[::1], int32[::1], int64[::1], "
    "int32[::1], int64[:, ::1], uint8[::1],"
    "int64[:, ::1], uint8[::1], int64[::1])"
)
def compact_kernel(  # type: ignore[no-untyped-def]
    used,
    step,
    offs,
    caps,
    firsts,
    sizes,
    key_starts,
    key_lengths,
    old_ring,
    old_keys,
    ring,
    keys,
    arena_used,
):
    """Copy the rings and keys of slots 0..used-1 one behind another, and point the slots there. The
    key bytes used.

    -1, and nothing done, where `ring` or `keys` have no room for all of them.
    With a `step` a ring is cut to what it holds, rounded up to it.
    """
    if used > min(len(offs), len(caps), len(firsts), len(sizes), len(key_starts), len(key_lengths)):
        return -1
    at = 0
    key_at = 0
    for s in range(used):
        at += (sizes[s] + step - 1) // step * step if step else caps[s]
        key_at += key_lengths[s]
    if at > len(ring) or key_at > len(keys):
        return -1
    at = 0
    key_at = 0
    for s in range(used):
        if step:
            caps[s] = (sizes[s] + step - 1) // step * step
            firsts[s] = 0
        for i in range(caps[s]):
            ring[at + i, 0] = old_ring[offs[s] + i, 0]
            ring[at + i, 1] = old_ring[offs[s] + i, 1]
        offs[s] = at
        at += caps[s]
        for i in range(key_lengths[s]):
            keys[key_at + i] = old_keys[key_starts[s] + i]
        key_starts[s] = key_at
        key_at += key_lengths[s]
    arena_used[0] = at
    return key_at
