"""The records that the owner stage writes: vectors of profiles, and parts of its state. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.features.declare import Entity, FeatureSet
from riskstream.domain.risk.features.profiles.entity_profiles import Profiles
from riskstream.domain.risk.features.profiles.vector import NEVER, topic_of
from riskstream.platform.kafka.record import Made, Output, OutputRows

STATE = "profile-state.v1"
POSITIONS = b"positions"
"""Key of the record that says where the parts of a partition stand: position, clock, and positions
by series.
"""
_AT_ONCE = 2048
_SERIES = ("ends", "counts", "sums", "frauds")


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
        self._positions = codec(STATE)
        longs = (*_SERIES, "last_hashes")
        self._states = ColumnEncoder(
            STATE, capacity=_AT_ONCE, from_input=("key",), from_items=longs
        )
        self._vectors: dict[Entity, ColumnEncoder] = {}
        for entity in features.profiles:
            texts = (entity.key, "vector", "previous_vector")
            encoder = ColumnEncoder(topic_of(entity), capacity=_AT_ONCE, from_input=texts)
            encoder.set_word("feature_set", slice(None), features.label)
            self._vectors[entity] = encoder

    def vectors(
        self, partition: int, entity: Entity, profiles: Profiles, slots: NDArray[np.int32]
    ) -> list[OutputRows]:
        """The vectors of an entity's slots."""
        out = []
        for first in range(0, len(slots), _AT_ONCE):
            mine = slots[first : first + _AT_ONCE]
            keys = profiles.keys(mine)
            frames = self._vectors_of(partition, entity, profiles, mine, keys)
            out.append(
                OutputRows(topic=topic_of(entity), partition=partition, keys=keys, values=frames)
            )
        return out

    def _vectors_of(
        self,
        partition: int,
        entity: Entity,
        profiles: Profiles,
        slots: NDArray[np.int32],
        keys: Joined,
    ) -> Joined:
        n, bank = len(slots), self._vectors[entity]
        as_of, closed = profiles.as_of[slots], profiles.closed[slots]
        bank.numbers("as_of_partition")[:n] = partition
        bank.numbers("as_of_offset")[:n], bank.numbers("previous_as_of_offset")[:n] = as_of.T
        bank.numbers("closed_at")[:n], bank.numbers("previous_closed_at")[:n] = closed.T
        bank.nulls("previous_closed_at")[:n] = closed[:, 1] == NEVER
        _set_keys(bank, entity.key, keys)
        floats = profiles.vectors[slots]
        wide = floats.shape[2]
        begin, size = int(keys.ends[-1]), 4 * wide
        for place, name in enumerate(("vector", "previous_vector")):
            starts, lengths = bank.spans(name)
            starts[:n] = begin + size * (2 * np.arange(n) + place)
            lengths[:n] = wide
        data = np.concatenate([keys.data[:begin], floats.reshape(-1).view(np.uint8)])
        return bank.encode(n, data)

    def parts(self, source: Source, profiles: Profiles) -> list[OutputRows]:
        """Tiles and labels that changed since this was last asked for."""
        return [*self._tiles(source, profiles), *self._labels(source, profiles)]

    def _tiles(self, source: Source, profiles: Profiles) -> list[OutputRows]:
        found, out = profiles.take_parts(), []
        tiles_before = np.append(0, found.tile_ends[:-1])
        hashes_before = np.append(0, found.hash_ends[:-1])
        for first in range(0, len(found.slots), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            slots, ends = found.slots[rows], found.tile_ends[rows]
            begins, n = tiles_before[rows], len(slots)
            tiles = found.tiles[begins[0] : ends[-1]]
            hashes = found.hashes[hashes_before[first] : found.hash_ends[rows][-1]]
            counts = ends - begins
            numbers = _part_numbers(found.tiles, begins, counts, profiles.part_ms)
            prefixes = [f"{source.entity.name} {number} ".encode() for number in numbers]
            bank = self._states
            for place, name in enumerate(_SERIES):
                starts, lengths = bank.spans(name)
                starts[:n], lengths[:n] = begins - begins[0] + place * len(tiles), counts
            starts, lengths = bank.spans("last_hashes")
            starts[:n] = hashes_before[rows] - hashes_before[first] + 4 * len(tiles)
            lengths[:n] = found.hash_ends[rows] - hashes_before[rows]
            bank.numbers("standing")[:n] = 0
            items = np.concatenate([tiles.T.ravel(), hashes])
            out.append(self._parts(source, profiles.keys(slots), prefixes, items, is_label=False))
        return out

    def _labels(self, source: Source, profiles: Profiles) -> list[OutputRows]:
        said, out = profiles.labels.take_said(), []
        for first in range(0, len(said), _AT_ONCE):
            slots, names, standings, times = (
                np.array(each, np.int64)
                for each in zip(*said[first : first + _AT_ONCE], strict=True)
            )
            n, bank = len(slots), self._states
            for name in (*_SERIES, "last_hashes"):
                starts, lengths = bank.spans(name)
                starts[:n] = lengths[:n] = 0
            bank.numbers("transaction_hash")[:n] = names
            bank.numbers("standing")[:n], bank.numbers("occurred_at")[:n] = standings, times
            prefixes = [f"{source.entity.name} label {name} ".encode() for name in names.tolist()]
            none = np.zeros(0, np.int64)
            out.append(self._parts(source, profiles.keys(slots), prefixes, none, is_label=True))
        return out

    def _parts(
        self,
        source: Source,
        keys: Joined,
        prefixes: list[bytes],
        items: NDArray[np.int64],
        *,
        is_label: bool,
    ) -> OutputRows:
        """Parts whose own fields stand in the bank already; the key of each record is `prefix` and
        the key.
        """
        n, bank = len(keys), self._states
        bank.set_word("entity", slice(0, n), source.entity.name)
        bank.numbers("src")[:n] = source.src
        for name in ("transaction_hash", "occurred_at"):
            bank.nulls(name)[:n] = not is_label
        _set_keys(bank, "key", keys)
        names = [prefix + key for prefix, key in zip(prefixes, keys.present(), strict=True)]
        return OutputRows(
            topic=STATE,
            partition=source.partition,
            keys=Joined.of(names),
            values=bank.encode(n, keys.data, items.reshape(-1, 1)),
        )

    def positions(
        self, partition: int, src: int, positions: Mapping[int, int], clock_ms: int
    ) -> Made:
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
        value = self._positions.encode(record)
        return Output(topic=STATE, partition=partition, key=POSITIONS, value=value)


def _set_keys(bank: ColumnEncoder, name: str, keys: Joined) -> None:
    starts, lengths = bank.spans(name)
    sizes = keys.sizes
    starts[: len(keys)], lengths[: len(keys)] = keys.ends - sizes, sizes


def _part_numbers(
    tiles: NDArray[np.int64], begins: NDArray[np.int64], counts: NDArray[np.int64], part_ms: int
) -> list[int | str]:
    """The number of each part by its first tile, "-" where it has none."""
    firsts = tiles[np.minimum(begins, max(len(tiles) - 1, 0)), 0] if len(tiles) else begins
    numbers = ((firsts - 1) // part_ms).tolist()
    return [
        number if count else "-" for number, count in zip(numbers, counts.tolist(), strict=True)
    ]
