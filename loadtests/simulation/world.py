"""The world of a history: Kafka in memory and the processes; and whoever does to them what the plan
says.
"""

import random
from collections import Counter
from collections.abc import Callable
from threading import Event
from typing import Any, Protocol

from confluent_kafka import KafkaError

from loadtests.simulation.mischief import Mischief
from loadtests.simulation.plan import GROUP, PARTITIONS, SLOTS, Deed, Plan
from loadtests.simulation.scheduler import NEVER, Process, Scheduler, VirtualMachine
from riskstream.platform.kafka.memory import MemoryKafka, Network
from riskstream.platform.kafka.memory.errors import raised
from riskstream.platform.kafka.memory.log import Entry
from riskstream.platform.kafka.memory.network import Host
from riskstream.platform.kafka.memory.producer import MemoryProducer
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import Injected

ADDRESS = "memory:simulation"
_LATEST_S = 1.5
"""So long after the end of a process what it had sent may arrive."""
_ASKS = frozenset({"committed", "watermarks", "describe", "offsets", "metadata", "commit"})
_CHANCES = {"late markers": 0.3, "stale fetch": 0.2, "not started": 0.1, "commit lost": 0.1}


class Lane(Protocol):
    """What a process runs."""

    def run(self) -> None: ...


class Scene(Protocol):
    """One kind of service in the world: what it reads and writes, and what must come of it."""

    @property
    def source(self) -> str: ...

    @property
    def has_transactions(self) -> bool:
        """True where the source is written in transactions."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Topics that a broker may refuse records of."""
        ...

    @property
    def topics(self) -> tuple[str, ...]: ...

    def lane(self, number: int, stop: Event) -> Lane:
        """Made within the process whose number that is."""
        ...

    def records(self, partition: int, text: str) -> list[tuple[bytes, bytes]]:
        """(key, value) of each record of the source that a deed's text stands for."""
        ...

    def do(self, deed: Deed) -> None:
        """A deed that is of this scene alone."""
        ...

    def see_expired(self, topic: str, partition: int, gone: list[Entry]) -> None:
        """Retention is about to take these."""
        ...

    def may_expire(self, topic: str, partition: int) -> int:
        """Retention takes nothing from this offset on."""
        ...

    def calm(self) -> None:
        """Everything works from now on."""
        ...

    def held(self) -> list[str]:
        """Why partitions wait for a person."""
        ...

    def is_settled(self) -> bool:
        """Everything that is to come has come."""
        ...

    def check(self) -> list[str]:
        """What is wrong, in words; empty where nothing is."""
        ...


class Weather(Network):
    """A network on which everything takes its time, and some of it fails."""

    sends_at_once = False

    def __init__(self, scheduler: Scheduler, rng: random.Random) -> None:
        super().__init__()
        self._scheduler, self._rng = scheduler, rng
        self.away_until = 0.0
        self._most = rng.choice((2, 8, 8))

    @property
    def is_away(self) -> bool:
        return self._scheduler.now < self.away_until

    def host(self) -> Host:
        return self._scheduler.process or super().host()

    def call(self, what: str) -> None:
        self._scheduler.step(what)
        if what in _ASKS and self.is_away:
            self._scheduler.sleep(0.02)
            raise raised(KafkaError._TRANSPORT, "the broker is away", retriable=True)

    def many(self, most: int) -> int:
        return 1 + int(self._rng.random() * min(most, self._most))

    def pick(self, count: int) -> int:
        return int(self._rng.random() * count)

    def chance(self, what: str) -> bool:
        return self._rng.random() < _CHANCES[what]


