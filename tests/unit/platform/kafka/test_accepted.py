"""Accepted scores are read in one way: as columns, and one by one."""

from typing import Any

import numpy as np
import pytest
from tests.support.builders import NOW_MS, score

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Score
from riskstream.platform.kafka.accepted import AcceptedScores, score_of
from riskstream.platform.kafka.record import Record, Records
from riskstream.runtime.errors import Rejected


def _record(offset: int, value: bytes | None, partition: int = 0) -> Record:
    return Record(
        topic="scores.v1",
        partition=partition,
        offset=offset,
        appended_at=NOW_MS + offset,
        key=b"c-1",
        value=value,
        headers=[],
    )


def _scored(offset: int, src: int, prev: int, partition: int = 0, **changes: Any) -> Record:
    return _record(
        offset, codec("score.v1").encode(score(src=src, prev=prev, **changes)), partition
    )


SERIES = [
    _scored(0, 4, 3),
    _scored(1, 5, 4),
    _record(2, b"no"),
    _scored(3, 4, 3),
    _scored(4, 0, -1, partition=1),
    _scored(5, 6, 5, reasons=["r"] * 9),
    _scored(6, 8, 7),
    _record(7, None),
    _scored(8, 9, 8, verdict="REJECTED"),
]
"""A repeat, a hole, another partition, a rejected one, and three records that are no score."""


def test_columns_and_records_accept_the_same() -> None:
    by_columns, by_record = AcceptedScores(), AcceptedScores()
    columns, rows = by_columns.take(SERIES)
    found = list(by_record.each(SERIES))
    assert (
        [SERIES[row].offset for row in rows]
        == [each.record.offset for each in found]
        == [0, 1, 4, 6, 8]
    )
    assert columns.numbers("src")[rows].tolist() == [each.score.src for each in found]
    assert by_columns.rule == by_record.rule
    assert (by_columns.rule.dropped, by_columns.rule.gaps) == (1, 1)
    assert by_columns.unreadable == by_record.unreadable == 3


def test_each_batch_goes_on_where_the_last_one_ended() -> None:
    scores = AcceptedScores()
    assert [rows for _, rows in (scores.take([each]) for each in SERIES[:4])] == [[0], [0], [], []]


def test_a_score_is_the_generated_record() -> None:
    record = _scored(0, 4, 3, reasons=["a", "b"], features=[0.5, 1.5], score=0.5)
    said = score_of(record)
    assert isinstance(said, Score)
    assert (said.reasons, said.features, said.score) == (("a", "b"), (0.5, 1.5), 0.5)
    assert codec("score.v1").encode(said) == record.value


def test_a_record_that_is_no_score_says_why() -> None:
    batch = AcceptedScores().decode(SERIES)
    assert batch.is_score.tolist() == [True, True, False, True, True, False, True, False, True]
    assert "reasons has 9 items" in str(batch.fault(5))
    for row in np.flatnonzero(~batch.is_score).tolist():
        assert isinstance(batch.fault(row), Rejected)
    with pytest.raises(Rejected):
        score_of(SERIES[2])


def test_what_counts_of_a_score_is_what_its_record_says() -> None:
    records = [
        _scored(0, 4, 3, score=None, customer_id="ü" * 100, decision="REVIEW"),
        _record(1, b"no"),
        _scored(2, 5, 4, base_currency="USD", kind="REFUND", score=0.5, decision="BLOCK"),
        _scored(
            3,
            6,
            5,
            corrected_at=NOW_MS,
            corrected_amount_minor=7,
            corrected_is_refund=True,
            verdict="DUPLICATE",
        ),
    ]
    found = AcceptedScores().decode(Records.of(records)).series("EUR")
    assert found.offsets.tolist() == [0, 2, 3]
    assert found.is_counted.tolist() == [True, False, False]
    for at, offset in enumerate(found.offsets.tolist()):
        said = score_of(records[offset])
        counts = {name: each[at].item() for name, each in found.counts._asdict().items()}
        assert counts["appended_at"] == NOW_MS + offset
        assert found.prevs[at] == said.prev
        assert counts["srcs"] == said.src
        assert counts["occurred_at"] == said.occurred_at
        assert counts["amounts"] == said.base_amount_minor
        assert counts["scores"] == (1.0 if said.score is None else said.score)
        assert counts["is_refund"] == (said.kind == "REFUND")
        assert counts["is_correction"] == (said.corrected_at is not None)
        assert counts["corrected_at"] == (said.corrected_at or 0)
        assert counts["corrected_amounts"] == (said.corrected_amount_minor or 0)
        assert counts["corrected_is_refund"] == said.corrected_is_refund


def test_nothing_counts_of_records_that_are_no_scores() -> None:
    none = AcceptedScores().decode(Records.of([_record(0, b"no")])).series("EUR")
    assert not len(none.offsets)
    assert AcceptedScores().take([])[1] == []
