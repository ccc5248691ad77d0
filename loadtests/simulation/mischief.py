"""Does to a world what a plan says: records come, processes are hurt, brokers refuse, retention
takes.
"""

from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from loadtests.simulation.plan import GROUP, PARTITIONS, SLOTS, Deed
from loadtests.simulation.scheduler import Process

if TYPE_CHECKING:
    from loadtests.simulation.world import Slot, World

MAX_BYTES = 1_048_588


def _deed_of(text: str, who: int) -> Deed:
    """A deed in words: its kind, and where it has one the value."""
    kind, _, what = text.rpartition(" ")
    if kind == "append" or what.replace(".", "").isdigit():
        return Deed(0, kind, who, what if kind == "append" else float(what))
    return Deed(0, text, who)


class Mischief:
    """Called between steps alone."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._in_turn: list[tuple[int, list[str]]] = []
        """Of each deed that waits for fault points what is left of it."""

    def do(self, deed: Deed) -> None:
        self._world.scheduler.note(deed.kind)
        self._world.counts[deed.kind] += 1
        if deed.kind in ("append", "giant", "begin", "commit", "abort"):
            self._upstream(deed)
        elif deed.kind in ("kill", "raise", "pause", "stop", "join"):
            self._hurt(deed, self._chosen(deed))
        elif deed.kind == "in turn":
            self._in_turn.append((deed.who, str(deed.what).split(" | ")))
        elif deed.kind == "refuse":
            topic = self._world.scene.outputs[deed.who % len(self._world.scene.outputs)]
            self._world.kafka.limit(topic, 1)
            self.later(float(deed.what), lambda: self._world.kafka.limit(topic, MAX_BYTES))
        elif deed.kind == "away":
            self._world.weather.away_until = self._world.scheduler.now + float(deed.what)
        elif deed.kind.startswith("expire "):
            self._expire(deed.kind.removeprefix("expire "), deed.who % PARTITIONS, float(deed.what))
        else:
            self._world.scene.do(deed)

    def passed(self, point: str, slot: "Slot | None") -> bool:
        """Have done what waits for this fault point, before anybody goes on; False where nothing
        does. `slot`: whose process is at the point.
        """
        due = [each for each in self._in_turn if each[1] and each[1][0].startswith(f"{point}: ")]
        for who, left in due:
            for text in left.pop(0).removeprefix(f"{point}: ").split("; "):
                self.later(0.0, partial(self._do_at, _deed_of(text, who), slot))
        return bool(due)

    def _do_at(self, deed: Deed, slot: "Slot | None") -> None:
        if deed.kind in ("kill", "pause") and slot is not None:
            self._world.scheduler.note(deed.kind)
            self._world.counts[deed.kind] += 1
            self._hurt(deed, slot)
        else:
            self.do(deed)

    def calm(self) -> None:
        """What was put off is done now, and nothing waits for fault points any more."""
        self._in_turn.clear()
        self.do_due(everything=True)

    def _upstream(self, deed: Deed) -> None:
        """Whoever writes the source: records as they are, giants, and transactions that are decided
        later.
        """
        place = (self._world.scene.source, deed.who % PARTITIONS)
        if deed.kind == "append":
            for key, value in self._world.scene.records(place[1], str(deed.what)):
                self._world.kafka.append(place, key, value)
        elif deed.kind == "giant":
            self._world.kafka.append(place, b"c0", b"giant")
            self._world.kafka.log(*place).entries[-1].is_giant = True
        elif deed.kind == "begin":
            partition, _, several = str(deed.what).partition(":")
            is_open = self._world.scene.has_transactions
            writer = (
                self._world.kafka.begin_writer(f"upstream-{deed.who}", 1e9) if is_open else None
            )
            for each in several.split(","):
                for key, value in self._world.scene.records(int(partition), each):
                    self._world.kafka.append(
                        (self._world.scene.source, int(partition)), key, value, writer=writer
                    )
        elif f"upstream-{deed.who}" in self._world.kafka.transactions:
            self._world.kafka.end((f"upstream-{deed.who}", 0), is_commit=deed.kind == "commit")

    def _chosen(self, deed: Deed) -> "Slot":
        """One of those that run; where none does, or one is to join, a place."""
        alive = [slot for slot in self._world.slots if slot.process is not None]
        if deed.kind == "join" or not alive:
            return self._world.slots[deed.who % SLOTS]
        return alive[deed.who % len(alive)]

    def _hurt(self, deed: Deed, slot: "Slot") -> None:
        process = slot.process
        if deed.kind == "join":
            slot.again_at = self._world.scheduler.now if slot.again_at is None else slot.again_at
        elif deed.kind == "stop":
            slot.stop.set()
        elif process is None:
            return
        elif deed.kind == "kill":
            self._world.scheduler.kill(process)
        elif deed.kind == "raise":
            process.raises_at = str(deed.what)
        else:
            process.paused_until, process.silent_since = (
                self._world.scheduler.now + float(deed.what),
                self._world.scheduler.now,
            )
            self.later(float(deed.what), lambda: self._beat(process))

    def _beat(self, process: Process) -> None:
        """A process that was paused goes on; its group may have given it up meanwhile."""
        if not process.is_dead and process.paused_until <= self._world.scheduler.now:
            self._world.kafka.group(GROUP).expire(
                self._world.scheduler.now, self._world.kafka.counts
            )
            process.silent_since = None

    def _expire(self, topic: str, partition: int, share: float) -> None:
        log = self._world.kafka.log(topic, partition)
        before = min(
            log.low + int((log.end - log.low) * share),
            log.stable,
            self._world.scene.may_expire(topic, partition),
        )
        gone = log.entries[: bisect_right(log.offsets, before - 1)]
        self._world.scene.see_expired(topic, partition, gone)
        self._world.expired.setdefault((topic, partition), []).extend(gone)
        log.expire(before)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self._due.append((self._world.scheduler.now + seconds, do))

    def due_at(self) -> list[float]:
        """When what was put off is due."""
        return [at for at, _ in self._due]

    def do_due(self, *, everything: bool = False) -> None:
        """What was put off and is due now."""
        if not self._due:
            return
        now = self._world.scheduler.now
        for each in [each for each in self._due if everything or each[0] <= now]:
            self._due.remove(each)
            each[1]()
