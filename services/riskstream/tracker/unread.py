"""Scores that cannot be read: the partition is held at one, but where a person said that it may be
left out. Pure.
"""

import numpy as np

from riskstream.domain.contracts.writers import SchemaWait, is_known
from riskstream.platform.kafka.accepted import ScoreBatch
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Rejected
from riskstream.runtime.observer import Observer
from riskstream.tracker.owned import Owned


class UnreadScores:
    """`skipped`: (partition, offset) of scores that may be left out."""

    def __init__(self, observer: Observer, skipped: frozenset[tuple[int, int]]) -> None:
        self._observer, self._skipped = observer, skipped

    def leave_out(self, owned: Owned, batch: ScoreBatch) -> None:
        """Leave out those of a batch that may be; the states say what they lack. SchemaWait at any
        other.
        """
        for row in np.flatnonzero(~batch.is_score).tolist():
            record, fault = batch.records[row], batch.fault(row)
            if isinstance(fault, SchemaWait):
                fault.rows = [row]
                raise fault
            if (record.partition, record.offset) not in self._skipped:
                raise _held_at(record, fault, row) from fault
            self._observer.count("skipped")
            self._observer.report(
                "a score is left out, as --skip-scores says",
                partition=record.partition,
                offset=record.offset,
                why=str(fault),
            )
            owned.may_lack(record.appended_at)


def _held_at(record: Record, error: Rejected, index: int) -> SchemaWait:
    """Hold at a score that cannot be read; over when its schema becomes known, never where its
    bytes are broken.
    """
    return SchemaWait(
        what=f"a score cannot be read ({error})",
        where=f"scores.v1 {record.partition}:{record.offset}",
        rows=[index],
        is_over=lambda: error.reason == "unknown_schema" and is_known(record.value),
    )
