"""Four ways in which Faust 0.15.3 loses records. Each test fails when upstream mends it: then look
again at ADR 0001.
"""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import faust
import pytest
from faust.transport.consumer import Consumer
from faust.types import TP
from faust.types.tuples import Message

TP0 = TP("transactions.v1", 0)


@pytest.fixture
def app() -> Any:
    return faust.App("limits", broker="kafka://127.0.0.1:1", web_enabled=False, autodiscover=False)


def _consumer(**more: Any) -> Any:
    """What `Consumer`'s own methods read, and nothing else."""
    return SimpleNamespace(
        _acked={TP0: []},
        _acked_index={TP0: set()},
        _gap={TP0: []},
        _committed_offset={TP0: None},
        log=MagicMock(),
        in_transaction=False,
        assignment=lambda: {TP0},
        app=MagicMock(),
        **more,
    )


def test_it_commits_past_messages_in_flight_until_it_has_committed_once() -> None:
    consumer = _consumer()
    consumer._acked[TP0] = [5, 6]  # 0 to 4 were delivered and are not acked
    assert Consumer._new_offset(consumer, TP0) == 7, "mended upstream: it waits for 0 to 4"


def test_it_takes_a_failed_commit_for_done_and_never_tries_again() -> None:
    consumer = _consumer(_commit=AsyncMock(return_value=False))
    consumer.app.producer.flush = AsyncMock()
    assert asyncio.run(Consumer._commit_offsets(consumer, {TP0: 7})) is False
    assert not Consumer._should_commit(consumer, TP0, 7), "mended upstream: it commits 7 again"


def test_an_exception_in_an_agent_acks_the_message_it_was_at(app: Any) -> None:
    message = Message(
        "transactions.v1", 0, 3, 0.0, 0, None, b"key", b"value", None, tp=TP0, generation_id=0
    )
    message.incref()

    async def fail_at_the_first() -> None:
        app.flow_control.resume()
        app.consumer = MagicMock(unacked=set())
        stream = app.stream(app.channel(value_type=bytes))
        stream.channel.queue.put_nowait(faust.Event(app, b"key", b"value", None, message))
        iterator = stream.__aiter__()
        try:
            async for _ in iterator:
                raise RuntimeError("the agent's body")
        except RuntimeError:
            await iterator.aclose()

    asyncio.run(asyncio.wait_for(fail_at_the_first(), 10))
    assert message.acked, "mended upstream: a message whose agent failed is not acked"


def test_a_failed_produce_is_only_logged(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> tuple[Any, list[Any]]:
        crashed: list[Any] = []
        app.crash = AsyncMock(side_effect=crashed.append)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_exception(OSError("not delivered"))
        topic = app.topic("scores.v1")
        message = MagicMock()
        topic._on_published(done, message, MagicMock(), None)
        return message, crashed

    message, crashed = asyncio.run(fail())
    assert message.set_exception.called
    assert crashed == [], "mended upstream: a produce that failed ends the worker"
    assert "not delivered" in caplog.text
