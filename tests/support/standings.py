"""Where a partition of a lane stands, built from what a test says of it."""

from typing import Any

import numpy as np

from riskstream.platform.kafka.lanes.exact.standing import Standing
from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts
from riskstream.platform.kafka.lanes.ports import Mark

SYMBOLS = ("UNKNOWN", "GOOD", "REJECTED", "DUPLICATE")


def _verdicts(first: int, end: int, **reasons: str) -> Verdicts:
    """GOOD ones of source offsets first..end-1, each at the output offset of its number."""
    found = Verdicts(SYMBOLS)
    srcs = np.arange(first, end, dtype=np.int64)
    found.add(
        srcs,
        srcs - 1,
        srcs,
        np.ones(len(srcs), np.int64),
        {int(src[1:]): why for src, why in reasons.items()},
    )
    return found


def standing(
    mark: int | None, answers: tuple[int, int] = (0, 0), rows_to: int = -1, **changes: Any
) -> Standing:
    """A source of 0..99; `mark`: the watermark; `answers`: the output holds those of these source
    offsets and no others.
    """
    first, end = answers
    given: dict[str, Any] = {
        "mark": None
        if mark is None
        else Mark(stored_src=mark, output_offset=mark, identity="t", rows_to=rows_to),
        "identity": "t",
        "source_low": 0,
        "source_high": 100,
        "output_low": first,
        "output_high": end,
        "committed": 0,
        "empty_to": 0,
        "verdicts": _verdicts(first, end),
        **changes,
    }
    return Standing(**given)
