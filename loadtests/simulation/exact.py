"""The exact lane in the world: the scorer's, with a store; and the checker of what it answers."""

import marshal
from threading import Event
from typing import Any, Protocol

from prometheus_client import CollectorRegistry

from loadtests.simulation.plan import GROUP, PARTITIONS, Deed
from loadtests.simulation.store import MemoryStore
from loadtests.simulation.work import (
    COLD,
    DUPLICATE,
    GOOD,
    PARTIAL,
    REJECTED,
    Row,
    Score,
    SimpleWork,
    name_of,
)
from loadtests.simulation.world import ADDRESS, World
from riskstream.platform.kafka.lanes.exact.lane import Lane, Stores
from riskstream.platform.kafka.lanes.exact.owned import Phase
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.ports import LaneWork, Mark
from riskstream.platform.kafka.memory.log import Entry
from riskstream.platform.kafka.positions import AcceptedReader
from riskstream.platform.telemetry.metrics import LaneMetrics

SOURCE, OUTPUT, LETTERS = "source", "output", "letters"
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


class Fold(Protocol):
    """What must be said of each record of a partition: all of them, in order."""

    def compared(self, entry: Entry, score: Score | None) -> str:
        """What is wrong with a record's score, empty where nothing is. None: retention took the
        record before it was scored.
        """
        ...


class SimpleFold:
    """Of `SimpleWork`."""

    def __init__(self) -> None:
        self._state: dict[bytes, Row] = {}

    def compared(self, entry: Entry, score: Score | None) -> str:
        key, name = entry.key or b"", name_of(entry.value)
        row = self._state.get(key, Row())
        verdict = REJECTED if name is None else DUPLICATE if name in row.ids else GOOD
        if name is not None:
            row = self._state[key] = row.applied(entry.offset, name, verdict)
        if score is None or (verdict == DUPLICATE and score.flags and score.verdict == GOOD):
            return ""  # a row that was not there does not tell a repeat; the state leaves it out
        if score.verdict != verdict:
            return f"verdict {score.verdict}, must be {verdict}"
        if (
            verdict != REJECTED
            and not score.flags
            and (score.records, score.digest) != (row.records, row.digest)
        ):
            return (
                f"state of {score.records} records ({score.digest}), must be {row.records} "
                f"({row.digest})"
            )
        return ""


