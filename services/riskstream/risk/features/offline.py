"""The same kernel over a whole table: vectors for training and for checks, row by row as the lane would see them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.features.input_kernel import input_kernel
from riskstream.risk.features.kernel import LIVE
from riskstream.risk.features.key_kernel import hash_kernel
from riskstream.risk.features.table import KeyTable

_CHUNK = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """n texts in one buffer: text i is data[ends[i-1]:ends[i]] (ends[-1] = 0)."""

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]

    def spans(self, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
        """(bytes, starts, lengths) of texts start..stop-1."""
        first = int(self.ends[start - 1]) if start else 0
        ends = self.ends[start:stop] - first
        starts = np.concatenate([[0], ends[:-1]])
        data = self.data[first : int(self.ends[stop - 1])]
        return np.ascontiguousarray(data), starts.astype(np.int32), (ends - starts).astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionColumns:
    """n transactions in log order, as the kernel reads them. Enums as indices of the contract's, instants in ms."""

    transaction_id: Texts
    customer_id: Texts
    occurred_at: NDArray[np.int64]
    base_amount_minor: NDArray[np.int64]
    kind: NDArray[np.int64]
    channel: NDArray[np.int64]
    mcc: NDArray[np.int64]
    mcc_null: NDArray[np.uint8]


def vectors(
    features: FeatureSet, rows: TransactionColumns, progress: Callable[[int], None] = lambda _: None
) -> NDArray[np.float32]:
    """float32[n, columns]: what the lane computes when it reads these rows from an empty state, in this order."""
    n = len(rows.occurred_at)
    out = np.empty((n, len(features.names)), np.float32)
    table = KeyTable(features)
    program = np.array([int(each.input) for each in features.inputs], np.int32)
    for start in range(0, n, _CHUNK):
        stop = min(start + _CHUNK, n)
        size = stop - start
        part = slice(start, stop)
        ids = np.empty(size, np.uint64)
        id_data, id_starts, id_lengths = rows.transaction_id.spans(start, stop)
        hash_kernel(id_data, id_starts, id_lengths, ids)
        data, starts, lengths = rows.customer_id.spans(start, stop)
        slots, _ = table.resolve(data, starts, lengths, np.zeros(size, np.int32), np.ones(size, np.uint8))
        chunk = np.empty((size, out.shape[1]), np.float32)
        input_kernel(
            size, rows.base_amount_minor[part], rows.occurred_at[part], rows.kind[part], rows.channel[part],
            rows.mcc[part], rows.mcc_null[part], program, chunk,
        )  # fmt: skip
        table.apply(
            slots, rows.occurred_at[part], rows.base_amount_minor[part], ids, np.arange(start, stop, dtype=np.int64),
            np.full(size, LIVE, np.uint8), np.zeros(size, np.uint8), chunk,
        )  # fmt: skip
        out[part] = chunk
        progress(size)
    return out
