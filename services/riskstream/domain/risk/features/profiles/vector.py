"""The vector of one key of a profiled entity: as a record of <entity>-risk.v1, and as the bytes
that readers fetch.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import Entity
from riskstream.runtime.errors import Rejected

HEAD = struct.Struct("<qqqqi")
"""as_of of the newest and of the one before, closed_at of both, partition. Then float32 of both,
newest first.
"""
NEVER = -1


def topic_of(entity: Entity) -> str:
    """Topic, and contract, of an entity's vectors."""
    return f"{entity.name}-risk.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVector:
    """Newest and the one before: `as_of` int64[2] offsets of profile-events.v1, `closed` int64[2],
    `vectors` float32[2, features].

    closed is NEVER where there is none.
    """

    entity: Entity
    key: bytes
    partition: int
    as_of: NDArray[np.int64]
    closed: NDArray[np.int64]
    vectors: NDArray[np.float32]
    feature_set: str

    def record(self) -> dict[str, Any]:
        """As a record of the entity's contract."""
        has_before = int(self.closed[1]) != NEVER
        return {
            self.entity.key: self.key.decode(),
            "as_of_partition": self.partition,
            "as_of_offset": int(self.as_of[0]),
            "closed_at": int(self.closed[0]),
            "vector": self.vectors[0].tolist(),
            "previous_closed_at": int(self.closed[1]) if has_before else None,
            "previous_as_of_offset": int(self.as_of[1]),
            "previous_vector": self.vectors[1].tolist(),
            "feature_set": self.feature_set,
        }

    def packed(self) -> bytes:
        """As readers fetch it."""
        head = HEAD.pack(*self.as_of.tolist(), *self.closed.tolist(), self.partition)
        return head + np.ascontiguousarray(self.vectors, np.float32).tobytes()


def vector_of(record: dict[str, Any], entity: Entity) -> ProfileVector:
    """From a decoded record of the entity's contract; Rejected where its two vectors are not of one
    length.
    """
    newest = record["vector"]
    before = record["previous_vector"] or [float("nan")] * len(newest)
    if len(before) != len(newest):
        raise Rejected(
            reason="inconsistent", detail=f"vectors of {len(newest)} and {len(before)} features"
        )
    closed = [
        record["closed_at"],
        NEVER if record["previous_closed_at"] is None else record["previous_closed_at"],
    ]
    return ProfileVector(
        entity=entity,
        key=record[entity.key].encode(),
        partition=record["as_of_partition"],
        as_of=np.array([record["as_of_offset"], record["previous_as_of_offset"]], np.int64),
        closed=np.array(closed, np.int64),
        vectors=np.array([newest, before], np.float32),
        feature_set=record["feature_set"],
    )
