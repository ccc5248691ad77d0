"""Callers of the gateway: decisions at a steady rate over kept connections, some of them
sampled.
"""

import http.client
import json
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator

from riskstream.platform.telemetry.context import TraceContext, new_trace

THREADS = 8


class Callers:
    """`run` sends and returns how many; `sampled` holds the contexts of those that asked for a
    trace.
    """

    def __init__(self, gateway: str) -> None:
        self._address = urllib.parse.urlsplit(gateway).netloc
        self._tag = uuid.uuid4().hex[:6]
        self._lock = threading.Lock()
        self._sent = 0
        self.sampled: list[TraceContext] = []
        self.failed = 0
        self.problem = ""

    def run(self, seconds: float, rate: float, every: int) -> int:
        """Decisions for some seconds; one of `every` is sampled, none where it is 0."""
        return self.count(round(seconds * rate), rate, every)

    def count(self, calls: int, rate: float, every: int) -> int:
        """So many decisions, at a rate."""
        first, began = self._sent, time.monotonic()
        todo = iter(range(first, first + calls))
        threads = [
            threading.Thread(target=self._work, args=(todo, first, began, rate, every), daemon=True)
            for _ in range(THREADS)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self._sent = first + calls
        return calls

    def _work(self, todo: Iterator[int], first: int, began: float, rate: float, every: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        while True:
            with self._lock:
                number = next(todo, None)
            if number is None:
                connection.close()
                return
            time.sleep(max(began + (number - first) / rate - time.monotonic(), 0))
            headers = {"Content-Type": "application/json"}
            if every and number % every == 0:
                context = new_trace()
                headers["traceparent"] = context
                with self._lock:
                    self.sampled.append(context)
            try:
                connection.request(
                    "POST", "/v1/decisions?deadline_ms=5000", self._body(number), headers
                )
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    raise OSError(f"{answer.status} {body[:200]!r}")
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.failed += 1
                    self.problem = str(error)
                connection.close()
                connection = http.client.HTTPConnection(self._address, timeout=30)

    def _body(self, number: int) -> bytes:
        return json.dumps(
            {
                "transaction_id": f"{self._tag}-{number}",
                "customer_id": f"{self._tag}-c{number % 500}",
                "account_token": "tok",
                "channel": "ECOM",
                "kind": "PURCHASE",
                "amount_minor": 1000 + number % 977,
                "currency": "EUR",
                "occurred_at": int(time.time() * 1000),
            }
        ).encode()
