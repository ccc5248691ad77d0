"""What one ONNX model costs on one provider, by batch, and its first request after it is ready."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from loadtests.rows import Row
from riskstream.platform.adapters.onnx_session import OnnxSession

BATCHES = (1, 64, 1024)
MAX_FIRST = 2.0
_TIMES = 200


def by_batch(name: str, session: OnnxSession, rows: NDArray[np.float32]) -> list[Row]:
    """Wall time a batch, medians of five rounds."""
    out = []
    for size in BATCHES:
        batch = np.ascontiguousarray(rows[:size])
        predict = partial(session.predict, batch)
        rounds = [median(_times(predict, _TIMES)) for _ in range(5)]
        out.append(Row.figure(f"{name}, batch {size}", rounds, "us"))
    return out


def first_request(name: str, make: Callable[[], Callable[[], object]]) -> Row:
    """The first request to what was just made ready, over the median of those that follow: five
    times.
    """
    ratios = []
    for _ in range(5):
        first, *later = _times(make(), _TIMES)
        ratios.append(first / median(later))
    return Row.most(f"{name}, first request over the median", ratios, "", MAX_FIRST)


def _times(work: Callable[[], object], times: int) -> list[float]:
    out = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        out.append((time.perf_counter() - started) * 1e6)
    return out
