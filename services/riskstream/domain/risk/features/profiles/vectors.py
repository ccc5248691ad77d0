"""Vectors of one profiled entity from frames of its topic, as columns. Pure.

Equal to `vector_of` record by record; that reads the few whose arrays another writer laid out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import ColumnBounds, decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder, Columns
from riskstream.domain.contracts.columns_kernel import OK
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.features.declare import Entity
from riskstream.domain.risk.features.profiles.vector import NEVER, topic_of, vector_of
from riskstream.runtime.errors import Rejected

_ONE_BYTE = 64
"""Arrays of fewer items tell their number in one byte."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """n vectors, newest and the one before: `as_of` and `closed` int64[n, 2], `vectors` float32[n,
    2, features]; as `ProfileVector`.
    """

    keys: list[bytes]
    as_of: NDArray[np.int64]
    closed: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def packed(self, partition: int) -> list[bytes]:
        """As readers fetch each: `vector.HEAD`, then both vectors."""
        n, _, wide = self.vectors.shape
        kind = [("as_of", "<i8", 2), ("closed", "<i8", 2), ("partition", "<i4")]
        out = np.empty(n, np.dtype([*kind, ("vectors", "<f4", (2, wide))]))
        out["as_of"], out["closed"], out["partition"] = self.as_of, self.closed, partition
        out["vectors"] = self.vectors
        raw, size = out.tobytes(), out.dtype.itemsize
        return [raw[at : at + size] for at in range(0, n * size, size)]


class VectorReader:
    """Reads those of one feature set, whose vectors have `width` features."""

    def __init__(self, entity: Entity, width: int, label: str) -> None:
        self.entity = entity
        self._width, self._label = width, label.encode()
        self._codec = codec(topic_of(entity))
        self._decoder = ColumnDecoder(topic_of(entity))
        self._bounds = ColumnBounds(topic_of(entity), self._decoder.layout)

    def read(self, partition: int, frames: Sequence[bytes | None]) -> Vectors:
        """The vectors of this set and of a partition, in order; whatever else there is, is left
        out.
        """
        joined = Joined.of(frames)
        columns = self._decoder.decode(joined)
        is_ours = (columns.status == OK) & ~self._bounds.broken(columns)
        is_ours &= columns.numbers("as_of_partition") == partition
        is_ours &= columns.is_text("feature_set", self._label)
        newest, is_whole = self._floats(columns, "vector", is_ours)
        before, is_plain = self._floats(columns, "previous_vector", is_ours)
        others = np.flatnonzero(is_ours & ~(is_whole & is_plain))
        vectors = np.stack([newest, before], axis=1)
        is_ours[others] = [self._read_one(joined[row], vectors[row]) for row in others.tolist()]
        rows = np.flatnonzero(is_ours)
        as_of = [columns.numbers(name) for name in ("as_of_offset", "previous_as_of_offset")]
        closed = [columns.numbers(name).copy() for name in ("closed_at", "previous_closed_at")]
        closed[1][columns.is_null("previous_closed_at") != 0] = NEVER
        starts, lengths = columns.span(self.entity.key)
        raw, begins = columns.data.tobytes(), starts[rows]
        ends = begins + lengths[rows]
        return Vectors(
            [raw[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)],
            np.stack(as_of, axis=1)[rows],
            np.stack(closed, axis=1)[rows],
            vectors[rows],
        )

    def _floats(
        self, columns: Columns, name: str, is_ours: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(float32[n, width] of an array field, whether it stands there as one block of so many).

        NaN, and True, where the vector before is not there.
        """
        n, wide = len(columns), self._width
        out, is_read = np.full((n, wide), np.nan, np.float32), np.zeros(n, np.bool_)
        starts, lengths = columns.span(name)
        if name == "previous_vector":
            is_read = is_ours & (lengths <= 1)
        if wide < _ONE_BYTE:
            rows = np.flatnonzero(is_ours & (lengths == 4 * wide + 2))
            rows = rows[columns.data[starts[rows]] == 2 * wide]
            places = starts[rows, None] + 1 + np.arange(4 * wide)
            out[rows] = columns.data[places].view(np.float32)
            is_read[rows] = True
        return out, is_read

    def _read_one(self, frame: bytes | None, out: NDArray[np.float32]) -> bool:
        """Fill `out`, float32[2, width], from one record; False where it has another width."""
        try:
            found = vector_of(decoded(self._codec, frame), self.entity).vectors
        except Rejected:
            return False
        if found.shape != out.shape:
            return False
        out[:] = found
        return True
