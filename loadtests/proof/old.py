"""An old cluster: retention has cut every topic, offsets have expired, compaction has run, a
partition was idle all the while.

Three times, by what became of Redis: `kept`, `empty`, and `older` (restored from a copy of before).
Each service is then restarted again and again, more is sent, and everything that came out since the
first day is compared with the oracle.
"""

import time
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import redis

from loadtests.chaos.check import Findings, check, read_all
from loadtests.chaos.load import Rows, make_rows
from loadtests.proof.ager import Ager
from loadtests.proof.drains import profiles_differ
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.domain.risk.partition import partition_kernel
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Retryable
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.kafka import Brokers
from riskstream.workbench.local.services import wait_ready

SERVICES = ("scorer", "tracker", "profiler", "gateway", "reporter")
READS = {
    "scorer": ("transactions.v1",),
    "tracker": ("scores.v1",),
    "profiler-shuffle": ("transactions.v1", "labels.v1"),
    "profiler": ("profile-events.v1",),
}
IDLE = 1
"""A partition that gets nothing after the first day."""
SETTLE_S = 120.0
STORES = ("kept", "empty", "older")
SHORT = ("older", "empty")
"""Of the short form, on one cluster that grows old twice."""
Found = tuple[Counter[str], list[str]]


def old(
    folder: Path,
    model: Path,
    seed: int,
    *,
    count: int = 24_000,
    restarts: int = 10,
    stores: tuple[str, ...] = STORES,
) -> Found:
    """Each store on a cluster of its own; counts begin with its name."""
    counts: Counter[str] = Counter()
    problems: list[str] = []
    for store in stores:
        found = _Old(folder / store, model, seed, count, restarts).live((store,))
        counts.update({f"{store}_{key}": value for key, value in found.counts.items()})
        problems += [f"{store}: {each}" for each in found.problems]
    return counts, problems


def short(folder: Path, model: Path, seed: int, *, count: int = 2_400) -> Found:
    """What `make test` has: one cluster that grows old twice, first with an older Redis, then with
    an empty one.

    The second time the scorer alone is ended: the others go on while the heads of their topics
    move.
    """
    found = _Old(folder, model, seed, count, restarts=1, reporter_every_s=1).live(SHORT)
    return found.counts, found.problems


class Archive:
    """Every record that topics ever held: take it before they expire."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._records: dict[str, dict[tuple[int, int], Record]] = {}

    def take(self, *names: str) -> None:
        for name in names:
            self._records.setdefault(name, {}).update(
                {(each.partition, each.offset): each for each in read_all(self._kafka, name)}
            )

    def read(self, name: str) -> list[Record]:
        """In each partition's order."""
        return [each for _, each in sorted(self._records[name].items())]


