"""`python -m loadtests.rounds [--scores N] [--new N]`: the time of one round of reports, from
nothing and with little new.

Scores and the states that hold them are written as scorer and tracker write them; the reporter
reads a real broker.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tests.support.builders import counted
from tests.support.customer_state import CustomerState

from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.partition import partition_kernel
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.app import Coverage, Reporter, ReportFolder
from riskstream.runtime.durations import HOUR_MS
from riskstream.workbench.local.stack import Stack

CUSTOMERS = 20_000
START_MS = 1_717_200_000_000 // HOUR_MS * HOUR_MS
SPREAD_MS = 24 * HOUR_MS
Rows = list[tuple[bytes, bytes]]


class Payments:
    """Customers who pay in turns over a day: their scores, and their states behind them."""

    def __init__(self) -> None:
        names = [f"customer-{number:05d}" for number in range(CUSTOMERS)]
        self._states = [CustomerState(customer_id=name) for name in names]
        self._partitions = _partitions([name.encode() for name in names])
        self._newest = dict.fromkeys(range(DEFAULT_PARTITIONS), -1)
        self._scores, self._risks = codec("score.v1"), codec("customer-risk.v1")

    def scores(self, first: int, count: int, step_ms: float) -> Iterator[tuple[bytes, bytes]]:
        """(key, frame) of each payment, folded into its customer's state."""
        features = [0.5] * len(STANDARD.names)
        for number in range(first, first + count):
            state = self._states[number % CUSTOMERS]
            partition = int(self._partitions[number % CUSTOMERS])
            at = START_MS + int(number * step_ms)
            score = {
                "src": self._newest[partition] + 1,
                "prev": self._newest[partition],
                "src_appended_at": at,
                "verdict": "GOOD",
                "reason": None,
                "reject_rules_version": 1,
                "transaction_id": f"payment-{number:09d}",
                "customer_id": state.customer_id,
                "occurred_at": at,
                "base_amount_minor": 1999,
                "base_currency": "EUR",
                "score": 0.25,
                "decision": "APPROVE",
                "reasons": ["LARGE_AMOUNT"],
                "flags": [],
                "model_version": "rounds",
                "feature_set": "standard.v1",
                "features": features,
                "profiles": [],
                "release_id": None,
                "rules_version": None,
                "rules": [],
                "stage2_score": None,
                "kind": "PURCHASE",
            }
            self._newest[partition] += 1
            state.add(counted(score, at))
            yield state.customer_id.encode(), self._scores.encode(score)

    def states(self, first: int, count: int) -> Rows:
        """Records of the customers of those payments, as one flush writes them."""
        return [
            (
                self._states[number].customer_id.encode(),
                self._risks.encode(self._states[number].record(int(self._partitions[number]))),
            )
            for number in sorted({each % CUSTOMERS for each in range(first, first + count)})
        ]


def _partitions(keys: list[bytes]) -> np.ndarray:
    """Shape (customers,), int32: the partition of each key, as every producer of ours chooses
    it.
    """
    out = np.empty(len(keys), np.int32)
    lengths = np.array([len(key) for key in keys], np.int32)
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)
    partition_kernel(
        np.frombuffer(b"".join(keys), np.uint8), starts, lengths, DEFAULT_PARTITIONS, out
    )
    return out


def _send(kafka: str, topic: str, rows: Rows) -> None:
    producer = BulkProducer(kafka, "rounds")
    producer.send(topic, [key for key, _ in rows], [frame for _, frame in rows])
    producer.flush(120)


def main() -> None:
    parser = argparse.ArgumentParser(prog="loadtests.rounds", description=__doc__)
    parser.add_argument("--scores", type=int, default=1_000_000)
    parser.add_argument("--new", type=int, default=10_000)
    given = parser.parse_args()
    step_ms = SPREAD_MS / (given.scores + 3 * given.new)
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack") as stack:
        TopicAdmin(stack.kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)
        payments = Payments()
        reports, coverage = ReportFolder(Path(folder) / "reports"), Coverage(grace_s=0, so_far=True)
        reporter = Reporter(stack.kafka, reports, coverage, ReporterMetrics(), writes_totals=True)
        first = 0
        for count in (given.scores, given.new, given.new, given.new):
            _send(stack.kafka, "scores.v1", list(payments.scores(first, count, step_ms)))
            _send(stack.kafka, "customer-risk.v1", payments.states(first, count))
            first += count
            began, cpu = time.perf_counter(), time.process_time()
            records = reporter.run_once()
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            said = {(each["transactions"], each["is_reconciled"]) for each in records}
            assert said == {(first, True)}, f"{said}, must be {first} and reconciled"
            print(
                f"{count:,} new scores of {first:,}: {took:.2f} s, {cpu:.2f} s of CPU", flush=True
            )


if __name__ == "__main__":
    main()
