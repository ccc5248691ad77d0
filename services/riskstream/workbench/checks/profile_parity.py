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
from riskstream.platform.kafka.record import Records
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
        """By partition of profile-events.v1; the first offset comes last once its events are
        read.
        """
        self._logs: dict[int, ProfileLog] = {}
        self._owned = len(features.inputs) + len(features.owned)
        self._wide = {entity: len(mine) for entity, mine in features.profiles.items()}
        self._empty = {
            entity: Profiles(entity, mine).read(b"", 0)
            for entity, mine in features.profiles.items()
        }

    def note(self, logged: Columns, row: int, transactions: Columns, at: int, words: str) -> None:
        """Keep the profiles' vectors of the score in `row` until the events are taken; its
        transaction is in row `at`, and `words` name the score.
        """
        vector = floats_of(logged, row, len(self._features.names))[self._owned :]
        places = longs(part_of(logged, "profiles", row))
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

    def take(self, records: Records) -> None:
        """Records of one partition of profile-events.v1, in order from its beginning; call it when
        all scores were taken.
        """
        if not len(records):
            return
        number = records.partition
        wanted = self._used.get(number, [])
        if number not in self._logs:
            self._logs[number] = ProfileLog(self._features)
            wanted.sort(key=lambda each: -each.as_of)
        log, done = self._logs[number], 0
        while wanted and wanted[-1].as_of <= records.offsets[-1]:
            used = wanted.pop()
            stop = int(np.searchsorted(records.offsets, used.as_of, "right"))
            _fold(log, records, done, stop)
            done = max(done, stop)
            self._compare(used, log.profiles[used.entity].read(used.key, used.closed_at))
        _fold(log, records, done, len(records))

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


def _fold(log: ProfileLog, records: Records, first: int, stop: int) -> None:
    """Fold records first..stop-1 of one partition of profile-events.v1 in."""
    if first < stop:
        values = records.rows(np.arange(first, stop)).values
        when_known(lambda: log.take(values))
