"""Costs that need no broker: by keys, by the length of a window, by trees."""

import gc
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loadtests.growth.curves import LINEAR, Curve, Point
from loadtests.model import small_model
from loadtests.peers.data import matrix, transactions
from loadtests.peers.kernels import apply, one_window
from riskstream.domain.risk.features.owned.events import Events
from riskstream.domain.risk.features.owned.repeats_kernel import LIVE
from riskstream.domain.risk.features.owned.table import KeyTable
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.runtime.durations import DAY_MS, HOUR_MS

KEYS = (10_000, 100_000, 1_000_000, 10_000_000)
WINDOWS_H = (1, 24, 7 * 24, 30 * 24, 90 * 24)
TREES = (50, 100, 200, 500, 1000)
_BATCH, _EVENTS, _PARTITIONS, _CHANGED = 2048, 1_000_000, 4, 100_000
_START_MS = 1_700_000_000_000


class _Load:
    """Events of a table of keys, in batches: what the scorer's fold does with them."""

    def __init__(self, keys: int) -> None:
        self.keys, self._random = keys, np.random.default_rng(1)
        self.table = KeyTable(STANDARD)
        self._out = np.empty((_BATCH, len(STANDARD.names)), np.float32)
        self._offset = 0

    def all_new(self) -> float:
        """One event of each key, in any order; CPU us a key."""
        order = self._random.permutation(self.keys)
        return self._take(order)

    def drawn(self, events: int) -> float:
        """Events of keys that are drawn evenly; CPU us an event."""
        return self._take(self._random.integers(0, self.keys, events))

    def checkpoint(self) -> float:
        """CPU us a changed key to pack what _CHANGED events changed, of all partitions."""
        self.table.changed[:] = 0
        self.drawn(_CHANGED)
        before, rows = time.process_time(), 0
        for partition in range(_PARTITIONS):
            slots = self.table.changed_slots(partition)
            self.table.changed[slots] = 0
            rows += len(self.table.pack(slots))
        return (time.process_time() - before) / rows * 1e6

    def _take(self, keys: NDArray[np.int64]) -> float:
        spent = 0.0
        for start in range(0, len(keys), _BATCH):
            part = keys[start : start + _BATCH]
            n = len(part)
            text = np.char.add("c", np.char.zfill(part.astype("U9"), 9)).astype("S10")
            data = np.frombuffer(bytearray(text.tobytes()), np.uint8)
            starts, lengths = np.arange(0, 10 * n, 10, dtype=np.int64), np.full(n, 10, np.int32)
            places = np.arange(self._offset, self._offset + n, dtype=np.int64)
            ids = places.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            before = time.process_time()
            slots, fresh = self.table.resolve(
                data, starts, lengths, (part % _PARTITIONS).astype(np.int32), np.ones(n, np.uint8)
            )
            for slot in fresh.tolist():
                self.table.load(slot, None)
            events = Events(
                slots=slots,
                times=_START_MS + places * 40,
                ids=ids,
                offsets=places,
                modes=np.full(n, LIVE, np.uint8),
                verdicts=np.zeros(n, np.uint8),
                amounts=np.full(n, 1000, np.int64),
            )
            self.table.apply(events, self._out[:n])
            spent += time.process_time() - before
            self._offset += n
        return spent / len(keys) * 1e6


def by_keys() -> Curve:
    """CPU us an event, by how many customers the table holds."""
    warm = _Load(1000)  # kernels are loaded, and a checkpoint was made
    warm.all_new()
    warm.checkpoint()
    points = []
    for keys in KEYS:
        gc.collect()
        load = _Load(keys)
        new = load.all_new()
        drawn = median(load.drawn(_EVENTS // 5) for _ in range(5))
        points.append(
            Point(
                at=keys,
                cost=drawn,
                more={
                    "first event of a key, us": new,
                    "checkpoint, us a changed key": load.checkpoint(),
                    "memory, bytes a key": load.table.hot_bytes() / keys,
                },
            )
        )
        del load
    return Curve(name="keys", what="customers", unit="us an event", points=points)


def by_windows() -> Curve:
    """CPU us an event, by the window of a count, a sum and a mean; two events a day and key."""
    table = _dense(120_000)
    points = []
    for hours in WINDOWS_H:
        cost = median(apply(one_window(hours * HOUR_MS), table)[1] for _ in range(3))
        points.append(Point(at=hours, cost=cost, more={}))
    return Curve(name="windows", what="hours of window", unit="us an event", points=points)


def _dense(count: int) -> pa.Table:
    """Two events a day of 500 customers, so that 90 days hold 180 of each."""
    return transactions(count, seed=1, end_ms=_START_MS + 365 * DAY_MS, customers=500)


def by_trees() -> Curve:
    """CPU us a row of a batch of 2,048, by trees of 31 leaves."""
    rows = matrix(transactions(50_000, seed=1, end_ms=_START_MS))[-20 * _BATCH :]
    points = []
    with tempfile.TemporaryDirectory() as folder:
        for trees in TREES:
            model = OnnxModel(small_model(Path(folder) / f"m{trees}", trees), STANDARD)
            spent = {size: _cost(model, rows, size) for size in (_BATCH, 1)}
            points.append(Point(at=trees, cost=spent[_BATCH], more={"a row alone, us": spent[1]}))
    return Curve(name="trees", what="trees", unit="us a row", points=points, most=LINEAR)


def _cost(model: OnnxModel, rows: NDArray[np.float32], size: int) -> float:
    parts = [rows[at : at + size] for at in range(0, min(len(rows), 20_000 * size), size)][:2000]
    model.predict(parts[0])
    found = []
    for _ in range(3):
        before = time.process_time()
        for part in parts:
            model.predict(part)
        found.append((time.process_time() - before) / sum(map(len, parts)) * 1e6)
    return median(found)
