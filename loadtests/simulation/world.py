"""The world of a history: Kafka in memory, the store, the processes; and whoever does to them what
the plan says.
"""

import marshal
import random
from bisect import bisect_right
from collections import Counter
from threading import Event
from typing import Any

from confluent_kafka import KafkaError
from prometheus_client import CollectorRegistry

from loadtests.simulation.plan import PARTITIONS, Deed, Plan
from loadtests.simulation.scheduler import Process, Scheduler, VirtualMachine
from loadtests.simulation.store import MemoryStore
from loadtests.simulation.work import SimpleWork, name_of
from riskstream.platform.kafka.lanes.exact.lane import Lane
from riskstream.platform.kafka.lanes.exact.owned import Phase
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.ports import Mark
from riskstream.platform.kafka.memory import MemoryKafka, Network
from riskstream.platform.kafka.memory.errors import raised
from riskstream.platform.kafka.memory.log import Entry
from riskstream.platform.kafka.memory.network import Host
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import Injected

ADDRESS = "memory:simulation"
SOURCE, OUTPUT, LETTERS, GROUP = "source", "output", "letters", "group"
METRICS = LaneMetrics(CollectorRegistry())
"""Nobody reads them, and making them takes longer than a history."""
SETTINGS = LaneSettings(
    kafka=ADDRESS,
    group=GROUP,
    source=SOURCE,
    output=OUTPUT,
    dead_letters=LETTERS,
    max_batch=8,
    poll_ms=40,
    checkpoint_every_ms=60,
    drain_ms=100,
    group_protocol="classic",
    session_timeout_ms=300,
    reject_limit=2.0,
    dead_letter_bytes=100_000,
)
_ASKS = frozenset({"committed", "watermarks", "describe", "offsets", "metadata", "commit"})
_CHANCES = {"late markers": 0.3, "stale fetch": 0.2, "not started": 0.1, "commit lost": 0.1}


class Weather(Network):
    """A network on which everything takes its time, and some of it fails."""

    sends_at_once = False

    def __init__(self, scheduler: Scheduler, rng: random.Random) -> None:
        super().__init__()
        self._scheduler, self._rng = scheduler, rng
        self.away_until = 0.0

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
        return 1 + int(self._rng.random() * min(most, 8))

    def pick(self, count: int) -> int:
        return int(self._rng.random() * count)

    def chance(self, what: str) -> bool:
        return self._rng.random() < _CHANCES[what]