class Exact:
    """A Scene. `unanswered`: source records that retention took before their answer was there;
    `gone_before_letter`: rejected ones that it took, or whose answer it took, before their dead
    letter was there (docs/runbooks/redis-lost.md).
    """

    source, outputs, topics = SOURCE, (OUTPUT, LETTERS), (SOURCE, OUTPUT, LETTERS)
    has_transactions = True

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = MemoryStore(world.scheduler.step)
        self.store.is_away = lambda: world.scheduler.now < self._away_until
        self.store.on_write = self._see_write
        self._away_until = 0.0
        self.unanswered: set[tuple[int, int]] = set()
        self.gone_before_letter: set[tuple[int, int]] = set()

    def lane(self, number: int, stop: Event) -> Lane:  # noqa: ARG002
        return Lane(SETTINGS, self.work(), Stores(state=self.store), METRICS, stop)

    def work(self) -> LaneWork[Any]:
        """What the lane runs, as new."""
        return SimpleWork()

    def score_of(self, frame: bytes) -> Score:
        """What an answer says."""
        return Score(*marshal.loads(frame))

    def is_rejected(self, entry: Entry) -> bool:
        """True where the source's record cannot be scored."""
        return name_of(entry.value) is None

    def row_at(self, row: bytes) -> int:
        """The last source offset that a row holds."""
        return int(marshal.loads(row)[0])

    def fold(self) -> Fold:
        """What says how the records of a partition must be answered, in order."""
        return SimpleFold()

    def records(self, partition: int, text: str) -> list[tuple[bytes, bytes]]:  # noqa: ARG002
        key, _, value = text.partition("=")
        return [(key.encode(), value.encode())]

    def do(self, deed: Deed) -> None:
        if deed.kind == "store away":
            self._away_until = self.world.scheduler.now + float(deed.what)
        elif deed.kind == "replicate":
            self.store.replicate()
        elif deed.kind == "fail over":
            self.store.fail_over()
        elif deed.kind == "lose":
            self.store.lose(deed.who % PARTITIONS)
        elif deed.kind == "evict":
            self.store.evict(deed.who % PARTITIONS, int(deed.what))

    def may_expire(self, topic: str, partition: int) -> int:  # noqa: ARG002
        return 1 << 62

    def see_expired(self, topic: str, partition: int, gone: list[Entry]) -> None:
        if topic == SOURCE:
            last, letters = max(self.answered(partition), default=-1), self.letters(partition)
            self.unanswered |= {(partition, each.offset) for each in gone if each.offset > last}
            self.gone_before_letter |= {
                (partition, each.offset) for each in gone if each.offset not in letters
            }
        if topic == OUTPUT:
            letters = self.letters(partition)
            answered = {self.score_of(each.value or b"").src for each in gone}
            self.gone_before_letter |= {(partition, src) for src in answered - letters}

    def calm(self) -> None:
        self._away_until = 0.0
        self._see_memory()
        for partition in range(PARTITIONS):  # whoever has lost something sees it by now
            for key in (b"c0", b"c1", b"c2"):
                for record in self.records(partition, f"{key.decode()}=last{partition}"):
                    self.world.kafka.append((SOURCE, partition), *record)

    def _see_memory(self) -> None:
        """A process holds rows of its own partitions alone."""
        for lane in self.world.lanes():
            if isinstance(lane._work, SimpleWork):
                self.world.problems += [
                    f"partition {each}: rows are in the memory of a process that lost it"
                    for each in sorted(lane._work.partitions - set(lane.owned()))
                ]

    def answered(self, partition: int) -> set[int]:
        """Source offsets with an answer in the output."""
        return {
            self.score_of(each.value or b"").src
            for each in self.world.everything(OUTPUT, partition)
        }

    def letters(self, partition: int) -> set[int]:
        """Source offsets with a dead letter."""
        headers: list[dict[str, Any]] = [
            dict(each.headers or []) for each in self.world.everything(LETTERS, partition)
        ]
        return {int(each["riskstream-offset"]) for each in headers}

    def _see_write(self, partition: int, mark: Mark, rows: list[tuple[bytes, bytes]]) -> None:
        """I5: no row and no watermark is ahead of the answers, nor of the dead letters."""
        answered, letters = self.answered(partition), self.letters(partition)
        where = f"partition {partition}: the store is at {mark.stored_src}"
        for entry in self.world.committed(SOURCE, partition):
            place = (partition, entry.offset)
            if entry.offset > mark.stored_src or place in self.unanswered:
                continue
            if entry.offset not in answered:
                self.world.problems.append(f"{where}, {entry.offset} is not answered")
            elif (
                self.is_rejected(entry)
                and entry.offset not in letters
                and place not in self.gone_before_letter
            ):
                self.world.problems.append(f"{where}, no letter of {entry.offset}")
        for key, row in rows:
            at = self.row_at(row)
            if at > mark.stored_src:
                self.world.problems.append(f"{where}, the row of {key.decode()} at {at}")

    def held(self) -> list[str]:
        return [
            each.held_because
            for lane in self.world.lanes()
            for each in lane._owned.values()
            if each.phase is Phase.HELD
        ]

    def is_settled(self) -> bool:
        """Every record is answered, and the store is there."""
        for partition in range(PARTITIONS):
            source = [each.offset for each in self.world.committed(SOURCE, partition)]
            wanted = {each for each in source if (partition, each) not in self.unanswered}
            if not wanted <= self.answered(partition):
                return False
            held = self.store.partitions.get(partition)
            if wanted and (
                held is None or held.whole_mark is None or held.whole_mark.stored_src < max(wanted)
            ):
                return False
        return True

    def check(self) -> list[str]:
        problems = []
        for partition in range(PARTITIONS):
            accepted, wrong = accepted_of(self, partition)
            problems += wrong
            problems += _series(self, partition, accepted)
            problems += _flags(self, partition, accepted)
            problems += _letters(self, partition, accepted)
            problems += self.rows(partition, accepted)
        return problems

    def rows(self, partition: int, accepted: list[Score]) -> list[str]:
        """What is wrong with the store's rows at the end."""
        return _rows(self, partition, accepted)


