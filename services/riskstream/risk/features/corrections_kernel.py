"""The kernel that takes a corrected transaction out of a key's ring; `table.py` explains the arrays.

An event is found by the tag of its transaction's id: 37 bits of the id's hash. A correction finds a wrong event among the 256
of a ring with a chance of 256 / 2^37.
"""

from numba import njit

from riskstream.risk.features.kernel import AMOUNT_BITS, TIME_BITS, TOTAL_BITS
from riskstream.runtime.kernel import kernel

REFUND_AT = 20
"""Bit of an event's first word that is 1 for a refund; the tag has the 20 bits below it and 17 bits of the second word."""
_LOW, _HIGH = (1 << REFUND_AT) - 1, (1 << 17) - 1
_UNCOUNTED = 3 << 17
NOT_THERE, TAKEN_OUT, NO_SLOT = 0, 1, -1
"""Answers of `take_out_kernel`."""


@njit(inline="always")
def _tag_of(ring, place):  # type: ignore[no-untyped-def]
    """The tag of an event."""
    return (ring[place, 0] & _LOW) | ((ring[place, 1] & _HIGH) << REFUND_AT)


@kernel(
    "int64(int64, int64, int64[::1], int32[::1], int32[::1], int32[::1], int32[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1])",
    allocates=False,
)
def take_out_kernel(s, tag, offs, caps, firsts, sizes, lefts, sums, ring, out):  # type: ignore[no-untyped-def]
    """Take the newest event with this tag out of a slot's ring and its windows. `out`: its time, amount, and 1 for a refund.

    NOT_THERE, and nothing done, where the ring has no such event; NO_SLOT where the slot or its place in the arena is not there.
    """
    room = min(len(offs), len(caps), len(firsts), len(sizes), len(lefts), len(sums))
    if s < 0 or s >= room or len(out) < 3 or offs[s] < 0 or offs[s] + caps[s] > len(ring) or sizes[s] > caps[s]:
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