class Slot:
    """A place for a process, which is started again when it ended."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Process | None = None
        self.lane: Lane | None = None
        self.stop = Event()
        self.again_at: float | None = 0.0


class World:
    """Runs a plan. `problems`: what went wrong while it ran, in words."""

    def __init__(self, plan: Plan) -> None:
        self.rng = random.Random(plan.schedule)
        self.scheduler = Scheduler(self.rng, plan.is_eager)
        self.machine = VirtualMachine(self.scheduler)
        self.weather = Weather(self.scheduler, self.rng)
        self.kafka = MemoryKafka(self.weather)
        for topic in (SOURCE, OUTPUT, LETTERS):
            self.kafka.create(topic, PARTITIONS)
        self.store = MemoryStore(self.scheduler.step)
        self.store.is_away = lambda: self.scheduler.now < self._store_away_until
        self._store_away_until = 0.0
        self._deeds, self._next = plan.deeds, 0
        self._restore: list[tuple[float, str]] = []
        self.expired: dict[tuple[str, int], list[Entry]] = {}
        self.unanswered: set[tuple[int, int]] = set()
        """Source records that retention took before they were answered."""
        self.gone_before_letter: set[tuple[int, int]] = set()
        """Source records that retention took while no dead letter of theirs was there."""
        self.store.on_write = self._see_write
        self.slots = [Slot(number) for number in range(3)]
        for slot in self.slots[plan.processes :]:
            slot.again_at = None
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        self.is_calm = False
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
            self._do(self._deeds[self._next - 1])
        if self._restore:
            self._undo()
        for slot in self.slots:
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
            bool(self.kafka.unfinished) or any(each.in_queue for each in self.kafka.producers)
        )

    def _next_at(self) -> float:
        due = [
            slot.again_at
            for slot in self.slots
            if slot.process is None and slot.again_at is not None
        ]
        return min([*due, *(at for at, _ in self._restore)], default=1e18)

    def _send(self) -> None:
        """Records that are on their way arrive; markers of transactions are written."""
        for producer in self.kafka.producers:
            if producer.in_queue and self.rng.random() < self._send_rate:
                places = producer.waiting()
                producer.send(places[int(self.rng.random() * len(places))])
        for name in list(self.kafka.unfinished):
            if self.rng.random() < 0.1:
                self.kafka.finish(name)

    # Processes
    # ----------------------------------------------------------------------------------------------

    def _start(self, slot: Slot) -> None:
        process = slot.process = Process(f"scorer-{slot.number}")
        slot.stop, slot.lane = Event(), None

        def run() -> None:
            try:
                slot.lane = Lane(SETTINGS, self._work(), self.store, METRICS, slot.stop)
                slot.lane.run()
            finally:
                process.is_over = True

        self.counts["starts"] += 1
        self.scheduler.start(process, run)

    def _work(self) -> Any:
        return SimpleWork()

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
                for place in producer.waiting():
                    producer.drop(place, int(self.rng.random() * (len(producer.queues[place]) + 1)))
        self.kafka.producers = [
            each for each in self.kafka.producers if each.in_queue or each.host is not process
        ]
        failure = process.failure
        if failure is not None and not self._is_excused(failure):
            self.problems.append(f"{process.name} ended by {type(failure).__name__}: {failure}")
        slot.process = slot.lane = None
        slot.again_at = self.scheduler.now + self.rng.random() * (0.05 if self.is_calm else 0.5)

    def _is_excused(self, failure: BaseException) -> bool:
        """An error that was injected, or that says so of the world."""
        if isinstance(failure, (Injected, Retryable)) or isinstance(failure.__cause__, Injected):
            return True
        return (
            isinstance(failure, Fatal) and self.counts["refuse"] + self.counts["refuse letters"] > 0
        )

    def at_point(self, name: str) -> None:
        """A fault point was passed."""
        self.scheduler.step(name)
        process = self.scheduler.process
        if process is not None and process.raises_at == name:
            process.raises_at = None
            raise Injected(f"fault point {name}")

    # Deeds
    # ----------------------------------------------------------------------------------------------

    def _do(self, deed: Deed) -> None:
        self.scheduler.note(deed.kind)
        self.counts[deed.kind] += 1
        now, who, what = self.scheduler.now, deed.who, deed.what
        slot = self.slots[who % 3]
        if deed.kind == "append":
            key, _, value = str(what).partition("=")
            self.kafka.append((SOURCE, who % PARTITIONS), key.encode(), value.encode())
        elif deed.kind == "giant":
            offset = self.kafka.append((SOURCE, who % PARTITIONS), b"c0", b"giant")
            self.kafka.log(SOURCE, who % PARTITIONS).entries[-1].is_giant = bool(offset >= 0)
        elif deed.kind == "begin":
            partition, _, several = str(what).partition(":")
            writer = self.kafka.begin_writer(f"upstream-{who}", 1e9)
            for each in several.split(","):
                key, _, value = each.partition("=")
                self.kafka.append(
                    (SOURCE, int(partition)), key.encode(), value.encode(), writer=writer
                )
        elif deed.kind in ("commit", "abort"):
            if f"upstream-{who}" in self.kafka.transactions:
                self.kafka.end((f"upstream-{who}", 0), is_commit=deed.kind == "commit")
        elif deed.kind == "kill":
            if slot.process is not None:
                self.scheduler.kill(slot.process)
        elif deed.kind == "raise":
            if slot.process is not None:
                slot.process.raises_at = str(what)
        elif deed.kind == "pause":
            if slot.process is not None:
                slot.process.paused_until, slot.process.silent_since = now + float(what), now
                self._restore.append((now + float(what), f"beat {who % 3}"))
        elif deed.kind == "stop":
            slot.stop.set()
        elif deed.kind == "join":
            if slot.again_at is None:
                slot.again_at = now
        elif deed.kind in ("refuse", "refuse letters"):
            topic = OUTPUT if deed.kind == "refuse" else LETTERS
            self.kafka.limit(topic, 1)
            self._restore.append((now + float(what), topic))
        elif deed.kind == "away":
            self.weather.away_until = now + float(what)
        elif deed.kind == "store away":
            self._store_away_until = now + float(what)
        elif deed.kind == "replicate":
            self.store.replicate()
        elif deed.kind == "fail over":
            self.store.fail_over()
        elif deed.kind == "lose":
            self.store.lose(who % PARTITIONS)
        elif deed.kind == "evict":
            self.store.evict(who % PARTITIONS, int(what))
        else:
            self._expire(deed.kind.removeprefix("expire "), who % PARTITIONS, float(what))

    def _expire(self, topic: str, partition: int, share: float) -> None:
        log = self.kafka.log(topic, partition)
        before = min(log.low + int((log.end - log.low) * share), log.stable)
        gone = log.entries[: bisect_right(log.offsets, before - 1)]
        if topic == SOURCE:
            answered, letters = self.answered_to(partition), self.letters(partition)
            self.gone_before_letter |= {
                (partition, each.offset) for each in gone if each.offset not in letters
            }
            self.unanswered |= {(partition, each.offset) for each in gone if each.offset > answered}
        self.expired.setdefault((topic, partition), []).extend(gone)
        log.expire(before)

    def _undo(self) -> None:
        for due, what in [each for each in self._restore if each[0] <= self.scheduler.now]:
            self._restore.remove((due, what))
            if what.startswith("beat"):
                process = self.slots[int(what[-1])].process
                if (
                    process is not None
                    and not process.is_dead
                    and process.paused_until <= self.scheduler.now
                ):
                    self.kafka.group(GROUP).expire(self.scheduler.now, self.kafka.counts)
                    process.silent_since = None
            else:
                self.kafka.limit(what, 1_048_588)

    def calm(self) -> None:
        """No fault any more; whoever is to work does."""
        self.is_calm = True
        self._store_away_until = self.weather.away_until = 0.0
        self._restore = [(min(due, self.scheduler.now), what) for due, what in self._restore]
        self._send_rate = 0.9
        for slot in self.slots:
            if slot.process is not None:
                slot.process.paused_until = 0.0
                slot.process.raises_at = None
        for name, held in list(self.kafka.transactions.items()):
            if held.is_open and name.startswith("upstream"):
                self.kafka.end((name, held.epoch), is_commit=True)
        for partition in range(PARTITIONS):  # whoever has lost something sees it by now
            for key in (b"c0", b"c1", b"c2"):
                self.kafka.append((SOURCE, partition), key, b"last")

    # Views
    # ----------------------------------------------------------------------------------------------

    def everything(self, topic: str, partition: int) -> list[Entry]:
        """Every record that a partition ever held."""
        held = self.kafka.log(topic, partition).entries
        return [
            each for each in self.expired.get((topic, partition), []) + held if not each.is_marker
        ]

    def visible_source(self, partition: int) -> list[Entry]:
        """The source's records as a reader of committed ones sees them, giants left out."""
        stable = self.kafka.log(SOURCE, partition).stable
        return [
            each
            for each in self.everything(SOURCE, partition)
            if not each.is_aborted and not each.is_giant and each.offset < stable
        ]

    def answered(self, partition: int) -> set[int]:
        """Source offsets with an answer in the output."""
        return {
            marshal.loads(each.value)[0]
            for each in self.everything(OUTPUT, partition)
            if each.value is not None
        }

    def answered_to(self, partition: int) -> int:
        """The highest of them."""
        return max(self.answered(partition), default=-1)

    def letters(self, partition: int) -> set[int]:
        """Source offsets with a dead letter."""
        headers: list[dict[str, Any]] = [
            dict(each.headers or []) for each in self.everything(LETTERS, partition)
        ]
        return {int(each["riskstream-offset"]) for each in headers}

    def _see_write(self, partition: int, mark: Mark, rows: list[tuple[bytes, bytes]]) -> None:
        """I5: no row and no watermark is ahead of the answers, nor of the dead letters."""
        answered, letters = self.answered(partition), self.letters(partition)
        for entry in self.visible_source(partition):
            place = (partition, entry.offset)
            if entry.offset > mark.stored_src or place in self.unanswered:
                continue
            if entry.offset not in answered:
                self.problems.append(
                    f"partition {partition}: the store is at {mark.stored_src}, "
                    f"{entry.offset} is not answered"
                )
            elif (
                name_of(entry.value) is None
                and entry.offset not in letters
                and place not in self.gone_before_letter
            ):
                self.problems.append(
                    f"partition {partition}: the store is at {mark.stored_src}, no letter "
                    f"of {entry.offset}"
                )
        for key, row in rows:
            at = marshal.loads(row)[0]
            if at > mark.stored_src:
                self.problems.append(
                    f"partition {partition}: the row of {key.decode()} is at {at}, the "
                    f"mark at {mark.stored_src}"
                )

    def held(self) -> list[str]:
        """Why partitions are held."""
        lanes = [slot.lane for slot in self.slots if slot.lane is not None]
        return [
            each.held_because
            for lane in lanes
            for each in lane._owned.values()
            if each.phase is Phase.HELD
        ]

    def is_settled(self) -> bool:
        """Every record is answered, and the store is there."""
        for partition in range(PARTITIONS):
            source = [each.offset for each in self.visible_source(partition)]
            wanted = {each for each in source if (partition, each) not in self.unanswered}
            if not wanted <= self.answered(partition):
                return False
            held = self.store.partitions.get(partition)
            if wanted and (
                held is None or held.whole_mark is None or held.whole_mark.stored_src < max(wanted)
            ):
                return False
        return True
