"""The load: simulated transactions at a steady rate with bursts, late ones, repeats, corrections
and poison, all by one seed.
"""

import heapq
import random
import threading
import time
from dataclasses import dataclass

import pyarrow as pa

from loadtests.chaos.corrections import Corrections, Due
from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Retryable
from riskstream.workbench.simulator.simulate import Simulation, simulate

TOPIC = "transactions.v1"
POISON_SHARE, LATE_SHARE, REPEAT_SHARE = 0.02, 0.03, 0.005
_EVENTS_PER_CUSTOMER_DAY = 1.1
_CUSTOMER_DAYS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What will be sent, in order. `poison` has every value that must be rejected."""

    keys: list[bytes]
    values: list[bytes]
    poison: frozenset[bytes]


def make_rows(count: int, seed: int) -> Rows:
    """At least `count` records."""
    rng = random.Random(seed)
    customers = max(200, int(1.2 * count / (_EVENTS_PER_CUSTOMER_DAY * _CUSTOMER_DAYS)))
    start = int(time.time() * 1000) - (_CUSTOMER_DAYS + 1) * DAY_MS
    table = simulate(
        Simulation(seed=seed, customers=customers, days=_CUSTOMER_DAYS, start_ms=start)
    )
    while table.num_rows < count:
        customers *= 2
        table = simulate(
            Simulation(seed=seed, customers=customers, days=_CUSTOMER_DAYS, start_ms=start)
        )
    table = table.slice(0, count)
    order = sorted(
        range(count),
        key=lambda index: index + (rng.randrange(200) if rng.random() < LATE_SHARE else 0),
    )
    table = table.take(pa.array(order))
    frames = ArrowEncoder("transaction.v1", 4096).encode(table)
    customer_ids = [name.encode() for name in table["customer_id"].to_pylist()]
    keys: list[bytes] = []
    values: list[bytes] = []
    poison: set[bytes] = set()
    again: list[Due] = []
    corrections = Corrections(rng, customer_ids, frames, table["kind"].to_pylist())
    for index, (key, frame) in enumerate(zip(customer_ids, frames, strict=True)):
        keys.append(key)
        values.append(frame)
        if rng.random() < REPEAT_SHARE:
            heapq.heappush(again, (index + rng.randrange(1, 2000), key, frame))
        for due in corrections.of(index):
            heapq.heappush(again, due)
        while again and again[0][0] <= index:
            _, old_key, old_frame = heapq.heappop(again)
            keys.append(old_key)
            values.append(old_frame)
        if rng.random() < POISON_SHARE:
            keys.append(key)
            values.append(_poisoned(rng, frame, index))
            poison.add(values[-1])
    return Rows(keys=keys, values=values, poison=frozenset(poison))


def _poisoned(rng: random.Random, frame: bytes, index: int) -> bytes:
    """A frame spoiled in one of six ways, unlike any other."""
    mark = b"%d" % index
    transaction = codec("transaction.v1").decode(frame)
    return [
        lambda: b'{"json": ' + mark + b"}",
        lambda: frame[:1] + b"\xff\xff\xff\xff" + frame[5:] + mark,
        lambda: frame[: len(frame) // 2],
        lambda: frame + mark,
        lambda: codec("transaction.v1").encode(
            {**transaction, "transaction_id": f"bad-{index}", "amount_minor": -index - 1}
        ),
        lambda: codec("transaction.v1").encode(
            {**transaction, "transaction_id": f"bad-{index}", "corrects": f"bad-{index}"}
        ),
    ][rng.randrange(6)]()


class Load(threading.Thread):
    """Sends rows at `rate` a second until stopped; `burst(n)` sends n more at once."""

    def __init__(self, bootstrap: str, rows: Rows, rate: float) -> None:
        super().__init__(name="load", daemon=True)
        self._producer = BulkProducer(bootstrap, "chaos-load")
        self._rows, self._rate = rows, rate
        self._extra = 0
        self._done = threading.Event()
        self.sent = 0
        self.problem = ""

    def burst(self, count: int) -> None:
        self._extra += count

    def again(self, count: int) -> None:
        """Send the last `count` records once more."""
        part = slice(max(self.sent - count, 0), self.sent)
        self._producer.send(TOPIC, self._rows.keys[part], self._rows.values[part])

    def run(self) -> None:
        started = time.monotonic()
        try:
            while not self._done.wait(0.02):
                due = int((time.monotonic() - started) * self._rate) + self._extra
                due = min(due, len(self._rows.keys))
                if due > self.sent:
                    part = slice(self.sent, due)
                    self._producer.send(TOPIC, self._rows.keys[part], self._rows.values[part])
                    self.sent = due
        except Exception as error:
            self.problem = f"the load failed: {error}"

    def finish(self) -> None:
        """Stop, and return when the brokers have all of it."""
        self._done.set()
        self.join(60)
        for _ in range(3):
            try:
                self._producer.flush(60)
                return
            except Retryable:
                continue
        self.problem = self.problem or "the brokers did not take all of the load"
