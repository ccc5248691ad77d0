"""The fuzz's canaries see a write behind an array."""

import numpy as np
from loadtests.bounds.canaries import Canaries


def test_a_write_behind_an_array_is_seen_once() -> None:
    canaries = Canaries()
    with canaries.watching():
        array = np.zeros((3, 2), np.int64)
        np.full(4, 7, np.int32)
    assert array.flags.c_contiguous
    assert canaries.broken() == 0
    with canaries.watching():
        flat = np.empty(5, np.uint8)
    assert flat.base is not None
    flat.base[len(flat)] = 0  # the byte behind the last
    assert canaries.broken() == 1
    assert canaries.broken() == 0
