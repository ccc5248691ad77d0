"""Parity of profiles: each vector that a score used, computed again from profile-events.v1, as of
the offset that the score names.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import Columns, longs
from riskstream.domain.contracts.writers import when_known
from riskstream.domain.risk.features.declare import Entity, FeatureSet
from riskstream.domain.risk.features.profiles.entity_profiles import Profiles
from riskstream.domain.risk.features.profiles.log import ProfileLog
from riskstream.domain.risk.features.profiles.vector import NEVER
from riskstream.platform.kafka.record import Record
from riskstream.workbench.checks.parity_found import Parity
from riskstream.workbench.checks.score_columns import floats_of, part_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Used:
    """A profile's vector that a score used: of which key, as of which offset, at the end of which
    tile.
    """

    entity: Entity
    key: bytes
    as_of: int
    closed_at: int
    vector: bytes
    score: str


class ProfileParity:
    """Takes scores by `note`, then the events by `take`; counts in `found`."""

    def __init__(self, features: FeatureSet, found: Parity) -> None:
        self.found, self._features = found, features
        self._used: dict[int, list[_Used]] = {}
        self._logs: dict[int, ProfileLog] = {}
        self._owned = len(features.inputs) + len(features.owned)
        self._wide = {entity: len(mine) for entity, mine in features.profiles.items()}
        self._empty = {
            entity: Profiles(entity, mine).read(b"", 0)
            for entity, mine in features.profiles.items()
        }

    def note(self, logged: Columns, transactions: Columns, at: int, words: str) -> None:
        """Keep the profiles' vectors of the score in row `at` until the events are taken; `words`
        name the score.
        """
        vector = floats_of(logged, at, len(self._features.names))[self._owned :]
        places = longs(part_of(logged, "profiles", at))
        start = 0
        for index, (entity, wide) in enumerate(self._wide.items()):
            mine = vector[start : start + wide]
            start += wide
            partition, as_of, closed_at = places[3 * index : 3 * index + 3]
            if as_of != NEVER:
                used = _Used(
                    entity=entity,
                    key=transactions.text(entity.key, at).encode(),
                    as_of=as_of,
                    closed_at=closed_at,
                    vector=mine.tobytes(),
                    score=words,
                )
                self._used.setdefault(partition, []).append(used)
            elif np.isnan(mine).all():
                self.found.profiles_missing += 1
            else:
                self._compare(
                    _Used(
                        entity=entity,
                        key=b"",
                        as_of=as_of,
                        closed_at=closed_at,
                        vector=mine.tobytes(),
                        score=words,
                    ),
                    self._empty[entity],
                )

    def take(self, records: list[Record]) -> None:
        """Records of profile-events.v1 in order by partition, from its beginning; call it when all
        scores were taken.
        """
        for number in sorted({record.partition for record in records}):
            log = self._logs.setdefault(number, ProfileLog(self._features))
            wanted = self._used.get(number, [])
            wanted.sort(key=lambda each: -each.as_of)
            mine = [record for record in records if record.partition == number]
            done = 0
            while wanted and wanted[-1].as_of <= mine[-1].offset:
                used = wanted.pop()
                stop = done
                while stop < len(mine) and mine[stop].offset <= used.as_of:
                    stop += 1
                _fold(log, mine[done:stop])
                done = stop
                self._compare(used, log.profiles[used.entity].read(used.key, used.closed_at))
            _fold(log, mine[done:])

    def _compare(self, used: _Used, computed: NDArray[np.float32]) -> None:
        self.found.profiles_compared += 1
        if computed.tobytes() != used.vector:
            self.found.profiles_differ += 1
            logged = np.frombuffer(used.vector, np.float32)
            self.found.note(
                f"{used.score} {used.entity.name} as of {used.as_of}: {logged.tolist()} "
                f"logged, {computed.tolist()} computed"
            )

    def without_events(self) -> int:
        """Vectors of profiles that are still to be compared: where there are some,
        profile-events.v1 ends too early.
        """
        return sum(map(len, self._used.values()))


def _fold(log: ProfileLog, records: list[Record]) -> None:
    """Fold records of one partition of profile-events.v1 in."""
    when_known(lambda: log.take([record.value for record in records]))
