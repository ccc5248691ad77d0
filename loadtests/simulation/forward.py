"""A forward lane in the world: each record goes on under its key, at least once and in order;
broken ones are dead letters.
"""

from threading import Event
from typing import Any

from prometheus_client import CollectorRegistry

from loadtests.simulation.plan import GROUP, PARTITIONS, Deed
from loadtests.simulation.world import ADDRESS, World
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.kafka.lanes.ports import Forwarded, Intake
from riskstream.platform.kafka.memory.log import Entry
from riskstream.platform.telemetry.metrics import ProfilerMetrics

SOURCE, OUTPUT, LETTERS = "source", "output", "letters"
METRICS = ProfilerMetrics(CollectorRegistry())


class Through:
    """A ForwardWork: each record with the place that it comes from."""

    def __init__(self) -> None:
        self.broken: list[tuple[int, str]] = []

    def take(self, intake: Intake) -> Forwarded:
        self.broken = []
        out: list[tuple[bytes, bytes, int]] = []
        for row, (key, value) in enumerate(zip(intake.keys, intake.values, strict=True)):
            if (value or b"").startswith(b"bad"):
                self.broken.append((row, "bad"))
            else:
                out.append(
                    (key or b"", b"%d:%d" % (intake.partitions[row], intake.offsets[row]), row)
                )
        return Forwarded.of(out)


class Forward:
    """A Scene."""

    source, outputs, topics = SOURCE, (OUTPUT, LETTERS), (SOURCE, OUTPUT, LETTERS)
    has_transactions = True

    def __init__(self, world: World) -> None:
        self.world = world
        self.unread: set[tuple[int, int]] = set()
        """Source records that retention took before the group had committed them."""

    def lane(self, number: int, stop: Event) -> ForwardLane:  # noqa: ARG002
        settings = ForwardSettings(
            kafka=ADDRESS,
            group=GROUP,
            sources=(SOURCE,),
            output=OUTPUT,
            dead_letters={SOURCE: LETTERS},
            dead_letter_bytes=100_000,
            max_batch=8,
            commit_ms=60,
            group_protocol="classic",
            session_timeout_ms=300,
        )
        return ForwardLane(settings, Through(), METRICS, stop)

    def records(self, partition: int, text: str) -> list[tuple[bytes, bytes]]:  # noqa: ARG002
        key, _, value = text.partition("=")
        return [(key.encode(), value.encode())]

    def do(self, deed: Deed) -> None:
        if deed.kind == "lose offsets":
            self.world.kafka.group(GROUP).committed.clear()

    def may_expire(self, topic: str, partition: int) -> int:  # noqa: ARG002
        return 1 << 62

    def see_expired(self, topic: str, partition: int, gone: list[Entry]) -> None:
        if topic == SOURCE:
            committed = self.world.kafka.group(GROUP).committed.get((SOURCE, partition), (0, ""))[0]
            self.unread |= {(partition, each.offset) for each in gone if each.offset >= committed}

    def calm(self) -> None:
        for partition in range(PARTITIONS):
            self.world.kafka.append((SOURCE, partition), b"c0", b"last")

    def held(self) -> list[str]:
        return []

    def is_settled(self) -> bool:
        committed = self.world.kafka.group(GROUP).committed
        return all(
            committed.get((SOURCE, partition), (0, ""))[0]
            > self.world.committed(SOURCE, partition)[-1].offset
            for partition in range(PARTITIONS)
        )

    def check(self) -> list[str]:
        wanted: set[tuple[int, int]] = set()
        broken: set[tuple[int, int]] = set()
        for partition in range(PARTITIONS):
            for entry in self.world.committed(SOURCE, partition):
                place = (partition, entry.offset)
                (broken if (entry.value or b"").startswith(b"bad") else wanted).add(place)
        found, letters, problems = set(), set(), []
        for partition in range(PARTITIONS):
            last: dict[tuple[bytes | None, int], int] = {}
            for entry in self.world.everything(OUTPUT, partition):
                number, offset = map(int, (entry.value or b"").split(b":"))
                is_late = (number, offset) not in found and offset < last.get(
                    (entry.key, number), -1
                )
                if is_late and (number, offset) not in self.unread:
                    problems.append(f"{number}:{offset} comes behind a later one of its key")
                found.add((number, offset))
                last[entry.key, number] = max(offset, last.get((entry.key, number), -1))
            for entry in self.world.everything(LETTERS, partition):
                headers: dict[str, Any] = dict(entry.headers or [])
                letters.add(
                    (int(headers["riskstream-partition"]), int(headers["riskstream-offset"]))
                )
        return [
            *problems,
            *(f"{place} was not forwarded" for place in sorted(wanted - found - self.unread)),
            *(
                f"{place} was forwarded, and is no record of the source"
                for place in sorted(found - wanted)
            ),
            *(
                f"{place} is broken and no dead letter"
                for place in sorted(broken - letters - self.unread)
            ),
            *(f"{place} is a dead letter and not broken" for place in sorted(letters - broken)),
        ]
