"""What the state costs: bytes a key, and microseconds an event by the length of the window."""

import time

import numpy as np
import pyarrow as pa

from riskstream.domain.risk.features.declare import CUSTOMER, Aggregate, Feature, FeatureSet
from riskstream.domain.risk.features.owned.events import Events
from riskstream.domain.risk.features.owned.repeats_kernel import LIVE
from riskstream.domain.risk.features.owned.table import KeyTable
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.workbench.rows.columns import texts


def one_window(window_ms: int) -> FeatureSet:
    kinds = (Aggregate.COUNT, Aggregate.SUM, Aggregate.MEAN)
    return FeatureSet(
        name="one",
        version=1,
        inputs=(),
        features=tuple(
            Feature(
                name=f"{kind.name}",
                entity=CUSTOMER,
                aggregate=kind,
                window_ms=window_ms,
                reason="R",
            )
            for kind in kinds
        ),
    )


def apply(features: FeatureSet, table: pa.Table, chunk: int = 2048) -> tuple[KeyTable, float]:
    """The table after all rows, and CPU us an event of the kernel alone over the last half of them:
    let the first fill it.
    """
    keys = KeyTable(features, slots=16384)
    ids = texts(table["customer_id"])
    times = np.array(table["occurred_at"].to_numpy())
    amounts = np.array(table["base_amount_minor"].to_numpy())
    n, spent = len(times), 0.0
    out = np.empty((chunk, len(features.names)), np.float32)
    for start in range(0, n - chunk + 1, chunk):
        part = slice(start, start + chunk)
        data, starts, lengths = ids.spans(start, start + chunk)
        slots, _ = keys.resolve(
            data, starts, lengths, np.zeros(chunk, np.int32), np.ones(chunk, np.uint8)
        )
        before = time.process_time()
        events = Events(
            slots=slots,
            times=times[part],
            amounts=amounts[part],
            ids=np.arange(start, start + chunk, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15),
            offsets=np.arange(start, start + chunk, dtype=np.int64),
            modes=np.full(chunk, LIVE, np.uint8),
            verdicts=np.zeros(chunk, np.uint8),
        )
        keys.apply(events, out)
        if start >= n // 2:
            spent += time.process_time() - before
    return keys, spent / (n / 2) * 1e6


def cost_by_window(table: pa.Table, rounds: int = 5) -> tuple[list[float], list[float]]:
    """(us an event with a window of 30 days, with one of an hour), interleaved."""
    long, short = [], []
    for _ in range(rounds):
        long.append(apply(one_window(30 * DAY_MS), table)[1])
        short.append(apply(one_window(HOUR_MS), table)[1])
    return long, short


def bytes_a_key(table: pa.Table, features: FeatureSet = STANDARD) -> tuple[float, float]:
    """(bytes of the hot state, bytes of its row in the store) a key, all of these events inside 30
    days.
    """
    keys, _ = apply(features, table)
    rows = keys.pack(np.arange(keys.used, dtype=np.int32))
    return keys.hot_bytes() / keys.used, sum(map(len, rows)) / keys.used
