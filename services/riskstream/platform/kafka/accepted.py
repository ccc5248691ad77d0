"""The one way to read accepted scores: records of scores.v1 in, those that the reader's rule
accepts out.

`take` gives a batch as columns, `each` one generated record after the other. What is no score, or
breaks a bound of its contract, is never accepted, and the rule does not see it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import ColumnBounds, bounds_of, decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder, Columns
from riskstream.domain.contracts.columns_kernel import OK
from riskstream.domain.contracts.records import Score
from riskstream.domain.contracts.writers import SchemaWait, when_known
from riskstream.domain.risk.counted import NO_NUMBER, Counts, Series
from riskstream.platform.kafka.positions import AcceptedReader
from riskstream.platform.kafka.record import Record, Records
from riskstream.runtime.errors import Rejected

SCORES = "scores.v1"
_CONTRACT = "score.v1"
_LISTS = tuple(each.name for each in bounds_of(_CONTRACT).values() if each.is_array)


class AcceptedScore(NamedTuple):
    """A score that a reader counts, with its record: partition, offset, append time, headers."""

    record: Record
    score: Score


@dataclass(frozen=True, slots=True)
class ScoreBatch:
    """Some records of scores.v1 as columns. `is_score` bool[n]: False where a record is none of the
    contract's.
    """

    records: Sequence[Record]
    columns: Columns
    is_score: NDArray[np.bool_]

    def fault(self, row: int) -> Rejected | SchemaWait:
        """Why a record is no score, in the words of the per-record codec."""
        return _fault(self.records[row].value)

    def counts(self, rows: NDArray[np.int64]) -> Counts:
        """What states and totals take of some scores, of records that are `Records`. Where the
        model gave no number it is `NO_NUMBER`.
        """
        assert isinstance(self.records, Records)
        columns, numbers = self.columns, self.columns.numbers
        scores = numbers("score")[rows]
        scores[columns.is_null("score")[rows] != 0] = NO_NUMBER
        refund = columns.symbols("kind").index("REFUND")
        return Counts(
            srcs=numbers("src")[rows],
            appended_at=self.records.appended_at[rows],
            occurred_at=numbers("occurred_at")[rows],
            amounts=numbers("base_amount_minor")[rows],
            scores=scores,
            decisions=numbers("decision")[rows].astype(np.uint8),
            is_refund=(numbers("kind")[rows] == refund).view(np.uint8),
            is_correction=(columns.is_null("corrected_at")[rows] == 0).view(np.uint8),
            corrected_at=numbers("corrected_at")[rows],
            corrected_amounts=numbers("corrected_amount_minor")[rows],
            corrected_is_refund=(numbers("corrected_is_refund")[rows] != 0).view(np.uint8),
        )

    def series(self, base_currency: str) -> Series:
        """What totals take of the records that are scores, accepted or not; the records are
        `Records`.
        """
        assert isinstance(self.records, Records)
        rows, columns = np.flatnonzero(self.is_score), self.columns
        is_good = columns.numbers("verdict")[rows] == columns.symbols("verdict").index("GOOD")
        is_base = columns.is_text("base_currency", base_currency.encode())[rows]
        prevs = columns.numbers("prev")[rows]
        return Series(self.records.offsets[rows], prevs, is_good & is_base, self.counts(rows))


class AcceptedScores:
    """Applies the reader's rule to records of scores.v1, each partition in order.

    `rule` has the last accepted position of each partition; `unreadable` counts records that are no
    score.
    """

    def __init__(self) -> None:
        self.rule = AcceptedReader()
        self.unreadable = 0
        self._decoder = ColumnDecoder(_CONTRACT)
        self._bounds = ColumnBounds(_CONTRACT, self._decoder.layout)

    def decode(self, records: Sequence[Record], wait_s: float = 30.0) -> ScoreBatch:
        """The records as columns; nothing is accepted yet.

        Waits up to `wait_s` for schemas that are being asked for, then raises SchemaWait. With 0 it
        does neither: such a record is no score.
        """
        frames = (
            records.values if isinstance(records, Records) else [record.value for record in records]
        )
        columns = (
            self._decoder.decode_known(frames, wait_s) if wait_s else self._decoder.decode(frames)
        )
        is_score = columns.status == OK
        is_score &= ~self._bounds.broken(columns)
        return ScoreBatch(records, columns, is_score)

    def rows(self, batch: ScoreBatch) -> list[int]:
        """Rows of a batch that are accepted, in order; the rule moves on to the last of them."""
        srcs, prevs = batch.columns.numbers("src").tolist(), batch.columns.numbers("prev").tolist()
        scores, accept = np.flatnonzero(batch.is_score).tolist(), self.rule.accept
        self.unreadable += len(batch.records) - len(scores)
        return [
            row for row in scores if accept(batch.records[row].partition, srcs[row], prevs[row])
        ]

    def rows_of_one(self, batch: ScoreBatch, partition: int) -> NDArray[np.int64]:
        """As `rows`, where all records are of one partition."""
        scores = np.flatnonzero(batch.is_score)
        self.unreadable += len(batch.records) - len(scores)
        srcs, prevs = batch.columns.numbers("src"), batch.columns.numbers("prev")
        found: NDArray[np.int64] = scores[
            self.rule.accept_all(partition, srcs[scores], prevs[scores])
        ]
        return found

    def take(self, records: Sequence[Record], wait_s: float = 30.0) -> tuple[Columns, list[int]]:
        """(the records as columns, rows of those that are accepted); as `decode`, then `rows`."""
        batch = self.decode(records, wait_s)
        return batch.columns, self.rows(batch)

    def each(self, records: Iterable[Record], wait_s: float = 30.0) -> Iterator[AcceptedScore]:
        """Each accepted score as a generated record; waits for schemas as `decode`."""
        for record in records:
            try:
                score = score_of(record, wait_s)
            except (Rejected, SchemaWait) as error:
                if wait_s and isinstance(error, SchemaWait):
                    raise
                self.unreadable += 1
                continue
            if self.rule.accept(record.partition, score.src, score.prev):
                yield AcceptedScore(record, score)


def score_of(record: Record, wait_s: float = 30.0) -> Score:
    """One record of scores.v1, accepted or not. Rejected where it is no score, SchemaWait where its
    schema does not come.
    """
    found = when_known(lambda: decoded(codec(_CONTRACT), record.value), wait_s)
    for name in _LISTS:
        found[name] = tuple(found[name])
    return Score(**found)


def _fault(frame: bytes | None) -> Rejected | SchemaWait:
    try:
        decoded(codec(_CONTRACT), frame)
    except (Rejected, SchemaWait) as error:
        return error
    return SchemaWait(what="its schema has become known", where=SCORES)
