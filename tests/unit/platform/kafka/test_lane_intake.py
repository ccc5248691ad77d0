"""What of a poll becomes a micro-batch."""

from typing import Any

import numpy as np
import pytest
from confluent_kafka import Message, TopicPartition
from prometheus_client import CollectorRegistry

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.clients.polled import Polled
from riskstream.platform.kafka.lanes.exact.intake import batch_of
from riskstream.platform.kafka.lanes.exact.owned import Owned, Phase
from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts
from riskstream.platform.kafka.lanes.exact.waits import LaneWaits
from riskstream.platform.kafka.lanes.ports import (
    JUDGE,
    LIVE,
    REPLAY,
    AnswerReader,
    Batch,
    Outcome,
    Prepared,
    ReadResult,
)
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.scorer.answer_reader import ScoreAnswerReader

MODES = ScoreAnswerReader.replay_modes


def _hold(owned: Owned, why: str) -> None:
    raise AssertionError(f"partition {owned.partition} is held: {why}")


def _polled(*offsets: int) -> Polled:
    return Polled.of(
        [
            Message(
                topic="transactions.v1",
                partition=1,
                offset=at,
                key=b"c",
                value=b"v",
                timestamp=(2, 0),
            )
            for at in offsets
        ]
    )


def _replaying(*good: int, judged_to: int = -1) -> Owned:
    """A partition whose rows hold the source up to 7, and whose answers are known up to 10; those
    of the `good` offsets are there.
    """
    recorded, srcs = Verdicts(ScoreAnswerReader().verdicts), np.array(good, np.int64)
    recorded.add(srcs, srcs - 1, srcs, np.ones(len(srcs), np.int64), {}, 100 + srcs)
    return Owned(
        partition=1,
        number=1,
        phase=Phase.RUNNING,
        stored_src=7,
        position=7,
        known_src=10,
        acked_src=10,
        recorded=recorded,
        judged_to=judged_to,
    )


@pytest.mark.parametrize(
    ("offsets", "taken", "prevs"),
    [
        # fetched before the seek, from the head on
        ((5, 6, 7, 8, 9, 10, 11), [8, 9, 10, 11], [7, 8, 9, 10]),
        # the same, and what the seek brought behind it
        ((8, 9, 10, 8, 9, 10, 11), [8, 9, 10, 11], [7, 8, 9, 10]),
        # with markers between
        ((8, 10, 12, 8, 10, 12, 14, 16, 18), [8, 10, 12, 14, 16, 18], [7, 8, 10, 12, 14, 16]),
        ((8, 9), [8, 9], [7, 8]),
    ],
)
def test_what_was_taken_before_is_left_out_and_nothing_is_skipped(
    offsets: tuple[int, ...], taken: list[int], prevs: list[int]
) -> None:
    owned = _replaying(8, 9, 10)
    batch = batch_of(_polled(*offsets), {1: owned}, MODES, _hold)
    assert batch is not None
    assert batch.offsets.tolist() == taken
    assert batch.prevs.tolist() == prevs
    assert batch.modes.tolist() == [REPLAY if at <= 10 else LIVE for at in taken]
    assert batch.answers is not None
    assert batch.answers.tolist() == [100 + at if at <= 10 else 0 for at in taken]


def test_an_answered_record_without_a_verdict_is_judged_again_where_state_was_lost_else_held() -> (
    None
):
    owned = _replaying(10, judged_to=9)
    owned.whole_since = 123
    batch = batch_of(_polled(8, 9, 10, 11), {1: owned}, MODES, _hold)
    assert batch is not None
    assert (batch.modes.tolist(), batch.whole_since) == ([JUDGE, JUDGE, REPLAY, LIVE], {1: 123})
    owned.judged_to, owned.whole_since = 8, 0
    with pytest.raises(AssertionError, match="source offset 9 was answered before"):
        batch_of(_polled(8, 9, 10, 11), {1: owned}, MODES, _hold)


class _Paused:
    """A consumer that notes what it pauses."""

    def __init__(self) -> None:
        self.paused: list[int] = []

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused += [each.partition for each in partitions]


class _Wanting:
    """Work that knows no schema."""

    answers: AnswerReader = ScoreAnswerReader()

    def prepare(self, batch: Batch) -> Prepared:
        raise SchemaWait(
            what="a schema is being asked for", where="test", rows=list(range(len(batch.values)))
        )

    def score(
        self, prepared: Prepared, rows: ReadResult, profiles: list[bytes | None] | None
    ) -> Outcome:
        raise AssertionError(prepared.rows, rows, profiles)

    def take_changed(self, partition: int) -> list[tuple[bytes, bytes]]:
        raise AssertionError(partition)

    def drop(self, partition: int) -> None: ...


def test_a_source_that_ends_behind_a_record_that_waits_is_not_said_to_be_empty() -> None:
    client: Any = _Paused()
    waits = LaneWaits(client, "transactions.v1", _Wanting(), LaneMetrics(CollectorRegistry()))
    owned = Owned(
        partition=1,
        number=1,
        phase=Phase.RUNNING,
        stored_src=7,
        position=7,
        known_src=7,
        acked_src=7,
    )
    owned.at_end, owned.end = True, 9  # told in the poll that brought the record at 8
    assert (
        waits.prepare(_polled(8), {1: owned}, lambda left: batch_of(left, {1: owned}, MODES, _hold))
        is None
    )
    assert client.paused == [1]
    assert owned.phase is Phase.WAITING
    assert owned.empty_metadata() == ""


def test_a_poll_of_nothing_new_is_no_batch() -> None:
    owned = Owned(
        partition=1,
        number=1,
        phase=Phase.RUNNING,
        stored_src=9,
        position=9,
        known_src=9,
        acked_src=9,
    )
    assert batch_of(_polled(5, 6, 9), {1: owned}, MODES, _hold) is None
