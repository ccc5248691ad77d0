"""Partitions that are taken up: held when that does not end, and seen by the watchdog when it
hangs.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from riskstream.platform.kafka.lanes.exact.openings import MOST_REOPENINGS, Openings
from riskstream.platform.kafka.lanes.exact.recovery import Recovery
from riskstream.platform.kafka.lanes.exact.settings import Route
from riskstream.platform.kafka.lanes.exact.standing_reader import StandingReader
from riskstream.platform.kafka.lanes.ports import AnswerReader, StateStore
from riskstream.runtime.errors import Retryable

ROUTE = Route(kafka="127.0.0.1:1", group="scorer", source="transactions.v1", output="scores.v1")


def _openings() -> tuple[Openings, ThreadPoolExecutor]:
    background = ThreadPoolExecutor(1)
    recovery = Recovery(ROUTE, cast(AnswerReader, None), cast(StateStore, None))
    return Openings(recovery, background), background


def test_a_partition_that_is_taken_up_anew_again_and_again_is_too_often_by_itself() -> None:
    openings, _ = _openings()
    found = [openings.is_too_often(3) for _ in range(MOST_REOPENINGS + 2)]
    assert found == [False] * MOST_REOPENINGS + [True, True]
    assert not openings.is_too_often(4), "another partition's are its own"
    openings.forget(3)
    assert not openings.is_too_often(3), "a new owner begins to count"


def test_an_answer_that_the_world_is_away_is_progress_and_silence_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(self: StandingReader) -> tuple[str, int]:
        raise TimeoutError

    monkeypatch.setattr(StandingReader, "identity", late)
    openings, background = _openings()
    before = openings.progress()
    assert openings.progress() == before, "nothing is under way: nothing moves"
    openings.begin(0, 1)
    background.shutdown(wait=True)
    [(partition, number, future)] = list(openings.finished())
    assert (partition, number) == (0, 1)
    assert isinstance(future.exception(), Retryable)
    assert openings.progress() != before
    openings.try_again(0, 0.0)
    assert openings.due() == [0]
    assert openings.due() == []
