"""The chain's backlog: transactions of many customers, and labels of one in twenty of them."""

import time

import numpy as np
import pyarrow as pa

from loadtests.peers.data import DAY_MS, send, transactions
from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.platform.kafka.clients.produce import BulkProducer

CUSTOMERS = 50_000
LABELLED = 20
"""One in so many transactions has a label, which was known a day later."""
TRANSACTIONS, LABELS = "transactions.v1", "labels.v1"


def send_backlog(kafka: str, count: int) -> int:
    """Send `count` transactions that end now, and their labels; how many labels these are."""
    end_ms = int(time.time() * 1000) - 60_000
    table = transactions(count, seed=1, end_ms=end_ms, customers=CUSTOMERS)
    send(kafka, TRANSACTIONS, table)
    labels = _labels(table.take(np.arange(0, count, LABELLED)))
    keys = [name.encode() for name in labels["customer_id"].to_pylist()]
    producer = BulkProducer(kafka, "bench")
    producer.send(LABELS, keys, ArrowEncoder("label.v1", 4096).encode(labels))
    producer.flush()
    return len(labels)


def _labels(table: pa.Table) -> pa.Table:
    """A label of each transaction; one in five says fraud."""
    n = len(table)
    same = ("transaction_id", "customer_id", "terminal_id", "device_id", "occurred_at")
    occurred_at = table["occurred_at"].to_numpy()
    return pa.table(
        {
            **{name: table[name] for name in same},
            "label_id": [f"l{number:09d}" for number in range(n)],
            "outcome": ["GENUINE" if number % 5 else "FRAUD" for number in range(n)],
            "source": ["IMPORT"] * n,
            "known_at": occurred_at + DAY_MS,
            "loss_minor": pa.array([0] * n, pa.int64()),
            "base_currency": ["EUR"] * n,
        }
    )
