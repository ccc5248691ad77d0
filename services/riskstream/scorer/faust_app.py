"""The Faust app itself: its settings, and the shell's four functions bound to its agent, timer and
signals. `faust_shell.py` has the rules that the settings follow.
"""

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import faust
import structlog

from riskstream.platform.kafka.clients.limits import producer_bytes
from riskstream.scorer.settings import ScorerSettings

log = structlog.get_logger("faust")
WITHIN_S = 0.005
"""How long `noack_take` waits for a batch to fill: what Faust adds to the latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What the app calls; none of them raises. `take`: a micro-batch of events. `checkpoint`: each
    second, before partitions go, and at the end. `forget`: partitions that went or came. `seen`:
    the timer runs.
    """

    take: Callable[[list[Any]], Awaitable[None]]
    checkpoint: Callable[[], Awaitable[None]]
    forget: Callable[[list[int]], None]
    seen: Callable[[], None]


def make_app(settings: ScorerSettings, doors: Doors) -> Any:
    """A faust.App that is not started."""
    app = faust.App(
        settings.group,
        broker=[f"kafka://{address}" for address in settings.kafka.split(",")],
        datadir=tempfile.mkdtemp(prefix="riskstream-faust-"),
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_max_request_size=producer_bytes(),
        producer_linger_ms=0,
        broker_max_poll_records=settings.max_batch,
        broker_commit_interval=1.0,
        broker_session_timeout=settings.session_timeout_ms / 1000,
        broker_heartbeat_interval=settings.session_timeout_ms / 3000,
        stream_buffer_maxsize=2 * settings.max_batch,
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        autodiscover=False,
    )
    source = app.topic(settings.source, key_type=bytes, value_type=bytes)

    async def score(stream: Any) -> None:
        async for events in stream.noack_take(settings.max_batch, within=WITHIN_S):
            await doors.take(events)

    async def every_second() -> None:
        doors.seen()
        await doors.checkpoint()

    async def on_revoked(_: Any, revoked: Any, **__: Any) -> None:
        await doors.checkpoint()
        doors.forget([each.partition for each in revoked])

    async def on_assigned(_: Any, assigned: Any, **__: Any) -> None:
        doors.forget([each.partition for each in assigned])
        log.info("assigned", partitions=sorted(each.partition for each in assigned))

    async def before_shutdown(_: Any, **__: Any) -> None:
        await doors.checkpoint()

    app.agent(source, concurrency=1, name="scorer")(score)
    app.timer(settings.checkpoint_every_ms / 1000)(every_second)
    app.on_partitions_revoked.connect(on_revoked, weak=False)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_before_shutdown.connect(before_shutdown, weak=False)
    return app
