"""The bench's transactions: 5,000 customers, uniform, two a day each, in order of time; and their
feature matrix.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.domain.risk.features.offline import vectors
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.workbench.rows.columns import transaction_columns
from riskstream.workbench.simulator.simulate import CHANNELS

CUSTOMERS = 5000
DAY_MS = 86_400_000


def transactions(count: int, seed: int, end_ms: int, customers: int = CUSTOMERS) -> pa.Table:
    """`count` rows of the contract's columns that end at `end_ms`; with as many customers as rows,
    one of each.
    """
    rng = np.random.default_rng(seed)
    step = DAY_MS / (2 * customers)
    customer = (
        rng.permutation(customers)[:count]
        if customers >= count
        else rng.integers(0, customers, count)
    )
    amount = np.maximum((rng.lognormal(3.3, 1.1, count) * 100).astype(np.int64), 1)
    names = np.array([f"c{n:06d}" for n in range(customers)])
    terminal = rng.integers(0, 9000, count)
    return pa.table(
        {
            "transaction_id": [f"b{n:09d}" for n in range(count)],
            "customer_id": names[customer],
            "account_token": np.array([f"tok-{n:06d}" for n in range(customers)])[customer],
            "terminal_id": np.array([f"term-{n:05d}" for n in range(9000)])[terminal],
            "merchant_id": np.array([f"m-{n:05d}" for n in range(9000)])[terminal],
            "mcc": pa.array(rng.choice([5411, 5812, 5999, 4829, 7995], count), pa.int32()),
            "country": pa.array(np.array(["BE", "FR", "DE", "NL"])[rng.integers(0, 4, count)]),
            "channel": pa.array(np.array(CHANNELS)[rng.integers(1, 5, count)]),
            "kind": pa.array(["PURCHASE"] * count),
            "amount_minor": amount,
            "currency": pa.array(["EUR"] * count),
            "base_amount_minor": amount,
            "base_currency": pa.array(["EUR"] * count),
            "rates_version": pa.array([""] * count),
            "device_id": np.array([f"d{n:06d}" for n in range(customers)])[customer],
            "counterparty_id": pa.nulls(count, pa.string()),
            "occurred_at": (end_ms - step * np.arange(count)[::-1]).astype(np.int64),
            "corrects": pa.nulls(count, pa.string()),
        }
    )


def send(kafka: str, topic: str, table: pa.Table) -> None:
    """All rows to a topic, keyed by customer."""
    keys = [name.encode() for name in table["customer_id"].to_pylist()]
    producer = BulkProducer(kafka, "bench")
    for start in range(0, len(keys), 20_000):
        part = table.slice(start, 20_000)
        producer.send(
            topic, keys[start : start + 20_000], ArrowEncoder("transaction.v1", 4096).encode(part)
        )
    producer.flush()


def matrix(table: pa.Table) -> NDArray[np.float32]:
    """float32[n, columns]: the lane's own vectors of these rows, from an empty state."""
    return vectors(STANDARD, transaction_columns(table, Path("bench")))
