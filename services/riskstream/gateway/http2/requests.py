"""The requests of one connection: each stream is one, with a task that answers it."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, Protocol

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived
from h2.exceptions import ProtocolError
from hpack import HeaderTuple, NeverIndexedHeaderTuple

from riskstream.gateway.http2.door import Door
from riskstream.gateway.http2.outgoing import Outgoing
from riskstream.gateway.http2.scope import expects_word, scope_of
from riskstream.gateway.http2.stream import Stream
from riskstream.gateway.problem import Problem
from riskstream.gateway.refusals import as_message, body_too_large, slow

log = logging.getLogger("uvicorn.error")
_OF_A_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
_ONCE = frozenset((b"x-request-id", b"content-length", b"date"))
"""Headers whose values do not come again: to remember them for compression would cost and not
help.
"""


class Connection(Protocol):
    """What requests tell the connection they came on."""

    def on_sent(self) -> None:
        """A frame of an answer was sent, to which the peer may send frames in return."""

    def on_no_request(self) -> None:
        """The last request is over."""


class Requests:
    """`common`: what all their scopes have. `problem`: why all of them are refused, if they are."""

    def __init__(
        self,
        door: Door,
        engine: H2Connection,
        out: Outgoing,
        connection: Connection,
        common: dict[str, Any],
    ) -> None:
        self._door, self._engine, self._out = door, engine, out
        self._connection, self._common = connection, common
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, Stream] = {}
        self.problem: Problem | None = None

    def __len__(self) -> int:
        """Those under way, also of streams that the peer has reset."""
        return len(self._streams)

    def begin(self, event: RequestReceived) -> bool:
        """Answer a request; False where there are too many, and it is reset instead."""
        number, limits = event.stream_id, self._door.limits
        assert number is not None
        assert event.headers is not None
        if len(self._streams) >= limits.max_streams:
            self.reset(number, ErrorCodes.REFUSED_STREAM)
            return False
        common = {**self._common, "state": self._door.app_state.copy()}
        scope, problem = scope_of(event.headers, common, limits.max_head_bytes)
        stream = Stream(self, number, scope, expects_word=expects_word(scope["headers"]))
        if event.stream_ended is not None:
            stream.finish()
        if problem := self.problem or problem:
            self._refuse(stream, problem)
            return True
        self._streams[number] = stream
        if not stream.is_whole:
            stream.timer = self._loop.call_later(limits.receive_s, self._on_slow, stream)
        task = self._loop.create_task(self._run(stream))
        self._door.server.tasks.add(task)
        task.add_done_callback(self._door.server.tasks.discard)
        return True

    def take(self, event: DataReceived) -> None:
        """A part of a body."""
        number, size = event.stream_id, event.flow_controlled_length or 0
        assert number is not None
        stream = self._streams.get(number)
        if stream is None or stream.is_gone or stream.is_answered:
            self._engine.acknowledge_received_data(size, number)
            return
        stream.take(event.data or b"", size)
        if stream.size > self._door.limits.max_body_bytes:
            self._refuse(stream, body_too_large(self._door.limits.max_body_bytes))

    def finish(self, number: int) -> None:
        """A request is whole."""
        if (stream := self._streams.get(number)) is not None:
            stream.finish()

    def leave(self, number: int) -> None:
        """The peer has reset a stream."""
        if (stream := self._streams.get(number)) is not None:
            stream.leave()

    def leave_all(self) -> None:
        """The connection ends."""
        for stream in self._streams.values():
            stream.leave()

    def wake(self, number: int) -> None:
        """A window has opened: a stream's, or the connection's where it is 0."""
        for stream in list(self._streams.values()):
            if number in (0, stream.number):
                stream.wake()

    def reset(self, number: int, code: ErrorCodes) -> None:
        with suppress(ProtocolError):  # it is over already
            self._engine.reset_stream(number, code)

    def invite(self, stream: Stream) -> None:
        self._engine.send_headers(stream.number, [(b":status", b"100")])
        self._out.flush_soon()

    def consumed(self, stream: Stream, size: int) -> None:
        self._engine.acknowledge_received_data(size, stream.number)
        self._out.flush_soon()

    async def answer(self, stream: Stream, body: bytes, *, is_last: bool) -> None:
        engine, number = self._engine, stream.number
        if stream.head is not None:
            headers = self._headers(*stream.head)
            stream.head, stream.is_begun = None, True
            engine.send_headers(number, headers, end_stream=is_last and not body)
            self._out.flush_soon()
            is_over = not body
        else:
            is_over = not body and not is_last
        while not is_over:
            if not self._out.writable.is_set():
                await self._out.writable.wait()
            if stream.is_gone:
                return
            room = min(engine.local_flow_control_window(number), engine.max_outbound_frame_size)
            if body and room <= 0:
                await self._room(stream)
                continue
            part, body = body[:room] if body else b"", body[room:] if body else b""
            is_over = not body
            engine.send_data(number, part, end_stream=is_last and is_over)
            self._out.flush_soon()
            self._connection.on_sent()
        if is_last:
            stream.disarm()
            if not stream.is_whole:
                self.reset(number, ErrorCodes.NO_ERROR)  # the rest of the body is not wanted

    async def _room(self, stream: Stream) -> None:
        """Wait until the peer opens its window; it has as long for all of an answer as for a
        request.
        """
        if stream.timer is None:
            seconds = self._door.limits.receive_s
            stream.timer = self._loop.call_later(seconds, self._on_unread, stream)
        stream.room = self._loop.create_future()
        await stream.room
        stream.room = None

    async def _run(self, stream: Stream) -> None:
        try:
            await self._door.app(stream.scope, stream.receive, stream.send)
        except Exception:  # the edge of the loop: the stream ends, the connection goes on
            log.exception("Exception in ASGI application")
        finally:
            if not stream.is_answered and not stream.is_gone:
                self.reset(stream.number, ErrorCodes.INTERNAL_ERROR)
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        stream.disarm()
        self._door.server.total_requests += 1
        if unread := stream.unread():
            self._engine.acknowledge_received_data(unread, stream.number)
        del self._streams[stream.number]
        self._out.flush_soon()
        if not self._streams:
            self._connection.on_no_request()

    def _refuse(self, stream: Stream, problem: Problem) -> None:
        """Answer in the application's place, which is told that nobody listens."""
        self._door.on_refused(problem)
        number = stream.number
        headers, body = as_message(problem)
        if stream.is_begun or len(body) > self._engine.local_flow_control_window(number):
            self.reset(number, ErrorCodes.CANCEL)
        else:
            self._engine.send_headers(number, self._headers(problem.status, headers))
            self._engine.send_data(number, body, end_stream=True)
            if not stream.is_whole:
                self.reset(number, ErrorCodes.NO_ERROR)
        stream.leave()
        self._out.flush_soon()

    def _headers(self, status: int, headers: list[tuple[bytes, bytes]]) -> list[HeaderTuple]:
        given = [*self._door.server.default_headers, *headers]
        return [
            HeaderTuple(b":status", b"%d" % status),
            *(
                (NeverIndexedHeaderTuple if name in _ONCE else HeaderTuple)(name, value)
                for name, value in given
                if name not in _OF_A_CONNECTION
            ),
        ]

    def _on_slow(self, stream: Stream) -> None:
        stream.timer = None
        self._refuse(stream, slow(self._door.limits.receive_s))

    def _on_unread(self, stream: Stream) -> None:
        self.reset(stream.number, ErrorCodes.CANCEL)
        stream.leave()
        self._out.flush_soon()