def accepted_of(scene: Exact, partition: int) -> tuple[list[Score], list[str]]:
    """The accepted scores of a partition by the reader's rule, and what is wrong with the
    series.
    """
    rule, out, known = AcceptedReader(), [], set()
    problems = []
    for entry in scene.world.everything(OUTPUT, partition):
        score = scene.score_of(entry.value or b"")
        if rule.accept(partition, score.src, score.prev):
            out.append(score)
        elif score.src not in known and (partition, score.src) not in scene.unanswered:
            problems.append(
                f"partition {partition}: the first score of src {score.src} comes behind later ones"
            )
        known.add(score.src)
    return out, problems


def _series(scene: Exact, partition: int, accepted: list[Score]) -> list[str]:
    """Each source record once, with the verdict and state of a fold of all before it."""
    problems = []
    source = {entry.offset: entry for entry in scene.world.committed(SOURCE, partition)}
    scores = {score.src: score for score in accepted}
    for src in sorted(scores.keys() - source.keys()):
        problems.append(
            f"partition {partition}: src {src} is answered, and is no record of the source"
        )
    for src in sorted(source.keys() - scores.keys()):
        if (partition, src) not in scene.unanswered:
            problems.append(f"partition {partition}: src {src} has no score")
    before = None
    for score in accepted:
        lacks = any((partition, src) in scene.unanswered for src in range(score.prev, score.src))
        if before is not None and score.prev != before and not lacks and score.src in source:
            problems.append(
                f"partition {partition}: src {score.src} says that {score.prev} came "
                f"before it, not {before}"
            )
        before = score.src
    fold = scene.fold()
    for src, entry in sorted(source.items()):
        wrong = fold.compared(entry, scores.get(src))
        if wrong:
            problems.append(f"partition {partition} src {src}: {wrong}")
    return problems


_LOSES = ("expire source", "expire output", "lose", "evict")


def _flags(scene: Exact, partition: int, accepted: list[Score]) -> list[str]:
    """A score says that its state may lack something only where something was taken away."""
    problems = []
    if not any(scene.world.counts[each] for each in _LOSES):
        problems += [
            f"src {each.src} says that its state is not whole"
            for each in accepted
            if each.flags & PARTIAL
        ]
    if not scene.world.counts["store away"]:
        problems += [
            f"src {each.src} says that its row could not be read"
            for each in accepted
            if each.flags & COLD
        ]
    return [f"partition {partition}: {each}, and nothing was lost" for each in problems]


def _letters(scene: Exact, partition: int, accepted: list[Score]) -> list[str]:
    rejected = {score.src for score in accepted if score.verdict == REJECTED}
    letters = set()
    for entry in scene.world.everything(LETTERS, partition):
        headers: dict[str, Any] = dict(entry.headers or [])
        letters.add(int(headers["riskstream-offset"]))
    gone = {src for src in rejected - letters if (partition, src) in scene.gone_before_letter}
    unscored = {src for src in letters - rejected if (partition, src) in scene.unanswered}
    where = f"partition {partition}: src"
    return [
        *(
            f"{where} {src} is rejected and no dead letter"
            for src in sorted(rejected - letters - gone)
        ),
        *(
            f"{where} {src} is a dead letter and not rejected"
            for src in sorted(letters - rejected - unscored)
        ),
    ]


def _rows(scene: Exact, partition: int, accepted: list[Score]) -> list[str]:
    """Rows of the store are those of a fold of the source, up to where each says that it is."""
    held = scene.store.partitions.get(partition)
    if (
        held is None
        or held.whole_mark is None
        or held.whole_mark.whole_since
        or any(each.flags & PARTIAL for each in accepted)
    ):
        return []
    problems = []
    scored = {score.src for score in accepted}
    state: dict[bytes, dict[int, Row]] = {}
    for entry in scene.world.committed(SOURCE, partition):
        name = name_of(entry.value)
        if name is None or entry.offset not in scored:
            continue
        of_key = state.setdefault(entry.key or b"", {-1: Row()})
        before = of_key[max(of_key)]
        verdict = DUPLICATE if name in before.ids else GOOD
        of_key[entry.offset] = before.applied(entry.offset, name, verdict)
    for key, packed in held.rows.items():
        row = Row(*marshal.loads(packed))
        expected = state.get(key, {}).get(row.at)
        if expected != row:
            problems.append(
                f"partition {partition}: the row of {key.decode()} is {row}, must be {expected}"
            )
    return problems
