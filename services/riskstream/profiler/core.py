"""The owner stage's core: accepted profile events in, vectors and parts of the state out. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait, is_known
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.profiles.entity_profiles import LAST_HASHES, Written
from riskstream.domain.risk.features.profiles.log import ProfileLog
from riskstream.domain.risk.features.profiles.vector import topic_of, vector_of
from riskstream.platform.kafka.record import Made, Record, Records
from riskstream.profiler.outputs import POSITIONS, STATE, Outputs, Source
from riskstream.runtime.errors import Rejected
from riskstream.runtime.observer import Observer


@dataclass(slots=True)
class _Partition:
    """`position`: the offset after the last one taken."""

    log: ProfileLog
    position: int = 0
    restored: int | None = None
    """Position of the parts that were found; None where there were none."""
    positions: dict[str, Any] | None = None
    """The record of POSITIONS that was found."""
    shown: int = 0
    """The offset after the one that the newest vector found is of: none is made again before."""


class ProfilerCore:
    """The derived lane's work: the profiles of all entities of a feature set in the owned
    partitions.
    """

    def __init__(self, features: FeatureSet, observer: Observer) -> None:
        self._features, self._observer = features, observer
        self._profiles = features.profiles
        self._states = codec("profile-state.v1")
        self._outputs = Outputs(features)
        self._codecs = {entity: codec(topic_of(entity)) for entity in features.profiles}
        self._topics = {topic_of(entity): entity for entity in features.profiles}
        self._partitions: dict[int, _Partition] = {}

    @property
    def state_topics(self) -> tuple[str, ...]:
        """Topics that `restore` reads."""
        return (STATE, *self._topics)

    @property
    def tails(self) -> Mapping[str, Callable[[Record], bool]]:
        return {}

    def resume(self, partition: int, metadata: str | None) -> None:
        self._partitions[partition] = _Partition(log=ProfileLog(self._features))
        self._partitions[partition].log.resume(metadata or "")

    def metadata(self, partition: int) -> str:
        return self._partitions[partition].log.metadata()

    def restore(self, partition: int, records: Iterable[Record]) -> None:
        """Load the newest parts and vectors of the partition; call `resume` first."""
        held: dict[str, _Restored] = {entity.name: _Restored() for entity in self._profiles}
        mine = self._partitions[partition]
        newest = {(record.topic, record.key): record for record in records}
        for record in newest.values():
            if record.value is None:
                continue
            try:
                self._load(mine, held, record, record.value)
            except Rejected as error:
                self._see_unreadable(record, error)
        for entity, profiles in mine.log.profiles.items():
            found = held[entity.name]
            profiles.restore(
                found.tiles,
                {key: each[1] for key, each in found.hashes.items()},
                found.said,
                found.vectors,
            )
        self._count()

    def _load(
        self, mine: _Partition, held: dict[str, "_Restored"], record: Record, value: bytes
    ) -> None:
        """Take one record of a state topic."""
        if record.topic == STATE:
            part = decoded(self._states, value)
            _check_part(part, record.key or b"")
            mine.restored = max(part["src"] + 1, mine.restored or 0)
            if record.key == POSITIONS:
                mine.positions = part
                mine.log.restore(_series(part))
            if part["entity"] in held:
                held[part["entity"]].take(part)
            return
        entity = self._topics[record.topic]
        vector = vector_of(decoded(self._codecs[entity], value), entity)
        if vector.key != record.key or vector.partition != record.partition:
            raise Rejected(reason="key_differs", detail="it belongs to another key or partition")
        if vector.feature_set == self._features.label:
            if vector.vectors.shape[1] != len(self._profiles[entity]):
                raise Rejected(reason="inconsistent", detail=f"{vector.vectors.shape[1]} features")
            held[entity.name].vectors[vector.key] = (vector.closed, vector.as_of, vector.vectors)
            mine.shown = max(mine.shown, int(vector.as_of[0]) + 1)

    def _see_unreadable(self, record: Record, error: Rejected) -> None:
        """It is left out. Held where only the schema is not known: a version that knows it reads
        it.
        """
        if error.reason in ("unknown_schema", "incompatible_schema"):
            raise SchemaWait(
                what=f"a record that this service wrote cannot be read ({error})",
                where=f"{record.topic} {record.partition}:{record.offset}",
                is_over=lambda: error.reason == "unknown_schema" and is_known(record.value),
            ) from error
        self._observer.count("unreadable_states", topic=record.topic)
        self._observer.report(
            "a record that this service wrote cannot be read and is left out",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=str(error),
        )

    def start(self, partition: int, flushed: int | None) -> int:
        """Where the parts stand, or behind it where the last flush changed none; without parts what
        is there.
        """
        mine = self._partitions[partition]
        if mine.restored is None or (flushed is not None and flushed >= mine.restored):
            return flushed or 0
        if mine.positions is not None:  # the group's offset is lost, the parts are not
            mine.log.stand_at(int(mine.positions["occurred_at"] or 0), _series(mine.positions))
        return mine.restored

    def take(self, partition: int, records: Sequence[Record], committed: int) -> list[Made]:  # noqa: ARG002  see settle
        """Fold events in. Nothing is written before a commit: `settle` and `flush` do that."""
        mine, taken = self._partitions[partition], Records.of(records)
        before = mine.log.repeats
        bad = mine.log.take(taken.values)
        mine.position = int(taken.offsets[-1]) + 1
        self._observer.count("events", len(records))
        self._observer.count("dropped", mine.log.repeats - before)
        self._observer.count("bad", bad)
        return []

    def arrived_at(self, partition: int) -> int:
        """When the newest transaction or label of the last `take` was appended to its topic, ms."""
        return self._partitions[partition].log.arrived_at

    def settle(self, partition: int, committed: int) -> list[Made]:
        """The vectors that changed; none while what was committed or shown before is taken
        again.
        """
        mine = self._partitions[partition]
        if mine.position < max(committed, mine.shown):
            return []
        out: list[Made] = []
        vectors = 0
        for entity, profiles in mine.log.profiles.items():
            slots = profiles.close(mine.log.clock_ms, mine.position - 1)
            out += self._outputs.vectors(partition, entity, profiles, slots)
            vectors += len(slots)
        self._observer.count("vectors", vectors)
        return out

    def flush(self, partition: int) -> list[Made]:
        """The parts of the state that changed since the last flush."""
        mine = self._partitions[partition]
        src = mine.position - 1
        out: list[Made] = []
        for entity, profiles in mine.log.profiles.items():
            out += self._outputs.parts(Source(partition, entity, src), profiles)
            # what no window can reach any more
            profiles.labels.forget(mine.log.clock_ms - profiles.table.horizon)
        out.append(self._outputs.positions(partition, src, mine.log.positions, mine.log.clock_ms))
        self._count()
        return out

    def drop(self, partition: int) -> None:
        self._partitions.pop(partition, None)
        self._count()

    def clocks(self, partition: int) -> dict[str, int]:
        """By entity the end of the last closed tile of a partition."""
        clock = self._partitions[partition].log.clock_ms
        return {entity.name: clock // entity.tile_ms * entity.tile_ms for entity in self._profiles}

    def _count(self) -> None:
        logs = [each.log for each in self._partitions.values()]
        for entity in self._profiles:
            count = sum(len(log.profiles[entity]) for log in logs)
            self._observer.show("keys", count, entity=entity.name)


def _check_part(part: dict[str, Any], key: bytes) -> None:
    """Rejected where a part is none that `flush` writes under this key."""
    lengths = {
        len(part[name])
        for name in ("ends", "counts", *(() if key == POSITIONS else ("sums", "frauds")))
    }
    if len(lengths) != 1 or len(part["last_hashes"]) > LAST_HASHES:
        raise Rejected(
            reason="inconsistent", detail=f"tiles of {lengths}, {len(part['last_hashes'])} hashes"
        )
    if part["transaction_hash"] is not None and None in (part["standing"], part["occurred_at"]):
        raise Rejected(reason="inconsistent", detail="a label without standing or time")
    is_own = key.startswith(f"{part['entity']} ".encode()) and key.endswith(
        f" {part['key']}".encode()
    )
    if not (is_own if key != POSITIONS else part["entity"] == ""):
        raise Rejected(
            reason="key_differs",
            detail=f"it belongs to {part['entity'][:40]!r}, which is not its key",
        )


def _series(positions: dict[str, Any]) -> dict[int, int]:
    """Positions by series, of a record of POSITIONS."""
    return dict(zip(positions["ends"], positions["counts"], strict=True))


@dataclass(slots=True)
class _Restored:
    """What the state topics say of one entity in one partition."""

    tiles: dict[bytes, list[NDArray[np.int64]]] = field(default_factory=dict)
    hashes: dict[bytes, tuple[int, list[int]]] = field(default_factory=dict)
    said: list[tuple[bytes, int, int, int]] = field(default_factory=list)
    vectors: dict[bytes, Written] = field(default_factory=dict)

    def take(self, part: dict[str, Any]) -> None:
        key = part["key"].encode()
        if part["transaction_hash"] is not None:
            self.said.append((key, part["transaction_hash"], part["standing"], part["occurred_at"]))
            return
        rows = zip(part["ends"], part["counts"], part["sums"], part["frauds"], strict=True)
        self.tiles.setdefault(key, []).append(np.array(list(rows), np.int64).reshape(-1, 4))
        if part["src"] >= self.hashes.get(key, (-1, []))[0]:
            self.hashes[key] = (part["src"], part["last_hashes"])
