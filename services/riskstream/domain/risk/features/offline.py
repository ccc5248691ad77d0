"""The same kernels over a whole table: vectors for training and for checks, row by row as the
services would see them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import Entity, Feature, FeatureSet, bits_of
from riskstream.domain.risk.features.keys.key_kernel import hash_kernel
from riskstream.domain.risk.features.owned.events import Events
from riskstream.domain.risk.features.owned.input_kernel import input_kernel
from riskstream.domain.risk.features.owned.repeats_kernel import LIVE
from riskstream.domain.risk.features.owned.table import KeyTable
from riskstream.domain.risk.features.profiles.profile_kernel import ADD, LABEL, READ
from riskstream.domain.risk.features.profiles.table import ProfileTable

_CHUNK = 8192
_PROFILE_CHUNK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """n texts in one buffer: text i is data[ends[i-1]:ends[i]] (ends[-1] = 0)."""

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]

    def spans(
        self, start: int, stop: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32]]:
        """(bytes, starts, lengths) of texts start..stop-1."""
        first = int(self.ends[start - 1]) if start else 0
        ends = self.ends[start:stop] - first
        starts = np.concatenate([[0], ends[:-1]])
        data = self.data[first : int(self.ends[stop - 1])]
        return np.ascontiguousarray(data), starts.astype(np.int64), (ends - starts).astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionColumns:
    """n transactions in log order, as the kernels read them. Enums as indices of the contract's,
    instants in ms.

    `keys`: for a key field a number of each row's key, -1 where it is null. `corrects`: the id that
    each corrects, empty where none; None where the file does not say it.
    """

    transaction_id: Texts
    customer_id: Texts
    occurred_at: NDArray[np.int64]
    base_amount_minor: NDArray[np.int64]
    kind: NDArray[np.int64]
    channel: NDArray[np.int64]
    mcc: NDArray[np.int64]
    mcc_null: NDArray[np.uint8]
    keys: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    corrects: Texts | None = None

    @property
    def are_corrections(self) -> NDArray[np.bool_]:
        """Which rows correct another."""
        n = len(self.occurred_at)
        return (
            np.zeros(n, np.bool_)
            if self.corrects is None or n == 0
            else self.corrects.spans(0, n)[2] > 0
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFrauds:
    """Frauds by the time at which they become known: row of the transaction, and that instant in
    ms, in its order.
    """

    row: NDArray[np.int64]
    known_at: NDArray[np.int64]

    @classmethod
    def after(
        cls, frauds: NDArray[np.bool_], occurred_at: NDArray[np.int64], delay_ms: int
    ) -> "KnownFrauds":
        """Each fraud known `delay_ms` after its transaction; rows in order of time."""
        row = np.flatnonzero(frauds)
        return cls(row=row, known_at=occurred_at[row] + delay_ms)


def vectors(
    features: FeatureSet,
    rows: TransactionColumns,
    progress: Callable[[int], None] = lambda _: None,
    *,
    frauds: KnownFrauds | None = None,
    is_at_event: bool = False,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """float32[n, columns], or `out` filled: what the services compute when they read these rows and
    labels from an empty state.

    Rows are in order of time where the set has profiles. A profile is read as of the end of the
    last tile closed at the row's time, or with `is_at_event` as of that time itself, to the
    millisecond (what the public book's columns are). A row without the profile's key has NaN.
    `progress` is told of rows whose columns, but those of profiles, are filled.
    """
    if out is None:
        out = np.empty((len(rows.occurred_at), len(features.names)), np.float32)
    _owned(features, rows, out, progress)
    for entity, mine in features.profiles.items():
        columns = [features.names.index(each.name) for each in mine]
        is_counted = ((bits_of(features.kinds_of(entity)) >> rows.kind) & 1).astype(
            np.bool_
        ) & ~rows.are_corrections
        out[:, columns] = _profiles(entity, mine, rows, is_counted, frauds, is_at_event)
    return out


def _owned(
    features: FeatureSet,
    rows: TransactionColumns,
    out: NDArray[Any],
    progress: Callable[[int], None],
) -> None:
    n = len(out)
    wide = len(features.inputs) + len(features.owned)
    has_profiles = wide < out.shape[1]
    room = np.empty((min(n, _CHUNK) if has_profiles else 0, wide), out.dtype)
    table = KeyTable(features)
    program = np.array([int(each.input) for each in features.inputs], np.int32)
    for start in range(0, n, _CHUNK):
        stop = min(start + _CHUNK, n)
        size = stop - start
        part = slice(start, stop)
        ids = np.empty(size, np.uint64)
        id_data, id_starts, id_lengths = rows.transaction_id.spans(start, stop)
        hash_kernel(id_data, id_starts, id_lengths, ids)
        originals = np.zeros(size, np.uint64)
        if rows.corrects is not None:
            original_data, original_starts, original_lengths = rows.corrects.spans(start, stop)
            hash_kernel(original_data, original_starts, original_lengths, originals)
            originals[original_lengths == 0] = 0
        data, starts, lengths = rows.customer_id.spans(start, stop)
        slots, _ = table.resolve(
            data, starts, lengths, np.zeros(size, np.int32), np.ones(size, np.uint8)
        )
        chunk = room[:size] if has_profiles else out[part]
        input_kernel(
            size,
            rows.base_amount_minor[part],
            rows.occurred_at[part],
            rows.kind[part],
            rows.channel[part],
            rows.mcc[part],
            rows.mcc_null[part],
            program,
            chunk,
        )
        events = Events(
            slots=slots,
            times=rows.occurred_at[part],
            ids=ids,
            offsets=np.arange(start, stop, dtype=np.int64),
            modes=np.full(size, LIVE, np.uint8),
            verdicts=np.zeros(size, np.uint8),
            amounts=rows.base_amount_minor[part],
            kinds=rows.kind[part],
            corrects=originals,
        )
        table.apply(events, chunk)
        if has_profiles:
            out[part, :wide] = chunk
        progress(size)


def _profiles(
    entity: Entity,
    features: tuple[Feature, ...],
    rows: TransactionColumns,
    is_counted: NDArray[np.bool_],
    frauds: KnownFrauds | None,
    is_at_event: bool,
) -> NDArray[np.float64]:
    """float64[n, features]: labels known by a row's time come before it; a counted row joins its
    profile after it was read.
    """
    keys, times = rows.keys[entity.key], rows.occurred_at
    table = ProfileTable(features, 1 if is_at_event else entity.tile_ms)
    known = frauds or KnownFrauds(row=np.zeros(0, np.int64), known_at=np.zeros(0, np.int64))
    # the row that each label comes before
    before = np.searchsorted(times, known.known_at, side="left")
    out = np.full((len(times), len(features)), np.nan)
    for start in range(0, len(times), _PROFILE_CHUNK):
        there = start + np.flatnonzero(keys[start : start + _PROFILE_CHUNK] >= 0)
        labels = slice(*np.searchsorted(before, [start, start + _PROFILE_CHUNK]))
        labelled = known.row[labels][keys[known.row[labels]] >= 0]
        places = 2 * np.searchsorted(there, before[labels][keys[known.row[labels]] >= 0])
        steps = np.tile(np.array([READ, ADD], np.uint8), len(there))
        joins = np.repeat(is_counted[there], 2)
        joins[::2] = True
        taken = np.insert(joins, places, True)
        found = table.take(
            np.insert(steps, places, LABEL)[taken],
            np.insert(np.repeat(keys[there], 2), places, keys[labelled])[taken],
            np.insert(np.repeat(times[there], 2), places, times[labelled])[taken],
            np.insert(np.repeat(rows.base_amount_minor[there], 2), places, 1)[taken],
        )
        out[there] = found
    return out