class Slot:
    """A place for a process, which is started again when it ended."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Process | None = None
        self.lane: Any = None
        self.stop = Event()
        self.again_at: float | None = 0.0


class World:
    """Runs a plan. `problems`: what went wrong while it ran, in words."""

    def __init__(self, plan: Plan, scene: "Callable[[World], Scene]") -> None:
        self.rng = random.Random(plan.schedule)
        self.scheduler = Scheduler(self.rng, plan.is_eager)
        self.machine = VirtualMachine(self.scheduler)
        self.weather = Weather(self.scheduler, self.rng)
        self.kafka = MemoryKafka(self.weather)
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        self.expired: dict[tuple[str, int], list[Entry]] = {}
        self.is_calm = False
        self.slots = [Slot(number) for number in range(SLOTS)]
        for slot in self.slots[plan.processes :]:
            slot.again_at = None
        self._late: dict[int, float] = {}
        self.scene = scene(self)
        for topic in self.scene.topics:
            self.kafka.create(topic, PARTITIONS)
        self._deeds, self._next = plan.deeds, 0
        self.mischief = Mischief(self)
        self._send_rate = self.rng.choice((0.1, 0.4, 0.9))
        self.scheduler.at_step = self._at_step
        self.scheduler.busy = self._is_busy
        self.scheduler.next_at = self._next_at

    # Between steps
    # ---------------------------------------------------------------------------------------------

    def _at_step(self) -> None:
        while (
            self._next < len(self._deeds)
            and self._deeds[self._next].at_step <= self.scheduler.steps
        ):
            self._next += 1
            self.mischief.do(self._deeds[self._next - 1])
        self.mischief.do_due()
        for slot in tuple(self.slots):
            process = slot.process
            if process is not None and process.is_over:
                self._bury(slot, process)
            if (
                slot.process is None
                and slot.again_at is not None
                and self.scheduler.now >= slot.again_at
            ):
                self._start(slot)
        if not self.weather.is_away:
            self._send()

    def send_alone(self) -> None:
        """In place of `_at_step` at the end: nothing is done any more, what is on its way
        arrives.
        """
        self._send()

    def skip_to_next(self) -> None:
        """Where everything stands still before a deed's step: do it now."""
        if self._next < len(self._deeds):
            self.scheduler.steps = max(self.scheduler.steps, self._deeds[self._next].at_step)

    @property
    def is_done(self) -> bool:
        """Every deed is done."""
        return self._next == len(self._deeds)

    def _is_busy(self) -> bool:
        return not self.weather.is_away and (
            bool(self.kafka.unfinished)
            or any(each.in_queue and self._arrives(each) for each in self.kafka.producers)
        )

    def _next_at(self) -> float:
        due = [
            slot.again_at
            for slot in self.slots
            if slot.process is None and slot.again_at is not None
        ]
        late = [at for at in self._late.values() if at > self.scheduler.now]
        return min([*due, *late, *self.mischief.due_at()], default=NEVER)

    def _send(self) -> None:
        """Records that are on their way arrive; markers of transactions are written."""
        for producer in self.kafka.producers:
            if (
                producer.in_queue
                and self.rng.random() < self._send_rate
                and self._arrives(producer)
            ):
                places = producer.waiting()
                producer.send(places[int(self.rng.random() * len(places))])
        for name in tuple(self.kafka.unfinished):
            if self.rng.random() < 0.1:
                self.kafka.finish(name)

    def _arrives(self, producer: MemoryProducer) -> bool:
        """False while what a dead process had sent is still on its way: a late append."""
        return self._late.get(id(producer), 0.0) <= self.scheduler.now

    # Processes
    # ----------------------------------------------------------------------------------------------

    def _start(self, slot: Slot) -> None:
        process = slot.process = Process(f"process {slot.number}")
        slot.stop, slot.lane = Event(), None

        def run() -> None:
            try:
                slot.lane = self.scene.lane(slot.number, slot.stop)
                slot.lane.run()
            finally:
                process.is_over = True

        self.counts["starts"] += 1
        self.scheduler.start(process, run)

    def _bury(self, slot: Slot, process: Process) -> None:
        """The process ended: what it had on the wire may still arrive, nothing else of it."""
        if process.tasks:  # its background is still at work
            self.scheduler.kill(process)
        process.is_dead = True
        process.silent_since = (
            self.scheduler.now if process.silent_since is None else process.silent_since
        )
        for producer in self.kafka.producers:
            if producer.host is process:
                if not self.is_calm and self.rng.random() < 0.5:
                    self._late[id(producer)] = self.scheduler.now + self.rng.random() * _LATEST_S
                for place in producer.waiting():
                    producer.drop(place, int(self.rng.random() * (len(producer.queues[place]) + 1)))
        self.kafka.producers = [
            each for each in self.kafka.producers if each.in_queue or each.host is not process
        ]
        failure = process.failure
        if failure is not None and not self._is_excused(failure):
            self.problems.append(f"{process.name} ended by {type(failure).__name__}: {failure}")
        slot.process = slot.lane = None
        if slot in self.slots[SLOTS:]:
            self.slots.remove(slot)
            return
        slot.again_at = self.scheduler.now + self.rng.random() * (0.05 if self.is_calm else 0.5)

    def _is_excused(self, failure: BaseException) -> bool:
        """An error that was injected, or that says so of the world."""
        if isinstance(failure, (Injected, Retryable)) or isinstance(failure.__cause__, Injected):
            return True
        return isinstance(failure, Fatal) and self.counts["refuse"] + self.counts["twin"] > 0

    def at_point(self, name: str) -> None:
        """A fault point was passed."""
        self.scheduler.step(name)
        process = self.scheduler.process
        slot = next((each for each in self.slots if each.process is process), None)
        if self.mischief.passed(name, slot):
            self.scheduler.sleep(0.0)
        if process is not None and process.raises_at == name:
            process.raises_at = None
            raise Injected(f"fault point {name}")

    def twin(self, number: int) -> None:
        """A second process is started where one runs already: as the same instance."""
        slot = self.slots[number]
        if slot.process is not None and not any(
            each.process is None and each.again_at is not None for each in self.slots
        ):
            twin = Slot(number)
            twin.again_at = None
            self.slots.append(twin)
            self._start(twin)

    def calm(self) -> None:
        """No fault any more; whoever is to work does."""
        self.is_calm = True
        self.weather.away_until = 0.0
        self._send_rate = 0.9
        self._late.clear()
        for slot in self.slots:
            if slot.process is not None:
                slot.process.paused_until = 0.0
                slot.process.raises_at = None
        self.mischief.calm()
        for name, held in list(self.kafka.transactions.items()):
            if held.is_open and name.startswith("upstream"):
                self.kafka.end((name, held.epoch), is_commit=True)
        self.scene.calm()

    # Views
    # ----------------------------------------------------------------------------------------------

    def waiting_for_schemas(self) -> list[str]:
        """Partitions of derived lanes that wait."""
        return [
            f"{place} waits for a schema"
            for lane in self.lanes()
            for place in lane._partitions.waits._held
        ]

    def is_flushed(self, source: str) -> bool:
        """Everything was read by a derived lane, and every state that changed is written."""
        committed = self.kafka.group(GROUP).committed
        for partition in range(PARTITIONS):
            end = self.kafka.log(source, partition).end
            offset, metadata = committed.get((source, partition), (0, ""))
            if offset < end or f"flushed={end}" not in metadata:
                return False
        return True

    def is_readable(self) -> bool:
        """No transaction is open any more. A dead process leaves one, and until it times out
        nobody reads what committed ones wrote behind it.
        """
        self.kafka.expire_transactions()
        logs = [log for topic in self.kafka.topics.values() for log in topic.partitions]
        return all(log.stable == log.end for log in logs)

    def everything(self, topic: str, partition: int) -> list[Entry]:
        """Every record that a partition ever held."""
        held = self.kafka.log(topic, partition).entries
        return [
            each for each in self.expired.get((topic, partition), []) + held if not each.is_marker
        ]

    def committed(self, topic: str, partition: int) -> list[Entry]:
        """The same as a reader of committed records saw them; giants left out, which nobody
        reads.
        """
        stable = self.kafka.log(topic, partition).stable
        return [
            each
            for each in self.everything(topic, partition)
            if not each.is_aborted and not each.is_giant and each.offset < stable
        ]

    def lanes(self) -> list[Any]:
        """Those that run."""
        return [slot.lane for slot in self.slots if slot.lane is not None]
