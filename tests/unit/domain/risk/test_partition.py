"""Kafka's own hash of keys."""

import numpy as np
import pytest

from riskstream.domain.risk.partition import misplaced_kernel

KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""The vectors of Kafka's own UtilsTest.testMurmur2."""


@pytest.mark.parametrize("partitions", [1, 4, 1_000_003])
def test_the_partition_of_kafkas_own_vectors_is_right_and_the_next_is_not(partitions: int) -> None:
    keys = list(KNOWN)
    right = np.array([(value & 0x7FFFFFFF) % partitions for value in KNOWN.values()], np.int32)
    ends = np.cumsum([len(key) for key in keys]).astype(np.int64)
    data = np.frombuffer(b"".join(keys), np.uint8)
    out = np.full(len(keys), 9, np.uint8)
    misplaced_kernel(data, ends, partitions, right, out)
    assert out.tolist() == [0] * len(keys)
    misplaced_kernel(data, ends, partitions, right + np.int32(1), out)
    assert out.tolist() == [1] * len(keys)
