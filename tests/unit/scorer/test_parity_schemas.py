"""Parity where a record's schema is asked for: an answer that comes later is waited for, and junk
stops nothing.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.builders import NOW_MS, frame
from tests.support.scoring import process

from riskstream.domain.contracts import writers
from riskstream.domain.contracts.writers import Schema, SchemaWait, Unknown, wait_for, when_known
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.platform.kafka.lanes.ports import LIVE, Batch
from riskstream.platform.kafka.record import Record, Records
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.policy import Policy
from riskstream.workbench.checks.parity import ParityCheck


class Slow:
    """Answers the fourth question about an id: nobody knows it."""

    def __init__(self) -> None:
        self.asked = 0

    def find(self, schema_id: int) -> Schema | Unknown | None:
        self.asked += 1
        return Unknown(detail=f"nobody knows {schema_id}") if self.asked > 3 else None


class Never:
    def find(self, schema_id: int) -> Schema | Unknown | None:  # noqa: ARG002  a port's name
        return None


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    yield
    writers.use(None)


class _Low:
    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full(len(rows), 0.1, np.float32)


def _record(topic: str, at: int, value: bytes | None) -> Record:
    return Record(
        topic=topic,
        partition=0,
        offset=at,
        key=b"c-1",
        value=value,
        appended_at=NOW_MS + 10**6,
        headers=[],
    )


def test_junk_with_the_id_of_no_schema_is_compared_as_the_rejection_that_it_was() -> None:
    values: list[bytes | None] = [
        frame(transaction_id="a"),
        b"\0\0\0\0\1junk",
        frame(transaction_id="b"),
    ]
    n = len(values)
    policy = Policy(model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES)
    outcome = process(
        ScorerCore(STANDARD, _Low(), policy, 64, "EUR"),
        Batch(
            values=values,
            keys=[b"c-1"] * n,
            partitions=np.zeros(n, np.int32),
            offsets=np.arange(n),
            prevs=np.arange(n) - 1,
            appended_at=np.full(n, NOW_MS + 10**6),
            modes=np.full(n, LIVE, np.uint8),
            partition_count=1,
        ),
    )
    slow = Slow()
    writers.use(slow)
    check = ParityCheck(STANDARD, "transactions.v1", 1, "EUR")
    for topic, frames in (("transactions.v1", values), ("scores.v1", outcome.frames)):
        check.take(Records.of([_record(topic, at, each) for at, each in enumerate(frames)]))
    found = check.finish()
    assert slow.asked > 3
    assert (found.compared, found.rejected, found.problems) == (2, 1, [])
    assert found.is_whole


def test_a_schema_that_nobody_answers_for_is_waited_for_until_the_deadline() -> None:
    writers.use(Never())
    asked = []

    def ask() -> None:
        asked.append(1)
        raise wait_for([7], [0], "here")

    with pytest.raises(SchemaWait, match="id 7"):
        when_known(ask, deadline_s=0.05)
    assert asked
    assert when_known(lambda: 5) == 5