class _Old:
    def __init__(
        self,
        folder: Path,
        model: Path,
        seed: int,
        count: int,
        restarts: int,
        reporter_every_s: int = 5,
    ) -> None:
        self._folder, self._model, self._restarts, self._every_s = (
            folder,
            model,
            restarts,
            reporter_every_s,
        )
        self._rows = make_rows(count, seed)
        self._sent = 0
        self._values: list[bytes] = []
        self._problems: list[str] = []
        self._flagged = 0.0
        self._unreconciled = 0.0

    def live(self, stores: tuple[str, ...]) -> Findings:
        """The months, one for each store, and what is wrong after them."""
        env = {
            "RISKSTREAM_PROFILER_FEATURES": "standard-profiles",
            "RISKSTREAM_REPORTER_EVERY_S": str(self._every_s),
            "RISKSTREAM_GATEWAY_DRAIN_S": "0",
        }  # nobody calls it
        with Chain(
            self._folder,
            self._model,
            names=SERVICES,
            brokers=Brokers(session_timeout_ms=2000),
            env=env,
        ) as chain:
            archive, ager = Archive(chain.stack.kafka), Ager(chain.stack.kafka)
            self._send(chain, len(self._rows.keys) // 3, is_idle_too=True)
            with _redis(chain) as client:
                copy = {key: client.dump(key) for key in client.scan_iter()}
            self._send(chain, len(self._rows.keys) // 3)
            for number, store in enumerate(stores):
                # the others go on beside what expires
                names = SERVICES if number == 0 else ("scorer",)
                self._end(chain, names)
                archive.take(*topics())
                self._age(ager, names)
                _lose(chain, store, copy)
                self._restart(chain, names)
                self._send(chain, (len(self._rows.keys) - self._sent) // (len(stores) - number))
                self._see(chain, store)
            self._end(chain, SERVICES)
            archive.take(*topics())
            rows = Rows(
                keys=self._rows.keys,
                values=self._values,
                poison=self._rows.poison & frozenset(self._values),
            )
            found = check(chain.stack.kafka, self._model, rows.poison, [], archive.read)
            profiles_differ(found, archive.read, rows)
        if self._unreconciled:
            self._problems.append(
                f"{self._unreconciled:.0f} reports differ from their control totals"
            )
        found.counts["flagged"] = round(self._flagged)
        found.problems[:0] = self._problems
        return found

    def _see(self, chain: Chain, store: str) -> None:
        """What the services say of themselves, once they have written what is left."""
        time.sleep(2 * self._every_s if self._every_s < 3 else 5)  # a flush, a checkpoint, a report
        flags = _sum(chain, "scorer", 'riskstream_scorer_flagged_total{flag="')
        if store != "kept" and not flags:
            self._problems.append(f"{store}: the state was lost, and no score says so")
        self._flagged += flags
        end = time.monotonic() + SETTLE_S
        while (
            not (reports := _sum(chain, "reporter", "riskstream_reporter_reports_total"))
            and time.monotonic() < end
        ):
            time.sleep(0.5)
        if not reports:
            self._problems.append(f"{store}: no report was written")
        self._unreconciled = max(
            self._unreconciled, _sum(chain, "reporter", "riskstream_reporter_unreconciled_total")
        )

    def _end(self, chain: Chain, names: tuple[str, ...]) -> None:
        for service in (chain.services[name] for name in names):
            if not service.server.is_running:
                self._problems.append(str(service.server.failure()))
            service.server.stop()

    def _send(self, chain: Chain, count: int, *, is_idle_too: bool = False) -> None:
        """So many of the rows; returns when every service has done them."""
        self._some(chain, count, is_idle_too=is_idle_too)
        if late := _settled(chain.stack.kafka, SETTLE_S):
            self._problems.append(f"not done within {SETTLE_S:.0f} s: {late}")
        time.sleep(2)

    def _some(self, chain: Chain, count: int, *, is_idle_too: bool = False) -> None:
        part = slice(self._sent, self._sent + count)
        pairs = [
            (key, value)
            for key, value in zip(self._rows.keys[part], self._rows.values[part], strict=True)
            if is_idle_too or _partition(key) != IDLE
        ]
        self._sent += count
        self._values += [value for _, value in pairs]
        producer = BulkProducer(chain.stack.kafka, "old")
        producer.send("transactions.v1", [key for key, _ in pairs], [value for _, value in pairs])
        producer.flush()

    def _age(self, ager: Ager, ended: tuple[str, ...]) -> None:
        """A month without a payment: heads gone, offsets gone, compacted topics compacted."""
        for name, topic in topics().items():
            if topic.is_compacted:
                ager.compact_eagerly(name)
            else:
                ager.small_segments(name)
                ager.expire_heads(name)
        for group in READS:
            if group.removesuffix("-shuffle") in ended:
                ager.expire_group(group)

    def _restart(self, chain: Chain, names: tuple[str, ...]) -> None:
        for number in range(self._restarts):
            for name in names:
                if number:
                    chain.services[name].server.stop()
                chain.start(name)
                self._some(chain, 20)
            try:
                wait_ready(list(chain.services.values()))
            except Exception as error:
                self._problems.append(f"start {number + 1}: {error}")
                return


def _partition(key: bytes) -> int:
    out = np.empty(1, np.int32)
    lengths = np.array([len(key)], np.int32)
    partition_kernel(
        np.frombuffer(key, np.uint8), np.zeros(1, np.int64), lengths, DEFAULT_PARTITIONS, out
    )
    return int(out[0])


def _lose(chain: Chain, store: str, copy: dict[bytes, bytes]) -> None:
    """Make Redis empty, or as it was when it was copied."""
    if store == "kept":
        return
    with _redis(chain) as client:
        client.flushall()
        for key, value in copy.items() if store == "older" else ():
            client.restore(key, 0, value)


def _redis(chain: Chain) -> redis.Redis:
    return redis.Redis.from_url(chain.stack.redis)


def _sum(chain: Chain, name: str, begins: str) -> float:
    with urllib.request.urlopen(f"{chain.services[name].telemetry}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(begins))


def _settled(kafka: str, deadline_s: float) -> list[str]:
    """Wait until every group has done every record that its topics still hold; what is not done at
    the deadline.
    """
    admin = TopicAdmin(kafka)
    end = time.monotonic() + deadline_s
    while True:
        try:
            left = _left(admin)
        except Retryable as error:
            left = [str(error)]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.5)


def _left(admin: TopicAdmin) -> list[str]:
    left = []
    for group, names in READS.items():
        done = admin.group_offsets(group)
        for topic in names:
            firsts = admin.end_offsets(topic, DEFAULT_PARTITIONS, first=True)
            for number, last in enumerate(admin.end_offsets(topic, DEFAULT_PARTITIONS)):
                if last > firsts[number] and done.get((topic, number), 0) < last:
                    left.append(
                        f"{group} {topic}[{number}] {done.get((topic, number), 0)} of {last}"
                    )
    return left
