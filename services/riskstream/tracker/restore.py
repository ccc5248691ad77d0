"""Loads what the tracker itself wrote: states of customers, and its newest alerts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import Columns
from riskstream.domain.contracts.writers import SchemaWait, is_known
from riskstream.domain.risk.customer_risk import Standing
from riskstream.domain.risk.customers.kernel import ERASE, LEAVE, LOAD
from riskstream.domain.risk.customers.state_columns import StateColumns, name_of, spans_of
from riskstream.domain.risk.customers.table import Loaded
from riskstream.domain.risk.decision import SCORE
from riskstream.domain.risk.features.keys.key_kernel import hash_kernel
from riskstream.platform.kafka.record import Record, RecordParts, Records
from riskstream.runtime.errors import Rejected
from riskstream.runtime.observer import Observer
from riskstream.tracker.outputs import ALERTS, STATE
from riskstream.tracker.owned import Owned

_SCHEMA_NOT_KNOWN = ("unknown_schema", "incompatible_schema")
_AT_ONCE = 8192
_NO_KEY = b"\xff"
"""No text is that: no customer has it."""


class _Newest:
    """Whether a record is the newest of its key; looked up where one cannot be read."""

    def __init__(self, records: RecordParts) -> None:
        self._records = records

    @cached_property
    def _offsets(self) -> dict[tuple[str, bytes | None], int]:
        return {(record.topic, record.key): record.offset for record in self._records}

    def has(self, record: Record) -> bool:
        return record.offset == self._offsets[record.topic, record.key]


@dataclass(slots=True)
class _Foreseen:
    """States that were loaded before their partition was given to anyone. `parts`: of which
    records; `is_plain`: False where one of them needs to be looked at with all others.
    """

    owned: Owned = field(default_factory=Owned)
    parts: list[Records] = field(default_factory=list)
    is_plain: bool = True

    def begins(self, parts: Sequence[Records]) -> bool:
        """Whether these parts are the first of some."""
        mine = self.parts
        return len(parts) >= len(mine) and all(
            ours is theirs for ours, theirs in zip(mine, parts, strict=False)
        )


class Restorer:
    """Fills what the tracker holds of a partition from the records of its own topics."""

    def __init__(self, observer: Observer, base_currency: str) -> None:
        self._observer = observer
        self._alerts, self._columns = codec("alert.v1"), StateColumns(base_currency)
        self._foreseen: dict[int, _Foreseen] = {}

    def foresee(self, partition: int, records: Records) -> None:
        """Load the next states of a partition. `restore` goes on behind them, where nothing but
        good states of this partition was foreseen.
        """
        foreseen = self._foreseen.setdefault(partition, _Foreseen())
        foreseen.parts.append(records)
        for part in _short(records):
            if not foreseen.is_plain:
                break
            columns, is_good = self._judged(foreseen.owned, partition, part.keys, part.values)
            if is_good.all():
                _load_good(foreseen.owned, part.keys, columns)
            else:
                foreseen.is_plain, foreseen.owned = False, Owned()

    def forget(self, partition: int) -> None:
        """Let go of what was foreseen."""
        self._foreseen.pop(partition, None)

    def restore(self, owned: Owned, partition: int, records: RecordParts) -> None:
        """Load the newest states of a partition and where they stand, and its newest alerts.

        A flush writes all changed states in one transaction, so the newest of them holds every
        score before its own. SchemaWait where the newest record of a key is of a schema that is not
        known: a version that knows it reads it.
        """
        newest, parts = _Newest(records), records.parts
        foreseen = self._foreseen.pop(partition, None)
        if foreseen is not None and foreseen.is_plain and foreseen.begins(parts):
            owned.goes_on_from(foreseen.owned)
            parts = parts[len(foreseen.parts) :]
        states: list[Records] = []
        for part in parts:
            if part.topic == ALERTS:
                for record in filter(self.is_own_alert, part):
                    self._see_alert(owned, record, newest)
            else:
                states += _short(part)
        owned.is_new = owned.is_new and not states
        for number, part in enumerate(states):
            self._load(owned, partition, part, newest)
            if not number:  # what the first ones take tells of the others
                owned.customers.expect(_different_keys(states))

    def is_own_alert(self, record: Record) -> bool:
        """Whether the tracker wrote it: gateways raise alerts too. True where it cannot be read."""
        try:
            return bool(decoded(self._alerts, record.value)["kind"] == SCORE)
        except (Rejected, SchemaWait):
            return True

    def _see_alert(self, owned: Owned, record: Record, newest: _Newest) -> None:
        try:
            owned.alerted = max(owned.alerted, decoded(self._alerts, record.value)["src"])
        except Rejected as error:
            self._see_fault(owned, record, error, newest)

    def _load(self, owned: Owned, partition: int, records: Records, newest: _Newest) -> None:
        """Take some states, in the order of the topic: the last of a key counts."""
        columns, is_good = self._judged(owned, partition, records.keys, records.values)
        if is_good.all():
            _load_good(owned, records.keys, columns)
            return
        keys = [_NO_KEY if key is None else key for key in records.keys]
        frames = list(records.values)
        deeds = np.where(is_good, np.uint8(LOAD), np.uint8(ERASE))
        is_again = False
        for row in np.flatnonzero(~is_good).tolist():
            record = records[row]
            keys[row] = name_of(record.key)
            # erased: an older state that is not compacted away yet does not count
            if record.value is None:
                continue
            try:
                frames[row] = self._columns.alone(partition, record.key, record.value)
                keys[row], is_again = record.key or b"", True
            except Rejected as error:
                if not self._see_fault(owned, record, error, newest):
                    deeds[row] = LEAVE
        if is_again:  # its schema has become known
            columns, is_good = self._judged(owned, partition, keys, frames)
            deeds[is_good] = LOAD
        owned.customers.load(deeds, owned.customers.slots_of(*spans_of(keys)), _loaded(columns))

    def _judged(
        self,
        owned: Owned,
        partition: int,
        keys: Sequence[bytes | None],
        frames: Sequence[bytes | None],
    ) -> tuple[Columns, NDArray[np.bool_]]:
        """(the states as columns, which of them are this partition's, their customer's and of our
        currency); those in their place tell where the partition stands.
        """
        columns, is_good = self._columns.placed(partition, keys, frames)
        owned.standing = _later(owned.standing, columns, is_good)
        return columns, is_good & self._columns.is_of_currency(columns)

    def _see_fault(self, owned: Owned, record: Record, error: Rejected, newest: _Newest) -> bool:
        """Whether what was held of its key is forgotten. Its customer starts empty, and the windows
        that it may have held are said to lack scores.

        An older state of the customer would lack scores as well, and not say so.
        """
        if error.reason in _SCHEMA_NOT_KNOWN:
            if newest.has(record):  # nothing took its place
                raise _waits(record, error) from error
            return False
        self._observer.count("unreadable_states", topic=record.topic)
        self._observer.report(
            "a record that this service wrote cannot be read and is left out",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=str(error),
        )
        if record.topic == STATE:
            owned.may_lack(record.appended_at)
        return True


def _load_good(owned: Owned, keys: Sequence[bytes | None], columns: Columns) -> None:
    """Take states in order, all of them good."""
    slots = owned.customers.slots_of(*spans_of(keys))
    owned.customers.load(np.full(len(keys), LOAD, np.uint8), slots, _loaded(columns))


def _short(part: Records) -> list[Records]:
    """The part, cut where it is long."""
    if len(part) <= _AT_ONCE:
        return [part]
    return [part[at : at + _AT_ONCE] for at in range(0, len(part), _AT_ONCE)]


def _different_keys(parts: list[Records]) -> int:
    """How many different ones there are, by their hashes."""
    hashes = []
    for part in parts:
        hashes.append(np.empty(len(part), np.uint64))
        hash_kernel(*spans_of(part.keys), hashes[-1])
    ordered = np.sort(np.concatenate(hashes))
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _later(standing: Standing, columns: Columns, rows: NDArray[np.bool_]) -> Standing:
    """With what some records of customer-risk.v1 say, as `Standing.later` of each."""
    if not rows.any():
        return standing
    most = {
        name: int(columns.numbers(name)[rows].max())
        for name in ("position", "src", "score_offset", "whole_from")
    }
    return standing.later(most)


def _loaded(columns: Columns) -> Loaded:
    lacks = [columns.numbers(f"{name}_lacks_before") for name in ("hourly", "daily")]
    hours, hour_ends = columns.rows("hourly")
    days, day_ends = columns.rows("daily")
    return Loaded(
        srcs=columns.numbers("src"),
        updated_at=columns.numbers("updated_at"),
        last_scores=columns.numbers("last_score"),
        last_decisions=columns.numbers("last_decision").astype(np.uint8),
        last_occurred_at=columns.numbers("last_occurred_at"),
        lacks_before=np.stack(lacks, axis=1),
        hours=hours,
        hour_ends=hour_ends,
        days=days,
        day_ends=day_ends,
    )


def _waits(record: Record, error: Rejected) -> SchemaWait:
    """Hold the partition before a record of our own; over when its schema becomes known."""
    return SchemaWait(
        what=f"a record that this service wrote cannot be read ({error})",
        where=f"{record.topic} {record.partition}:{record.offset}",
        is_over=lambda: error.reason == "unknown_schema" and is_known(record.value),
    )
