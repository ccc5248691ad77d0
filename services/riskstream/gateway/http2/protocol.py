"""HTTP/2 on one connection, with the bounds of HTTP/1.1, and those that HTTP/2 needs beside them.

A problem of one request is its stream's answer. One of the connection is the debug data of GOAWAY.
"""

import asyncio
from typing import Any, cast

import h2.events as events
import msgspec
import structlog
from h2.errors import ErrorCodes
from h2.exceptions import DenialOfServiceError, InvalidBodyLengthError, ProtocolError
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from riskstream.gateway.auth.tls import subject_of
from riskstream.gateway.http2.door import Door
from riskstream.gateway.http2.engine import HEAD_SLACK, engine_of, keep_table_small
from riskstream.gateway.http2.frames import (
    GOAWAY,
    RST_STREAM,
    Budget,
    Flood,
    Frame,
    FrameReader,
    FrameTooLarge,
    HeadTooLarge,
)
from riskstream.gateway.http2.outgoing import Outgoing
from riskstream.gateway.http2.requests import Requests
from riskstream.gateway.problem import Problem, failed
from riskstream.gateway.protocol import LINGER_S, SPARE_CONNECTIONS
from riskstream.gateway.refusals import (
    headers_too_large,
    malformed,
    slow,
    too_many,
    too_many_frames,
)

log = structlog.get_logger("gateway")
OVERHEAD, OVERHEAD_PER_S, OVERHEAD_A_REQUEST = 1000, 200.0, 8
"""Frames that a peer may send for nothing: at once, a second after that, and more a request."""
RESETS, RESETS_PER_S = 200, 20.0
"""Requests that a peer may take back, or send over the limit of streams (CVE-2023-44487)."""
NOTICE_S = 1.0
"""How long a connection without requests stays open once it was told that it is to end."""
_ALL_STREAMS = 2**31 - 1


