"""Joins a micro-batch with the profiles of its entities: what to read, then the vector that each
row may know.

A row takes the newest vector whose tiles had closed by its time. Where the profiler is behind that
time the vector is `stale`; where both vectors held are of later tiles it is `ahead`; where there
was no answer, or the view is lost, its columns are NaN and it is `profiles_missing`. A key that was
never seen has the vector of nothing, and no flag.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import Columns
from riskstream.domain.risk.features.declare import Entity, FeatureSet
from riskstream.domain.risk.features.profiles.entity_profiles import Profiles
from riskstream.domain.risk.features.profiles.vector import HEAD, NEVER
from riskstream.domain.risk.partition import partition_kernel
from riskstream.runtime.durations import DAY_MS

STALE, AHEAD, MISSING = "stale", "ahead", "profiles_missing"
MAX_STALE_MS = DAY_MS
"""A vector behind by more than this is not used: its columns are NaN."""


@dataclass(slots=True)
class _Wanted:
    """Of one entity: rows with a key, each row's number among the distinct keys, those keys and
    their partitions.
    """

    rows: NDArray[np.int64]
    which: NDArray[np.int64]
    keys: list[bytes]
    partitions: list[int]

    def of(self, scored: NDArray[np.bool_]) -> "_Wanted":
        """The same, of the scored rows alone."""
        kept = scored[self.rows]
        return self if kept.all() else replace(self, rows=self.rows[kept], which=self.which[kept])


@dataclass(slots=True)
class ProfilesWanted:
    """What is to be read for a micro-batch: `keys` as a ProfileReader takes them, in the order of
    `entities`.
    """

    keys: list[bytes]
    entities: list[_Wanted]


@dataclass(slots=True)
class _Found:
    """What was read for one entity: of each key what is held, of each partition its clock. In the
    order of _Wanted.
    """

    held: list[bytes | None]
    clocks: list[bytes | None]


@dataclass(slots=True)
class _Sheet:
    """What is filled of a batch: `vectors`, `places` and `flagged` as in `join`, of each record its
    time.
    """

    times: NDArray[np.int64]
    vectors: NDArray[np.float32]
    places: NDArray[np.int64]
    flagged: dict[str, NDArray[np.bool_]]


NO_PROFILES = ProfilesWanted([], [])
"""For a feature set without profiles."""


class ProfileJoin:
    """Fills the profiles' columns of a feature set."""

    def __init__(self, features: FeatureSet) -> None:
        self._entities = list(features.profiles)
        names = features.names
        self._columns = [
            np.array([names.index(each.name) for each in mine])
            for mine in features.profiles.values()
        ]
        self._empty = [
            Profiles(entity, mine).read(b"", 0) for entity, mine in features.profiles.items()
        ]
        self._all_columns = np.array(
            [column for mine in self._columns for column in mine], np.int64
        )

    def __len__(self) -> int:
        return len(self._entities)

    def wanted(
        self, columns: Columns, rows: NDArray[np.int64], partition_count: int
    ) -> ProfilesWanted:
        """What is to be read of the entities of these rows, each key once."""
        keys: list[bytes] = []
        found = [self._wanted(entity, columns, rows, partition_count) for entity in self._entities]
        for entity, each in zip(self._entities, found, strict=True):
            name = entity.name.encode()
            keys += [b":" + name + b":" + key for key in each.keys]
            keys += [b"#" + name + b":%d" % partition for partition in each.partitions]
        return ProfilesWanted(keys, found)

    def join(
        self,
        wanted: ProfilesWanted,
        found: list[bytes | None] | None,
        scored: NDArray[np.bool_],
        times: NDArray[np.int64],
        vectors: NDArray[np.float32],
        places: NDArray[np.int64],
    ) -> dict[str, NDArray[np.int64]]:
        """Fill the columns of the scored rows in vectors [n, columns], and (partition, as_of,
        closed_at) an entity in places [n, 3 e]. `found`: what was read of `wanted.keys`, None where
        nothing answered. `times`: of each record.

        The rows of each flag.
        """
        rows = np.flatnonzero(scored)
        vectors[rows[:, None], self._all_columns] = np.nan
        places[rows] = NEVER
        if not len(rows):
            return {}
        flagged = {
            STALE: np.zeros(len(vectors), np.bool_),
            AHEAD: np.zeros(len(vectors), np.bool_),
            MISSING: np.zeros(len(vectors), np.bool_),
        }
        sheet = _Sheet(times, vectors, places, flagged)
        start = 0
        for index, asked in enumerate(wanted.entities):
            each = asked.of(scored)
            if found is None:
                flagged[MISSING][each.rows] = True
                continue
            middle = start + len(each.keys)
            end = middle + len(each.partitions)
            self._fill(index, each, _Found(found[start:middle], found[middle:end]), sheet)
            start = end
        return {flag: np.flatnonzero(rows_of) for flag, rows_of in flagged.items() if rows_of.any()}

    def _wanted(
        self, entity: Entity, columns: Columns, rows: NDArray[np.int64], partition_count: int
    ) -> _Wanted:
        starts, lengths = columns.span(entity.key)
        rows = rows[lengths[rows] > 0]
        numbers: dict[bytes, int] = {}
        firsts: list[int] = []
        which = np.empty(len(rows), np.int64)
        for at, (row, start, length) in enumerate(
            zip(rows.tolist(), starts[rows].tolist(), lengths[rows].tolist(), strict=True)
        ):
            key = columns.data[start : start + length].tobytes()
            number = numbers.setdefault(key, len(numbers))
            if number == len(firsts):
                firsts.append(row)
            which[at] = number
        own = np.empty(len(firsts), np.int32)
        if firsts:
            partition_kernel(columns.data, starts[firsts], lengths[firsts], partition_count, own)
        return _Wanted(rows=rows, which=which, keys=list(numbers), partitions=own.tolist())

    def _fill(self, index: int, wanted: _Wanted, found: _Found, sheet: _Sheet) -> None:
        n, wide = len(found.held), len(self._columns[index])
        if not n:
            return
        as_of, closed = np.full((n, 3), NEVER, np.int64), np.full((n, 3), NEVER, np.int64)
        partitions = np.full(n, NEVER, np.int64)
        held = np.empty((n, 3, wide), np.float32)  # newest, the one before, nothing
        held[:] = self._empty[index]
        for at, raw in enumerate(found.held):
            if raw is not None and len(raw) == HEAD.size + 8 * wide:
                as_of[at, 0], as_of[at, 1], closed[at, 0], closed[at, 1], partitions[at] = (
                    HEAD.unpack_from(raw)
                )
                held[at, :2] = np.frombuffer(raw, np.float32, 2 * wide, HEAD.size).reshape(2, wide)
        clock = np.array([NEVER if each is None else int(each) for each in found.clocks], np.int64)[
            wanted.which
        ]
        rows, which = wanted.rows, wanted.which
        tile_ms = self._entities[index].tile_ms
        now = sheet.times[rows] // tile_ms * tile_ms
        newest, before = closed[which, 0], closed[which, 1]
        choice = np.where((newest != NEVER) & (newest <= now), 0, np.where(before == NEVER, 2, 1))
        is_ahead = (choice == 1) & (before > now)
        is_missing = clock == NEVER
        is_stale = ~is_missing & (clock < now)
        used = held[which, choice]
        used[is_missing | (is_stale & (now - clock > MAX_STALE_MS))] = np.nan
        sheet.vectors[rows[:, None], self._columns[index]] = used
        there = (choice != 2) & ~np.isnan(used).all(axis=1)
        place = sheet.places[:, 3 * index : 3 * index + 3]
        place[rows[there], 0] = partitions[which[there]]
        place[rows[there], 1] = as_of[which[there], choice[there]]
        place[rows[there], 2] = closed[which[there], choice[there]]
        for flag, which_rows in ((STALE, is_stale), (AHEAD, is_ahead), (MISSING, is_missing)):
            sheet.flagged[flag][rows[which_rows]] = True
