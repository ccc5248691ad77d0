"""Callers that wait for their score, over a reader that a test feeds."""

import asyncio
import threading
from typing import Any

from tests.support.builders import score

from riskstream.domain.contracts.codec import codec
from riskstream.gateway.waiting import ScoreWaiters
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


def _waiters() -> tuple[ScoreWaiters, _Fed]:
    waiters = ScoreWaiters.__new__(ScoreWaiters)
    waiters._loop, waiters._waiters, waiters.is_reading = asyncio.get_running_loop(), {}, True
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
        future = waiters.wait_for("c-1", "t-1")
        reader.todo = [
            _record(11, src=5, prev=4, decision="BLOCK"),
            _record(12, src=6, prev=5, decision="REVIEW"),
        ]
        waiters._read()
        await asyncio.sleep(0)
        assert (await future)["decision"] == "REVIEW"

    asyncio.run(run())


def test_callers_are_counted_not_transactions() -> None:
    async def run() -> None:
        waiters, reader = _waiters()
        futures = [waiters.wait_for("c-1", "t-1") for _ in range(3)]
        other = waiters.wait_for("c-1", "t-2")
        assert len(waiters) == 4
        waiters.forget("c-1", "t-2", other)
        waiters.forget("c-1", "t-2", other)
        assert len(waiters) == 3
        reader.todo = [_record(0)]
        waiters._read()
        await asyncio.sleep(0)
        assert all(each.done() for each in futures)
        assert len(waiters) == 0

    asyncio.run(run())


def test_a_reader_that_dies_is_seen() -> None:
    async def run() -> None:
        waiters, reader = _waiters()
        reader.todo = [ValueError("anything")]
        waiters._read()
        assert not waiters.is_reading

    asyncio.run(run())
