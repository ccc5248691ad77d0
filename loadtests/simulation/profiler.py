"""The profiler's owner stage in the world: its real core in a derived lane, on events that come
once or again.
"""

import zlib
from threading import Event
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from loadtests.simulation.plan import GROUP, PARTITIONS, Deed
from loadtests.simulation.world import ADDRESS, World
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.kafka.memory.log import Entry
from riskstream.platform.kafka.record import Record
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler.core import ProfilerCore
from riskstream.profiler.outputs import POSITIONS, STATE

EVENTS = "profile-events.v1"
METRICS = ProfilerMetrics(CollectorRegistry())
HOUR_MS = 3_600_000
BEGAN_MS = 1_717_236_000_000 // HOUR_MS * HOUR_MS


def _core() -> ProfilerCore:
    return ProfilerCore(STANDARD_PROFILES, MetricsObserver(METRICS, "profiler"))


VECTORS = tuple(topic for topic in _core().state_topics if topic != STATE)


class Profiler:
    """A Scene. What must come of it is what one core makes of all events, one after another."""

    source, outputs, topics, has_transactions = (
        EVENTS,
        (STATE, *VECTORS),
        (EVENTS, STATE, *VECTORS),
        False,
    )

    def __init__(self, world: World) -> None:
        self.world = world
        self._written: dict[int, dict[str, bytes]] = {number: {} for number in range(PARTITIONS)}

    def lane(self, number: int, stop: Event) -> DerivedLane:
        settings = DerivedSettings(
            kafka=ADDRESS,
            group=GROUP,
            source=EVENTS,
            instance=str(number),
            commit_ms=40,
            flush_ms=120,
            group_protocol="classic",
            session_timeout_ms=300,
        )
        return DerivedLane(
            settings,
            _core(),
            METRICS,
            stop,
        )

    def records(self, partition: int, text: str) -> list[tuple[bytes, bytes]]:
        """A name that came before is the event of before, as a shuffle that was killed sends it
        again.
        """
        key, _, name = text.partition("=")
        written = self._written[partition]
        if name not in written:
            written[name] = codec("profile-event.v1").encode(
                _event(partition, len(written), key, name)
            )
        return [(key.encode(), written[name])]

    def do(self, deed: Deed) -> None:
        if deed.kind == "lose offsets":
            self.world.kafka.group(GROUP).committed.clear()
        elif deed.kind == "compact":
            for topic in (STATE, *VECTORS):
                for log in self.world.kafka.topics[topic].partitions:
                    log.compact()
        elif deed.kind == "twin":
            self.world.twin(deed.who % 3)

    def may_expire(self, topic: str, partition: int) -> int:  # noqa: ARG002
        """Events are kept for longer than a profiler is behind: what its parts hold may go."""
        found = [
            entry for entry in self.world.committed(STATE, partition) if entry.key == POSITIONS
        ]
        return codec("profile-state.v1").decode(found[-1].value)["src"] + 1 if found else 0

    def see_expired(self, topic: str, partition: int, gone: list[Entry]) -> None: ...

    def calm(self) -> None:
        for partition in range(PARTITIONS):
            for key, value in self.records(partition, "c0=last"):
                self.world.kafka.append((EVENTS, partition), key, value)

    def held(self) -> list[str]:
        return self.world.waiting_for_schemas()

    def is_settled(self) -> bool:
        return self.world.is_flushed(EVENTS)

    def check(self) -> list[str]:
        """Who takes up what was written knows what one who took every event once, undisturbed,
        knows.
        """
        problems = []
        for partition in range(PARTITIONS):
            events = self._records(EVENTS, self.world.everything(EVENTS, partition), partition)
            expected, found = (
                _core(),
                _core(),
            )
            expected.resume(partition, None)
            expected.restore(partition, [])
            if events:
                expected.take(partition, events, 0)
            found.resume(partition, self.world.kafka.group(GROUP).committed[EVENTS, partition][1])
            found.restore(
                partition,
                [
                    record
                    for topic in (STATE, *VECTORS)
                    for record in self._records(
                        topic, self.world.committed(topic, partition), partition
                    )
                ],
            )
            found.start(partition, None)
            problems += [
                f"partition {partition}: {each}"
                for each in _differences(expected, found, partition)
            ]
        return problems

    def _records(self, topic: str, entries: list[Entry], partition: int) -> list[Record]:
        return [
            Record(
                topic=topic,
                partition=partition,
                offset=each.offset,
                appended_at=each.appended_at,
                key=each.key,
                value=each.value,
                headers=[],
            )
            for each in entries
            if not each.is_giant
        ]


def _differences(expected: ProfilerCore, found: ProfilerCore, partition: int) -> list[str]:
    wanted, held = expected._partitions[partition].log, found._partitions[partition].log
    out = []
    if (wanted.clock_ms, wanted.positions) != (held.clock_ms, held.positions):
        out.append(
            f"it stands at {held.clock_ms}, {held.positions}, must stand at "
            f"{wanted.clock_ms}, {wanted.positions}"
        )
    for entity, profiles in wanted.profiles.items():
        for key in profiles.keys().present():
            for at in (wanted.clock_ms, wanted.clock_ms - 24 * HOUR_MS):
                right, left = profiles.read(key, at), held.profiles[entity].read(key, at)
                if not np.array_equal(right, left, equal_nan=True):
                    out.append(
                        f"{entity.name} {key.decode()} is {left.tolist()}, must be {right.tolist()}"
                    )
    return out


def _event(partition: int, src: int, key: str, name: str) -> dict[str, Any]:
    """An event, or a label of one, of a terminal or device: what it says follows from its name."""
    number = zlib.crc32(f"{key}{name}".encode())
    is_label = name.startswith("bad")
    return {
        "entity": ("terminal", "device")[number % 2],
        "key": key,
        "kind": "LABEL" if is_label else "EVENT",
        "src_partition": partition,
        "src": src,
        "src_index": 0,
        "src_appended_at": BEGAN_MS,
        "transaction_hash": number % 50,
        "occurred_at": BEGAN_MS + (200 if name == "last" else number % 100) * HOUR_MS,
        "amount_minor": 0 if is_label else 100 + number % 900,
        "outcome": "FRAUD" if is_label else "UNKNOWN",
        "source": "IMPORT" if is_label else "UNKNOWN",
        "known_at": BEGAN_MS + src if is_label else None,
        "transaction_kind": "PURCHASE",
    }
