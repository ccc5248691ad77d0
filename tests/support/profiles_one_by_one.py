"""The oracle of the profiler's owner: one profile event after the other, one record encoded after
the other.
"""

from collections import deque
from typing import Any

import numpy as np

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.declare import Entity, Feature, FeatureSet
from riskstream.domain.risk.features.profiles.entity_profiles import LAST_HASHES, PART_TILES
from riskstream.domain.risk.features.profiles.labels import Labels, standings
from riskstream.domain.risk.features.profiles.profile_kernel import ADD, LABEL, READ
from riskstream.domain.risk.features.profiles.table import ProfileTable
from riskstream.domain.risk.features.profiles.vector import NEVER, ProfileVector, topic_of
from riskstream.runtime.errors import Rejected

Written = tuple[str, bytes, bytes]
"""Topic, key and value."""
STATE = "profile-state.v1"


class _Entity:
    """Profiles of one entity."""

    def __init__(self, entity: Entity, features: tuple[Feature, ...], label: str) -> None:
        self.entity, self.features, self.label = entity, features, label
        self.table, self.labels = ProfileTable(features, entity.tile_ms), Labels()
        self.slots: dict[bytes, int] = {}
        self.tiles: dict[int, dict[int, list[int]]] = {}
        self.hashes: dict[int, deque[int]] = {}
        self.held: dict[int, dict[str, Any]] = {}
        self.touched: set[int] = set()
        self.parts: set[tuple[int, int]] = set()

    def _step(self, kind: int, slot: int, at: int, amount: int) -> Any:
        return self.table.take(
            np.array([kind], np.uint8),
            np.array([slot], np.int32),
            np.array([at], np.int64),
            np.array([amount], np.int64),
        )

    def take(self, said: dict[str, Any]) -> None:
        slot = self.slots.setdefault(said["key"].encode(), len(self.slots))
        hashes = self.hashes.setdefault(slot, deque(maxlen=LAST_HASHES))
        at, change = said["occurred_at"], (1, said["amount_minor"], 0)
        if said["kind"] == "EVENT":
            if said["transaction_hash"] in hashes:
                return
            hashes.append(said["transaction_hash"])
            self._step(ADD, slot, at, said["amount_minor"])
        else:
            sources = ("UNKNOWN", "CHARGEBACK", "ANALYST", "CUSTOMER", "IMPORT")
            outcomes = ("UNKNOWN", "FRAUD", "GENUINE")
            place = sources.index(said["source"]), said["known_at"], outcomes.index(said["outcome"])
            [standing] = standings(*(np.array([each], np.int64) for each in place)).tolist()
            frauds = self.labels.take(slot, said["transaction_hash"], at, standing)
            if not frauds:
                return
            self._step(LABEL, slot, at, frauds)
            change = (0, 0, frauds)
        end = -(-at // self.entity.tile_ms) * self.entity.tile_ms
        self.touched.add(slot)
        self.parts.add((slot, -(-end // (PART_TILES * self.entity.tile_ms))))
        self._add(slot, end, change)

    def _add(self, slot: int, end: int, change: tuple[int, int, int]) -> None:
        """As the table keeps tiles: none that no window can reach any more."""
        mine = self.tiles.setdefault(slot, {})
        newest = int(self.table.newests[slot])
        if end not in mine:
            if end <= newest - self.table.horizon:
                return
            for old in [each for each in mine if each <= newest - self.table.horizon]:
                del mine[old]
        before = mine.get(end, [0, 0, 0])
        mine[end] = [a + b for a, b in zip(before, change, strict=True)]

    def close(self, clock_ms: int, as_of: int, partition: int) -> list[Written]:
        closed_at, out = clock_ms // self.entity.tile_ms * self.entity.tile_ms, []
        due = {slot for slot, each in self.held.items() if each["next"] <= closed_at}
        names = {slot: key for key, slot in self.slots.items()}
        for slot in sorted(due | self.touched):
            empty = self._step(READ, len(self.slots), 0, 0)[0].astype(np.float32)
            nothing: dict[str, Any] = {
                "closed": [NEVER, NEVER],
                "as_of": [NEVER, NEVER],
                "vectors": [empty, empty],
            }
            held = self.held.setdefault(slot, nothing)
            found = self._step(READ, slot, closed_at, 0)[0].astype(np.float32)
            held["next"] = int(self.table.next_changes(np.array([slot], np.int32))[0])
            if np.array_equal(found, held["vectors"][0], equal_nan=True):
                continue
            if closed_at > held["closed"][0]:
                for name in ("closed", "as_of", "vectors"):
                    held[name] = [held[name][0], held[name][0]]
            new: dict[str, Any] = {"closed": closed_at, "as_of": as_of, "vectors": found}
            for name, value in new.items():
                held[name] = [value, held[name][1]]
            out.append(self._vector(names[slot], held, partition))
        self.touched.clear()
        return out

    def _vector(self, key: bytes, held: dict[str, Any], partition: int) -> Written:
        topic = topic_of(self.entity)
        vector = ProfileVector(
            entity=self.entity,
            key=key,
            partition=partition,
            as_of=np.array(held["as_of"]),
            closed=np.array(held["closed"]),
            vectors=np.array(held["vectors"], np.float32),
            feature_set=self.label,
        )
        return topic, key, codec(topic).encode(vector.record())

    def flush(self, src: int) -> list[Written]:
        out, part_ms = [], PART_TILES * self.entity.tile_ms
        names = {slot: key for key, slot in self.slots.items()}
        for slot, part in sorted(self.parts):
            held = sorted(self.tiles.get(slot, {}).items())
            mine = [each for each in held if (part - 1) * part_ms < each[0] <= part * part_ms]
            record: dict[str, Any] = {
                "ends": [end for end, _ in mine],
                **{
                    name: [tile[at] for _, tile in mine]
                    for at, name in enumerate(("counts", "sums", "frauds"))
                },
                "last_hashes": list(self.hashes[slot]),
            }
            number = f"{(mine[0][0] - 1) // part_ms}" if mine else "-"
            out.append(self._part(names[slot], number, src, record))
        for slot, name, standing, at in self.labels.take_said():
            record = {"transaction_hash": name, "standing": standing, "occurred_at": at}
            out.append(self._part(names[slot], f"label {name}", src, record))
        self.parts.clear()
        return out

    def _part(self, key: bytes, part: str, src: int, record: dict[str, Any]) -> Written:
        name = self.entity.name
        value = {"entity": name, "key": key.decode(), "src": src, **record}
        return STATE, f"{name} {part} ".encode() + key, codec(STATE).encode(value)


class OneByOne:
    """The owner of one partition of profile-events.v1. `bad` and `repeats` count records."""

    def __init__(self, features: FeatureSet) -> None:
        self._entities = {
            entity.name: _Entity(entity, mine, features.label)
            for entity, mine in features.profiles.items()
        }
        self._kinds = {
            entity.name: {kind.name for kind in features.kinds_of(entity)}
            for entity in features.profiles
        }
        self.clock_ms = self.bad = self.repeats = 0
        self._last: dict[int, int] = {}
        self._src = -1

    def take(self, frames: list[bytes | None], first: int) -> None:
        """Frames from offset `first` on. Series that are new come in order."""
        before = list(self._last)
        for frame in frames:
            self._src, first = first, first + 1
            try:
                said = decoded(codec("profile-event.v1"), frame)
            except Rejected:
                self.bad += 1
                continue
            kind = ("UNKNOWN", "EVENT", "LABEL").index(said["kind"])
            series = (said["src_partition"] << 16) | (said["src_index"] << 4) | kind
            if said["src"] <= self._last.get(series, -1):
                self.repeats += 1
                continue
            self._last[series] = said["src"]
            if kind == 1:
                self.clock_ms = max(self.clock_ms, said["occurred_at"])
            entity = self._entities.get(said["entity"])
            if entity is None or (
                kind == 1 and said["transaction_kind"] not in self._kinds[said["entity"]]
            ):
                continue
            entity.take(said)
        names = [*before, *sorted(self._last.keys() - set(before))]
        self._last = {name: self._last[name] for name in names}

    def settle(self, partition: int) -> list[Written]:
        out: list[Written] = []
        for entity in self._entities.values():
            out += entity.close(self.clock_ms, self._src, partition)
        return out

    def flush(self) -> list[Written]:
        out: list[Written] = []
        for entity in self._entities.values():
            out += entity.flush(self._src)
            entity.labels.forget(self.clock_ms - entity.table.horizon)
        last = dict(self._last)
        record = {
            "entity": "",
            "key": "",
            "src": self._src,
            "ends": list(last),
            "counts": list(last.values()),
            "occurred_at": self.clock_ms,
        }
        out.append((STATE, b"positions", codec(STATE).encode(record)))
        return out
