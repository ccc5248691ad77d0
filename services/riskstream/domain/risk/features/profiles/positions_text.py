"""Positions of many series as a short text, for a commit's metadata, which Kafka bounds at 4,096
bytes by default.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping

import numpy as np


def packed(positions: Mapping[int, int]) -> str:
    """Series (rising) and their positions, each as the difference to the one before, deflated, in
    base 64.
    """
    series = np.array(sorted(positions), np.int64)
    lasts = np.array([positions[each] for each in series.tolist()], np.int64)
    raw = np.concatenate([np.diff(series, prepend=0), np.diff(lasts, prepend=0)]).astype("<i8")
    # equal bytes side by side deflate best
    columns = np.ascontiguousarray(raw.view(np.uint8).reshape(-1, 8).T)
    return base64.urlsafe_b64encode(zlib.compress(columns.tobytes(), 9)).decode()


def unpacked(text: str) -> dict[int, int]:
    """The positions in a text of `packed`. ValueError where it is none."""
    try:
        raw = np.frombuffer(zlib.decompress(base64.urlsafe_b64decode(text)), np.uint8)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"positions cannot be read: {error}") from error
    numbers = np.ascontiguousarray(raw.reshape(8, -1).T).view("<i8").ravel()
    half = len(numbers) // 2
    return dict(
        zip(np.cumsum(numbers[:half]).tolist(), np.cumsum(numbers[half:]).tolist(), strict=True)
    )
