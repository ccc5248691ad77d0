"""The kernel that tells a repeated transaction: by the last 16 ids of its customer."""

from riskstream.runtime.kernel import kernel

LAST_IDS = 16
LIVE, REPLAY, SKIP, REPLAY_DUPLICATE, JUDGE = 0, 1, 2, 3, 4
"""Modes: score and apply; apply a recorded good one; touch nothing; a recorded duplicate; judge and apply, score not."""
GOOD, DUPLICATE = 1, 3
"""Verdicts that the kernel gives: the index in the contract's enum Verdict."""


@kernel(
    "void(int64, int32[::1], uint64[::1], int64[::1], uint8[::1], uint8[::1], int64[::1], uint64[:, ::1], int32[::1])"
)
def repeats_kernel(n, slots, ids, offsets, modes, verdicts, ats, last_ids, id_counts):  # type: ignore[no-untyped-def]
    """The verdict of each record that is to be applied; ids of good ones are remembered."""
    for i in range(n):
        s = slots[i]
        if modes[i] == SKIP or (modes[i] != LIVE and ats[s] >= offsets[i]):
            continue
        is_duplicate = modes[i] == REPLAY_DUPLICATE
        if modes[i] == LIVE or modes[i] == JUDGE:
            for k in range(min(id_counts[s], LAST_IDS)):
                if last_ids[s, k] == ids[i]:
                    is_duplicate = True
                    break
        verdicts[i] = DUPLICATE if is_duplicate else GOOD
        if not is_duplicate:
            last_ids[s, id_counts[s] % LAST_IDS] = ids[i]
            id_counts[s] += 1
            if id_counts[s] >= 2 * LAST_IDS:
                id_counts[s] -= LAST_IDS
