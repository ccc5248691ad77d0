"""`python -m loadtests.tracker [--scores N] [--broker]`: what a score costs the tracker.

Scores are fed to its core in memory, 4,096 a take, with a flush each second's worth. Then a core
begins anew from the states that were written. With --broker the lane drains a backlog of a real
broker as well, and begins anew. CPU time of this process, microseconds a score.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeVar

import numpy as np
from prometheus_client import CollectorRegistry

from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.kafka.record import Output, Record, one_by_one
from riskstream.platform.telemetry.metrics import TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.runtime.durations import HOUR_MS
from riskstream.runtime.kernel import compile_all
from riskstream.tracker.core import TrackerCore
from riskstream.workbench.local.stack import Stack

START_MS = 1_717_200_000_000 // HOUR_MS * HOUR_MS
TAKE = 4096
SCORES, STATE = "scores.v1", "customer-risk.v1"
_T = TypeVar("_T")


class Spent:
    """CPU seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def on(self, name: str, call: Callable[..., _T], *given: Any) -> _T:
        began = time.process_time()
        try:
            return call(*given)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began


def scores(count: int, customers: int, hours: int) -> list[Record]:
    """Records of one partition: 2 % alerts, 2 % refunds, 1 % corrections, and 1 % repeats behind
    others.
    """
    random, encode = np.random.default_rng(7), codec("score.v1").encode
    who = random.integers(0, customers, count)
    amounts = random.integers(100, 100_000, count).tolist()
    draws = random.random((count, 4))
    late_ms = np.where(random.random(count) < 0.01, random.integers(0, 2 * HOUR_MS, count), 0)
    at = (START_MS + np.arange(count) * (hours * HOUR_MS / count)).astype(np.int64)
    features = random.random((64, len(STANDARD.names))).tolist()
    out: list[Record] = []
    for src in range(count):
        alert, refund, correction, repeat = draws[src]
        said: dict[str, Any] = {
            "src": src,
            "prev": src - 1,
            "src_appended_at": int(at[src]),
            "verdict": "GOOD",
            "transaction_id": f"payment-{src:09d}",
            "customer_id": f"customer-{who[src]:07d}",
            "occurred_at": int(at[src] - late_ms[src]),
            "base_amount_minor": amounts[src],
            "base_currency": "EUR",
            "score": 0.9 if alert < 0.02 else 0.1,
            "decision": "REVIEW" if alert < 0.015 else "BLOCK" if alert < 0.02 else "APPROVE",
            "reasons": ["LARGE_AMOUNT", "MANY_PAYMENTS"] if alert < 0.02 else [],
            "model_version": "bench",
            "feature_set": STANDARD.label,
            "features": features[src % 64],
            "kind": "REFUND" if refund < 0.02 else "PURCHASE",
        }
        if correction < 0.01:
            said |= {"corrected_at": int(at[src]) - HOUR_MS, "corrected_amount_minor": 500}
        frame = encode(said)
        for _ in range(2 if repeat < 0.01 else 1):
            out.append(_record(SCORES, len(out), b"c", frame, int(at[src])))
    return out


def _record(topic: str, offset: int, key: bytes, value: bytes, at: int) -> Record:
    return Record(
        topic=topic, partition=0, offset=offset, appended_at=at, key=key, value=value, headers=[]
    )


def _core() -> TrackerCore:
    core = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, None)
    return core


def feed(records: list[Record], flush_each: int, spent: Spent) -> list[Output]:
    """Everything that a core makes of the records."""
    core, accepted, out = _core(), AcceptedScores(), list[Output]()
    core.restore(0, [])
    core.start(0, None)
    since = 0
    for first in range(0, len(records), TAKE):
        taken = records[first : first + TAKE]
        spent.on("decode", accepted.decode, taken, 0)
        out += one_by_one(spent.on("take", core.take, 0, taken, 0))
        since += len(taken)
        if since >= flush_each or first + TAKE >= len(records):
            out += one_by_one(spent.on("flush", core.flush, 0))
            since = 0
    return out


def begin_anew(states: list[Output], spent: Spent) -> int:
    """Restore a core from the newest state of each customer; how many they are."""
    newest = {each.key: each.value for each in states}
    records = [
        _record(STATE, at, key, value, START_MS) for at, (key, value) in enumerate(newest.items())
    ]
    core = _core()
    spent.on("restore", core.restore, 0, records)
    return len(records)


def drain(records: list[Record]) -> None:
    """A lane drains the records from a real broker, and another one takes up its states."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack") as stack:
        TopicAdmin(stack.kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)
        producer = BulkProducer(stack.kafka, "bench")
        producer.send(SCORES, [each.key for each in records], [each.value for each in records])
        producer.flush(120)
        for name in ("drained", "begun anew"):
            metrics, stop = TrackerMetrics(CollectorRegistry()), Event()
            core = TrackerCore(MetricsObserver(metrics, "tracker"))
            settings = DerivedSettings(
                kafka=stack.kafka, group="bench", source=SCORES, instance="0"
            )
            lane = DerivedLane(settings, core, metrics, stop)
            began, cpu = time.perf_counter(), time.process_time()
            thread = Thread(target=lane.run)
            thread.start()
            while not (_taken(metrics) >= len(records) or name != "drained"):
                time.sleep(0.02)
            while not metrics.customers._value.get():
                time.sleep(0.02)
            if name != "drained":
                took, cpu = time.perf_counter() - began, time.process_time() - cpu
            stop.set()
            thread.join()
            if name == "drained":  # with its last flush
                took, cpu = time.perf_counter() - began, time.process_time() - cpu
            said = f"{cpu * 1e6 / len(records):.2f} us of CPU a score, " * (name == "drained")
            print(f"{name}: {said}{took:.2f} s, {cpu:.2f} s of CPU", flush=True)


def _taken(metrics: TrackerMetrics) -> float:
    return float(metrics.scores._value.get() + metrics.dropped._value.get())


def main() -> None:
    parser = argparse.ArgumentParser(prog="loadtests.tracker", description=__doc__)
    parser.add_argument("--scores", type=int, default=400_000)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--hours", type=int, default=24, help="event time that the scores span")
    parser.add_argument("--flush-each", type=int, default=150_000, help="scores between flushes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--broker", action="store_true", help="drain a real broker as well")
    given = parser.parse_args()
    compile_all()
    records = scores(given.scores, given.customers, given.hours)
    feed(records[:TAKE], TAKE, Spent())
    gc.collect()
    gc.freeze()  # as a service does: the records of the bench are no work of the tracker's
    for number in range(given.rounds):
        spent = Spent()
        out = feed(records, given.flush_each, spent)
        states = [each for each in out if each.topic == STATE]
        customers = begin_anew(states, spent)
        cost = {
            name: seconds * 1e6 / (customers if name == "restore" else len(records))
            for name, seconds in spent.seconds.items()
        }
        cost["take_and_flush"] = cost["take"] + cost["flush"]
        said = ", ".join(f"{name} {us:.2f}" for name, us in cost.items())
        size = sum(len(each.value) for each in states) / max(len(states), 1)
        print(
            f"round {number}: us {said}; {len(out) - len(states):,} alerts, {len(states):,} states "
            f"of {size:,.0f} bytes; restore is of {customers:,} customers, a customer",
            flush=True,
        )
    if given.broker:
        drain(records)


if __name__ == "__main__":
    main()
