"""A steady load by a time table, and how long each transaction takes to its score."""

import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np
from confluent_kafka import Producer

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.clients.client import GAPLESS
from riskstream.platform.kafka.clients.read import TopicReader

FASTER = 144
"""Event time runs so much faster than the clock, and ends with now: after ten minutes scorers let
go of as many ids, which they keep for a day, as they take up.
"""
CUSTOMERS_A_RATE = 2
"""Customers for each transaction a second: so few that all windows are full after ten minutes, and
then nothing may grow.
"""


class Load:
    """Sends `rate` transactions a second to `transactions.v1` until stopped, for `hours`."""

    def __init__(self, kafka: str, rate: float, hours: float) -> None:
        self.sent, self.late = 0, 0
        self._rate, self._hours = rate, hours
        self._stop = threading.Event()
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, **GAPLESS})
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.flush(30)

    def _run(self) -> None:
        start = time.monotonic()
        customers = max(int(CUSTOMERS_A_RATE * self._rate), 1)
        for number, (key, frame) in enumerate(_rows(customers, self._hours)):
            at = start + number / self._rate
            if (left := at - time.monotonic()) > 0:
                time.sleep(left)
            elif left < -1:
                self.late += 1  # the machine did not keep up
            if self._stop.is_set():
                return
            self._producer.produce("transactions.v1", frame, key)
            self._producer.poll(0)
            self.sent += 1


def _rows(customers: int, hours: float) -> Iterator[tuple[bytes, bytes]]:
    end = time.time() + 3600 * hours
    random, encode = np.random.default_rng(1), codec("transaction.v1").encode
    for number in itertools.count():
        who = int(random.integers(0, customers))
        yield (
            f"c{who:06}".encode(),
            encode(
                {
                    "transaction_id": f"soak-{number}",
                    "customer_id": f"c{who:06}",
                    "account_token": f"tok-{who}",
                    "terminal_id": f"t{int(random.integers(0, 200))}",
                    "channel": "ECOM",
                    "kind": "PURCHASE",
                    "amount_minor": int(random.integers(100, 20_000)),
                    "currency": "EUR",
                    "base_amount_minor": int(random.integers(100, 20_000)),
                    "base_currency": "EUR",
                    "occurred_at": _event_time_ms(time.time(), end),
                }
            ),
        )


def _event_time_ms(now: float, end: float) -> int:
    return int(1000 * (now - max(end - now, 0) * (FASTER - 1)))


class Latencies:
    """Reads `scores.v1`: ms from a transaction's append to its score's, by when they were seen."""

    def __init__(self, kafka: str, started: float) -> None:
        self.hours: list[float] = []
        self.ms: list[int] = []
        self.accepted = 0
        self._kafka, self._started = kafka, started
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="latencies")

    def __enter__(self) -> "Latencies":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def p99(self, warm_h: float) -> tuple[float, float]:
        """Of the first fifth of the time after `warm_h`, and of the last one."""
        hours, ms = np.array(self.hours), np.array(self.ms)
        end = hours[-1]
        fifth = (end - warm_h) / 5
        first = (hours >= warm_h) & (hours < warm_h + fifth)
        return (
            float(np.quantile(ms[first], 0.99)),
            float(np.quantile(ms[hours >= end - fifth], 0.99)),
        )

    def _run(self) -> None:
        scores = AcceptedScores()
        with TopicReader(self._kafka, ["scores.v1"], committed_only=False) as reader:
            while not self._stop.is_set():
                records = reader.poll(0.5)
                hours = (time.monotonic() - self._started) / 3600
                for record, score in scores.each(records):
                    self.accepted += 1
                    self.hours.append(hours)
                    self.ms.append(record.appended_at - score.src_appended_at)
