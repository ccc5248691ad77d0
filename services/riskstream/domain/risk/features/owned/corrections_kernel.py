"""The kernels that take a corrected transaction out of a key's ring, or out of its tiles;
`slot_arrays.py` explains the arrays.

An event is found by the tag of its transaction's id: 37 bits of the id's hash. A correction finds a
wrong event among the 256 of a ring with a chance of 256 / 2^37.
"""

from numba import njit

from riskstream.domain.risk.features.owned.kernel import AMOUNT_BITS, TILES, TIME_BITS, TOTAL_BITS
from riskstream.runtime.kernel import kernel

REFUND_AT = 20
"""Bit of an event's first word that is 1 for a refund; the tag has the 20 bits below it and 17 bits
of the second word.
"""
_LOW, _HIGH = (1 << REFUND_AT) - 1, (1 << 17) - 1
_UNCOUNTED = 3 << 17
NOT_THERE, TAKEN_OUT, NO_SLOT = 0, 1, -1
"""Answers of `take_out_kernel`."""


def tag_of(hashed: int) -> int:
    """What of an id's hash stands in the ring of events."""
    return (hashed & _LOW) | ((hashed >> 21) & _HIGH) << REFUND_AT


@njit(inline="always")
def _tag_of(ring, place):  # type: ignore[no-untyped-def]
    """The tag of an event."""
    return (ring[place, 0] & _LOW) | ((ring[place, 1] & _HIGH) << REFUND_AT)


@kernel(
    "int64(int64, int64, int64[::1], int32[::1], int32[::1], int32[::1], int32[:, ::1], "
    "int64[:, ::1], int64[:, ::1], int64[::1])",
    allocates=False,
)
def take_out_kernel(s, tag, offs, caps, firsts, sizes, lefts, sums, ring, out):  # type: ignore[no-untyped-def]
    """Take the newest event with this tag out of a slot's ring and its windows. `out`: its time,
    amount, and 1 for a refund.

    NOT_THERE, and nothing done, where the ring has no such event; NO_SLOT where the slot or its
    place in the arena is not there.
    """
    room = min(len(offs), len(caps), len(firsts), len(sizes), len(lefts), len(sums))
    if (
        s < 0
        or s >= room
        or len(out) < 3
        or offs[s] < 0
        or offs[s] + caps[s] > len(ring)
        or sizes[s] > caps[s]
    ):
        return NO_SLOT
    off = offs[s]
    mask = caps[s] - 1
    position = sizes[s] - 1
    while position >= 0 and _tag_of(ring, off + ((firsts[s] + position) & mask)) != tag:
        position -= 1
    if position < 0:
        return NOT_THERE
    place = off + ((firsts[s] + position) & mask)
    word = ring[place, 1]
    out[0] = ring[place, 0] >> TIME_BITS
    out[1] = word >> AMOUNT_BITS
    out[2] = (ring[place, 0] >> REFUND_AT) & 1
    total = 0 if word & _UNCOUNTED else (out[1] << TOTAL_BITS) | 1
    for w in range(lefts.shape[1]):
        if position < lefts[s, w]:
            lefts[s, w] -= 1
        else:
            sums[s, w] -= total
    for k in range(position, sizes[s] - 1):
        to = off + ((firsts[s] + k) & mask)
        fr = off + ((firsts[s] + k + 1) & mask)
        ring[to, 0] = ring[fr, 0]
        ring[to, 1] = ring[fr, 1]
    sizes[s] -= 1
    return TAKEN_OUT


@kernel(
    "boolean(int64, int64, int64, int64[::1], int64[:, :, ::1], int64[:, :, ::1], int64[:, "
    ":, ::1])",
    allocates=False,
)
def unfold_kernel(block, time, amount, windows, tile_numbers, tile_counts, tile_sums):  # type: ignore[no-untyped-def]
    """Take the event that was just folded into a block of tiles out of them; False, and nothing
    done, where there is no such block.

    Only for the last that was folded: what an event of before was added to, its tile's number does
    not prove.
    """
    least = min(tile_numbers.shape[1], tile_counts.shape[1], tile_sums.shape[1])
    if (
        block < 0
        or block >= min(len(tile_numbers), len(tile_counts), len(tile_sums))
        or len(windows) > least
    ):
        return False
    for w in range(len(windows)):
        number = time // ((windows[w] + 63) // 64)
        place = number % TILES
        if tile_numbers[block, w, place] == number:
            tile_counts[block, w, place] -= 1
            tile_sums[block, w, place] -= amount
    return True
