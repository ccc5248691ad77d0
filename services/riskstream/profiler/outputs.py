"""The records that the owner stage writes: vectors of profiles, and parts of its state. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.declare import Entity, FeatureSet
from riskstream.domain.risk.features.profiles.entity_profiles import Profiles
from riskstream.domain.risk.features.profiles.vector import ProfileVector, topic_of
from riskstream.platform.kafka.record import Output

STATE = "profile-state.v1"
POSITIONS = b"positions"
"""Key of the record that says where the parts of a partition stand: position, clock, and positions
by series.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """Of which partition and entity parts are, and the last offset of the source that they
    hold.
    """

    partition: int
    entity: Entity
    src: int


class Outputs:
    """Encodes records of one feature set."""

    def __init__(self, features: FeatureSet) -> None:
        self._label = features.label
        self._states = codec(STATE)
        self._codecs = {entity: codec(topic_of(entity)) for entity in features.profiles}

    def vectors(
        self, partition: int, entity: Entity, profiles: Profiles, slots: NDArray[np.int32]
    ) -> list[Output]:
        """The vectors of an entity's slots."""
        return [self._vector(partition, entity, profiles, slot) for slot in slots.tolist()]

    def _vector(self, partition: int, entity: Entity, profiles: Profiles, slot: int) -> Output:
        key = profiles.keys[slot]
        vector = ProfileVector(
            entity=entity,
            key=key,
            partition=partition,
            as_of=profiles.as_of[slot],
            closed=profiles.closed[slot],
            vectors=profiles.vectors[slot],
            feature_set=self._label,
        )
        value = self._codecs[entity].encode(vector.record())
        return Output(topic=topic_of(entity), partition=partition, key=key, value=value)

    def parts(self, source: Source, profiles: Profiles) -> list[Output]:
        """Tiles and labels that changed since this was last asked for."""
        out = []
        for slot, tiles in profiles.take_parts():
            part = f"{int(tiles[0, 0] - 1) // profiles.part_ms}" if len(tiles) else "-"
            record: dict[str, Any] = {
                **_series(tiles),
                "last_hashes": profiles.last_hashes_of(slot),
            }
            out.append(self._part(source, profiles.keys[slot], part, record))
        for slot, name, standing, occurred_at in profiles.labels.take_said():
            record = {
                "transaction_hash": name,
                "standing": standing,
                "occurred_at": occurred_at,
            }
            out.append(self._part(source, profiles.keys[slot], f"label {name}", record))
        return out

    def _part(self, source: Source, key: bytes, part: str, record: dict[str, Any]) -> Output:
        entity = source.entity.name
        value = self._states.encode(
            {"entity": entity, "key": key.decode(), "src": source.src, **record}
        )
        return Output(
            topic=STATE,
            partition=source.partition,
            key=f"{entity} {part} ".encode() + key,
            value=value,
        )

    def positions(
        self, partition: int, src: int, positions: Mapping[int, int], clock_ms: int
    ) -> Output:
        """Where the parts of a partition stand: offset `src` of the source, the position of each
        series, and the clock.
        """
        record = {
            "entity": "",
            "key": "",
            "src": src,
            "ends": list(positions),
            "counts": list(positions.values()),
            "occurred_at": clock_ms,
        }
        value = self._states.encode(record)
        return Output(topic=STATE, partition=partition, key=POSITIONS, value=value)


def _series(tiles: NDArray[np.int64]) -> dict[str, list[int]]:
    """Fields of profile-state.v1 of `tiles`, int64[n, (end, count, sum, frauds)]."""
    ends, counts, sums, frauds = tiles.T.tolist() if len(tiles) else ([], [], [], [])
    return {"ends": ends, "counts": counts, "sums": sums, "frauds": frauds}
