"""What one ONNX model costs on one provider, by batch, and its first request after it is ready;
trees by the kernel and by ONNX Runtime.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from loadtests.rows import Row
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.platform.adapters.onnx_session import OnnxSession

BATCHES = (1, 64, 1024)
ENGINE_GOALS = {1: 3.4, 16: 0.56, 2048: 0.175}
"""CPU time a row of 100 trees of 31 leaves by the kernel, us, by rows of a batch."""
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


def engines(folder: Path, features: FeatureSet, rows: NDArray[np.float32]) -> list[Row]:
    """CPU time a row of a model's trees by the kernel and by ONNX Runtime, interleaved; the load
    with its comparison.
    """
    kernel, runtime = (
        OnnxModel(folder, features),
        OnnxModel(folder, features, "onnxruntime"),
    )
    assert kernel.engine == "kernel"
    out = []
    for size, goal in ENGINE_GOALS.items():
        starts = range(0, min(len(rows), max(2000, 20 * size)) // size * size, size)
        batches = [np.ascontiguousarray(rows[start : start + size]) for start in starts]
        spent: list[list[float]] = [[], []]
        for _ in range(7):
            for found, model in zip(spent, (kernel, runtime), strict=True):
                began = time.process_time()
                for batch in batches:
                    model.predict(batch)
                found.append((time.process_time() - began) / (len(batches) * size) * 1e6)
        name = f"100 trees, CPU a row in batches of {size:,}"
        out.append(Row.most(f"{name}, by the kernel", spent[0], "us", goal))
        out.append(Row.figure(f"{name}, by ONNX Runtime", spent[1], "us"))
    loads = []
    for _ in range(5):
        began = time.perf_counter()
        OnnxModel(folder, features)
        loads.append(time.perf_counter() - began)
    return [*out, Row.most("load of 100 trees with its comparison", loads, "s", 1)]


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
