"""Where a behaviour suite of a lane runs: on Kafka in memory by a virtual clock, or on a real
broker by threads.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, Protocol

from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from loadtests.simulation.scheduler import Process, Scheduler, VirtualMachine

from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import IN_MEMORY, producer, producer_of
from riskstream.platform.kafka.clients.native.choice import Way
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.memory import MemoryKafka, Network
from riskstream.platform.kafka.memory.network import Host
from riskstream.platform.kafka.record import Record
from riskstream.runtime.faults import Injected, told_to
from riskstream.runtime.machine import running_on
from riskstream.workbench.local.chain import Chain
from tests.support.own_topics import PARTITIONS, OwnTopics

DEADLINE_S = 40.0
Rows = Sequence[tuple[bytes | None, bytes | None]]


class AnyLane(Protocol):
    def run(self) -> None: ...


class Started(Protocol):
    """A lane that runs. `failed`: what it ended with."""

    @property
    def failed(self) -> list[BaseException]: ...

    def end(self) -> None:
        """Have it drain and end."""
        ...


class LaneWorld:
    """Topics of one test, and the group that reads the source. The two worlds differ in what is
    below.
    """

    kafka: str
    source: str
    output: str
    dead_letters: str
    group: str
    client: Way = "auto"
    session_ms = 2000

    def start(self, lane: Callable[[threading.Event], AnyLane]) -> Started:
        raise NotImplementedError

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Return when that is so; AssertionError where it does not come."""
        raise NotImplementedError

    def limit(self, topic: str, max_bytes: int) -> None:
        """Set max.message.bytes: the broker refuses what is larger."""
        raise NotImplementedError

    def expire(self, partition: int, before: int) -> None:
        """Take the source's records before an offset, as retention does."""
        raise NotImplementedError

    def send(self, partition: int, rows: Rows) -> None:
        """(key, value) rows to a partition of the source; there when this returns."""
        client = producer(self.kafka, "test")
        for key, value in rows:
            client.produce(self.source, value, key, partition)
        assert client.flush(10) == 0

    def send_in_transaction(self, partition: int, rows: Rows, *, is_commit: bool) -> None:
        client = self.transactional(f"upstream-{uuid.uuid4().hex[:8]}")
        client.begin_transaction()
        for key, value in rows:
            client.produce(self.source, value, key, partition)
        if is_commit:
            client.commit_transaction(20)
        else:
            client.flush(10)
            client.abort_transaction(20)

    def transactional(self, name: str) -> Producer:
        """A producer that has fenced whoever had the name before."""
        client = producer_of({"bootstrap.servers": self.kafka, "transactional.id": name})
        client.init_transactions(20)
        return client

    def records(self, topic: str, *, committed_only: bool = True) -> list[Record]:
        """What stands in a topic now, by partition in order."""
        with TopicReader(self.kafka, [topic], committed_only=committed_only) as reader:
            return sorted(reader.until_end(), key=lambda each: (each.partition, each.offset))

    def committed(self, partition: int) -> int:
        """Up to where the group has committed, 0 where it has not."""
        return TopicAdmin(self.kafka).group_offsets(self.group).get((self.source, partition), 0)

    def wait_committed(self, partition: int, offset: int) -> None:
        self.until(lambda: self.committed(partition) >= offset, f"a commit of {offset}")

    @contextmanager
    def raising_at(self, point: str) -> Iterator[None]:
        """The first lane that passes a fault point within the block raises."""
        passed: list[str] = []

        def listen(name: str) -> None:
            if name == point and not passed:
                passed.append(name)
                raise Injected(f"fault point {name}")

        with told_to(listen):
            yield
        assert passed, f"nobody passed {point}"


class _OfProcess(Network):
    """A calm network that knows whose a client is."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler, self.odd = scheduler, set[str]()

    def host(self) -> Host:
        return self._scheduler.process or super().host()

    def call(self, what: str) -> None:
        self._scheduler.step(what)

    def chance(self, what: str) -> bool:
        return what in self.odd


class _InMemory:
    def __init__(self, world: "MemoryWorld", lane: Callable[[threading.Event], AnyLane]) -> None:
        self._world, self._stop, self._process = world, threading.Event(), Process("lane")
        self.is_over = False

        def run() -> None:
            try:
                lane(self._stop).run()
            finally:
                self.is_over = True

        world.scheduler.start(self._process, run)

    @property
    def failed(self) -> list[BaseException]:
        return [self._process.failure] if self._process.failure is not None else []

    def end(self) -> None:
        self._stop.set()
        self._world.until(lambda: self.is_over, "an end")


class MemoryWorld(LaneWorld):
    """Time passes where everybody waits."""

    session_ms = 300

    def __init__(self) -> None:
        self.kafka = f"memory:{uuid.uuid4().hex[:8]}"
        self.source, self.output, self.dead_letters, self.group = (
            "source",
            "output",
            "letters",
            "group",
        )
        self.scheduler = Scheduler(Random(7))
        network = _OfProcess(self.scheduler)
        self.odd = network.odd
        """What happens always that else happens never, as `Network.chance` names it."""
        self.broker = MemoryKafka(network)
        for topic in (self.source, self.output, self.dead_letters):
            self.broker.create(topic, PARTITIONS)

    @contextmanager
    def running(self) -> Iterator["MemoryWorld"]:
        IN_MEMORY[self.kafka] = self.broker
        try:
            with running_on(VirtualMachine(self.scheduler, int(time.time() * 1000))):
                yield self
        finally:
            del IN_MEMORY[self.kafka]

    def start(self, lane: Callable[[threading.Event], AnyLane]) -> Started:
        return _InMemory(self, lane)

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        end = self.scheduler.now + DEADLINE_S
        while not is_so():
            assert self.scheduler.now < end, f"not within {DEADLINE_S:.0f} s: {what}"
            self.scheduler.run(lambda: False, self.scheduler.now + 0.02)

    def limit(self, topic: str, max_bytes: int) -> None:
        self.broker.limit(topic, max_bytes)

    def expire(self, partition: int, before: int) -> None:
        self.broker.log(self.source, partition).expire(before)


class _OnThread:
    def __init__(self, lane: Callable[[threading.Event], AnyLane]) -> None:
        self.failed: list[BaseException] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(lane,))
        self._thread.start()

    def _run(self, lane: Callable[[threading.Event], AnyLane]) -> None:
        try:
            lane(self._stop).run()
        except Exception as error:
            self.failed.append(error)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


class RealWorld(LaneWorld):
    """Topics of their own on a running chain."""

    def __init__(self, chain: Chain, client: Way = "auto") -> None:
        self.client = client
        self._own = OwnTopics.made(chain)
        self.kafka, self.source, self.output = self._own.kafka, self._own.source, self._own.output
        self.dead_letters, self.group = self._own.dead_letters, self._own.group

    def start(self, lane: Callable[[threading.Event], AnyLane]) -> Started:
        return _OnThread(lane)

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + DEADLINE_S
        while not is_so():
            assert time.monotonic() < end, f"not within {DEADLINE_S:.0f} s: {what}"
            time.sleep(0.05)

    def limit(self, topic: str, max_bytes: int) -> None:
        entry = ConfigEntry(
            "max.message.bytes", str(max_bytes), incremental_operation=AlterConfigOpType.SET
        )
        resource: Any = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        client = AdminClient({"bootstrap.servers": self.kafka})
        for future in client.incremental_alter_configs([resource]).values():
            future.result(20)

    def expire(self, partition: int, before: int) -> None:
        self._own.expire(self.source, partition, before)
