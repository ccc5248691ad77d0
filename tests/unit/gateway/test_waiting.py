"""Callers that wait for their score, over a reader that a test feeds."""

import asyncio
import threading
from collections import deque
from typing import Any

import pytest
from tests.support.builders import score

from riskstream.domain.contracts.codec import codec
from riskstream.gateway import waiting
from riskstream.gateway.waiting import Call, ScoreWaiters
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.record import Record, Records


class _Fed:
    """A reader of scores.v1 that gives what it is told, then lets the waiters end; an exception is
    raised.
    """

    def __init__(self, done: threading.Event) -> None:
        self._done = done
        self.todo: list[Any] = []

    def columns(self, _: float) -> list[Records]:
        if not self.todo:
            self._done.set()
            return []
        next_one = self.todo.pop(0)
        if isinstance(next_one, Exception):
            raise next_one
        return [Records.of([next_one])]


late: list[tuple[Call, dict[str, Any]]] = []
"""What the waiters told of late scores."""


def _waiters() -> tuple[ScoreWaiters, _Fed]:
    waiters = ScoreWaiters.__new__(ScoreWaiters)
    waiters._loop, waiters._calls, waiters.is_reading = asyncio.get_running_loop(), {}, True
    waiters._watched, waiters._on_late = deque(), lambda call, score: late.append((call, score))
    waiters._late = deque()
    waiters._accepted, waiters._done = AcceptedScores(), threading.Event()
    reader = _Fed(waiters._done)
    waiters._reader = reader  # type: ignore[assignment]
    return waiters, reader


def _record(offset: int, **changes: Any) -> Record:
    value = codec("score.v1").encode(score(**changes))
    return Record(
        topic="scores.v1",
        partition=0,
        offset=offset,
        appended_at=0,
        key=b"c-1",
        value=value,
        headers=[],
    )


def test_a_repeat_in_the_log_answers_nobody_though_nobody_waited_for_the_accepted_one() -> None:
    async def run() -> None:
        waiters, reader = _waiters()
        reader.todo = [_record(10, src=5, prev=4, decision="APPROVE")]
        waiters._read()
        waiters._done.clear()
        call = waiters.call("c-1", "t-1")
        waiters.sent(call, (0, 6))
        reader.todo = [
            _record(11, src=5, prev=4, decision="BLOCK"),
            _record(12, src=6, prev=5, decision="REVIEW"),
        ]
        waiters._read()
        await asyncio.sleep(0)
        found = await call.future
        assert found is not None
        assert found["decision"] == "REVIEW"

    asyncio.run(run())


def test_callers_are_counted_not_transactions() -> None:
    async def run() -> None:
        waiters, reader = _waiters()
        calls = [waiters.call("c-1", "t-1") for _ in range(3)]
        other = waiters.call("c-1", "t-2")
        assert len(waiters) == 4
        waiters.forget(other)
        waiters.forget(other)
        assert len(waiters) == 3
        for call in calls:
            waiters.sent(call, (0, 0))
        reader.todo = [_record(0, src=0, prev=-1)]
        waiters._read()
        await asyncio.sleep(0)
        assert all(each.future.done() for each in calls)
        assert len(waiters) == 0
        assert not waiters._calls

    asyncio.run(run())


def test_a_score_that_is_there_before_its_place_is_known_is_the_callers() -> None:
    async def run() -> None:
        waiters, reader = _waiters()
        mine, other = waiters.call("c-1", "t-1"), waiters.call("c-1", "t-1")
        reader.todo = [_record(10, src=5, prev=4, decision="APPROVE")]
        waiters._read()
        await asyncio.sleep(0)
        waiters.sent(other, (0, 6))
        assert not other.future.done()
        waiters.sent(mine, (0, 5))
        assert mine.future.done()
        assert len(waiters) == 1

    asyncio.run(run())


def test_a_score_between_giving_up_and_being_told_is_late_too() -> None:
    async def run() -> None:
        late.clear()
        waiters, reader = _waiters()
        call = waiters.call("c-1", "t-1")
        waiters.sent(call, (0, 0))
        call.give_up()
        reader.todo = [_record(0, src=0, prev=-1, decision="BLOCK")]
        waiters._read()
        await asyncio.sleep(0)
        waiters.watch(call, "APPROVE")
        assert [(each.told, score["decision"]) for each, score in late] == [("APPROVE", "BLOCK")]
        assert not waiters._calls
        assert len(waiters) == 0

    asyncio.run(run())


def test_a_late_score_is_told_and_those_who_waited_too_long_are_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        late.clear()
        monkeypatch.setattr(waiting, "_MOST_WATCHED", 2)
        waiters, reader = _waiters()
        calls = [waiters.call("c-1", f"t-{number}") for number in range(4)]
        for number, call in enumerate(calls):
            call.give_up()
            assert await call.future is None
            waiters.watch(call, "APPROVE")
            waiters.sent(call, (0, number))
        assert len(waiters) == 0
        waiters.forget(calls[3])  # its caller hung up before it was told
        assert len(waiters) == 0
        reader.todo = [
            _record(n, src=n, prev=n - 1, transaction_id=f"t-{n}", decision="BLOCK")
            for n in range(4)
        ]
        waiters._read()
        await asyncio.sleep(0)
        assert [(call.key[1], score["decision"]) for call, score in late] == [("t-2", "BLOCK")]
        assert not waiters._calls
        monkeypatch.setattr(waiting, "_WATCHED_S", -1.0)
        waiters.watch(waiters.call("c-1", "t-9"), "APPROVE")
        assert not waiters._calls

    asyncio.run(run())


def test_a_reader_that_dies_is_seen() -> None:
    async def run() -> None:
        waiters, reader = _waiters()
        reader.todo = [ValueError("anything")]
        waiters._read()
        assert not waiters.is_reading

    asyncio.run(run())


def test_late_scores_by_the_hundred_are_told_a_few_a_turn() -> None:
    async def run() -> None:
        late.clear()
        waiters, reader = _waiters()
        for number in range(250):
            call = waiters.call("c-1", f"t-{number}")
            call.give_up()
            waiters.watch(call, "APPROVE")
            waiters.sent(call, (0, number))
        reader.todo = [
            _record(n, src=n, prev=n - 1, transaction_id=f"t-{n}", decision="BLOCK")
            for n in range(250)
        ]
        waiters._read()
        await asyncio.sleep(0)
        assert 0 < len(late) < 50
        while len(late) < 250:
            await asyncio.sleep(0.01)
        assert [call.key[1] for call, _ in late] == [f"t-{n}" for n in range(250)]

    asyncio.run(run())