class Http2Protocol(asyncio.Protocol):
    """One connection, from the first frame after the client's preface."""

    def __init__(self, door: Door) -> None:
        self._door, limits = door, door.limits
        self._loop = asyncio.get_running_loop()
        self._engine = engine_of(limits.max_streams, limits.max_head_bytes)
        self._reader = FrameReader(HEAD_SLACK * limits.max_head_bytes)
        self._overhead = Budget(OVERHEAD, OVERHEAD_PER_S)
        self._resets = Budget(RESETS, RESETS_PER_S)
        self._is_last = self._is_told = False
        self._late: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        door, limits = self._door, self._door.limits
        self._transport = cast(asyncio.Transport, transport)
        self._out = Outgoing(self._transport, self._engine, limits.receive_s)
        self._requests = Requests(door, self._engine, self._out, self, self._common())
        door.server.connections.add(cast(Any, self))
        surplus = len(door.server.connections) - limits.max_connections
        if surplus > SPARE_CONNECTIONS:
            door.on_refused(too_many(limits.max_connections))
            self._transport.abort()
            return
        if surplus > 0:
            self._requests.problem = too_many(limits.max_connections)
        self._idle_for(LINGER_S if surplus > 0 else limits.receive_s)
        self._out.flush()

    def _common(self) -> dict[str, Any]:
        """What the scopes of all requests have."""
        subject = subject_of(self._transport)
        tls = {} if subject is None else {"extensions": {"tls": {"client_cert_name": subject}}}
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "server": get_local_addr(self._transport),
            "client": get_remote_addr(self._transport),
            "scheme": "https" if is_ssl(self._transport) else "http",
            "root_path": "",
            **tls,
        }

    def connection_lost(self, _: Exception | None) -> None:
        self._out.lost()
        self._door.server.connections.discard(cast(Any, self))
        for timer in (self._late, self._idle):
            if timer is not None:
                timer.cancel()
        self._requests.leave_all()

    def eof_received(self) -> bool:
        """A peer that sends no more may still read: answers under way are owed to it."""
        if not len(self._requests):
            return False
        self._is_last = True
        return not is_ssl(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._out.is_over:
            self._out.discard(len(data))
            return
        try:
            for frame in self._reader.frames(data):
                self._take(frame)
                if self._out.is_over:
                    return
        except FrameTooLarge:
            self._fail(ErrorCodes.FRAME_SIZE_ERROR, malformed("a frame is too large"))
        except (HeadTooLarge, DenialOfServiceError) as error:
            problem = headers_too_large(self._door.limits.max_head_bytes)
            self._fail(ErrorCodes.ENHANCE_YOUR_CALM, problem, error)
        except Flood:
            self._fail(ErrorCodes.ENHANCE_YOUR_CALM, too_many_frames())
        except ProtocolError as error:
            # its words may hold what was sent
            what = "the body has another length than its headers say"
            is_length = isinstance(error, InvalidBodyLengthError)
            problem = malformed(what if is_length else "a frame or a header breaks RFC 9113")
            self._fail(ErrorCodes(error.error_code), problem, error)
        except Exception as error:  # the edge of the loop: this connection ends, others go on
            log.exception("an HTTP/2 connection failed")
            self._fail(ErrorCodes.INTERNAL_ERROR, failed(""), error)
        else:
            self._out.flush()
            self._watch_frames()

    def _take(self, frame: Frame) -> None:
        """Flood where the peer has sent too much for nothing."""
        now_s = self._loop.time()
        if frame.is_overhead and not self._overhead.take(now_s):
            raise Flood
        if frame.kind == RST_STREAM and not self._resets.take(now_s):
            raise Flood
        if frame.kind == GOAWAY:
            # `h2` would send no more; the peer only says that it has no more requests
            self._is_last = True
            if not len(self._requests):
                self._out.end()
            return
        for event in self._engine.receive_data(frame.raw):
            self._on(event, now_s)

    def _on(self, event: events.Event, now_s: float) -> None:
        match event:
            case events.RequestReceived():
                self._begin(event, now_s)
            case events.DataReceived():
                self._requests.take(event)
            case events.StreamEnded(stream_id=number):
                self._requests.finish(number or 0)
            case events.StreamReset(stream_id=number):
                self._requests.leave(number or 0)
            case events.WindowUpdated(stream_id=number):
                self._requests.wake(number or 0)
            case events.RemoteSettingsChanged():
                keep_table_small(self._engine)
                self._requests.wake(0)

    def _begin(self, event: events.RequestReceived, now_s: float) -> None:
        self._overhead.give(OVERHEAD_A_REQUEST)
        if self._is_last and self._is_told:
            self._requests.reset(event.stream_id or 0, ErrorCodes.REFUSED_STREAM)
            return
        if not self._requests.begin(event) and not self._resets.take(now_s):
            raise Flood
        if len(self._requests) and self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._door.is_draining() and not self._is_told:
            self._is_told = True
            self._out.tell(_ALL_STREAMS)
        if self._requests.problem is not None:
            self._out.end()

    def shutdown(self) -> None:
        """Called by the server: what is under way is answered, nothing else is begun."""
        self._is_last = self._is_told = True
        self._out.tell(self._engine.highest_inbound_stream_id)
        if not len(self._requests):
            self._out.end()

    def on_no_request(self) -> None:
        if self._out.is_over:
            return
        if self._is_last:
            self._out.end()
        else:
            self._idle_for(NOTICE_S if self._is_told else self._door.idle_s)

    def on_sent(self) -> None:
        self._overhead.give(OVERHEAD_A_REQUEST)

    def pause_writing(self) -> None:
        self._out.pause()

    def resume_writing(self) -> None:
        self._out.resume()

    def _watch_frames(self) -> None:
        """A frame, or a request's headers, that have begun are to end in time."""
        if not self._reader.is_inside:
            if self._late is not None:
                self._late.cancel()
                self._late = None
        elif self._late is None and not self._out.is_over:
            self._late = self._loop.call_later(self._door.limits.receive_s, self._on_late)

    def _on_late(self) -> None:
        self._fail(ErrorCodes.ENHANCE_YOUR_CALM, slow(self._door.limits.receive_s))

    def _idle_for(self, seconds: float) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(seconds, self._on_idle)

    def _on_idle(self) -> None:
        self._out.tell(self._engine.highest_inbound_stream_id)
        self._out.end()

    def _fail(self, code: ErrorCodes, problem: Problem, error: Exception | None = None) -> None:
        """End the connection: it cannot be gone on with."""
        if self._out.is_over:
            return
        self._door.on_refused(problem)
        self._requests.leave_all()
        debug = msgspec.json.encode(problem.body())
        self._out.fail(code, debug, has_goaway=isinstance(error, ProtocolError))
