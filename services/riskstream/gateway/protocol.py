"""HTTP/1.1 on one connection, with bounds on size, time and number.

uvicorn's own protocol on httptools bounds neither a request's head nor the time to receive it (its
issue 157; h11 bounds the head alone, and is slower), and closes without reading on, which can take
its answer away from who is still sending.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from riskstream.gateway.auth.tls import subject_of
from riskstream.gateway.problem import Problem
from riskstream.gateway.refusals import (
    as_response,
    body_too_large,
    headers_too_large,
    malformed,
    slow,
    target_too_long,
    too_many,
    too_many_pipelined,
)

MAX_PIPELINED = 32
"""Most requests that a connection may send ahead of their answers."""
SPARE_CONNECTIONS = 256
"""Connections over the limit that still get their 503; those over them are cut."""
LINGER_S, MAX_DISCARDED = 2.0, 8 * 2**20
"""How long, and for how many bytes, a connection is read on after its last answer."""
_UPGRADE = (b"upgrade", b"connection", b"http2-settings")
_FRAMING = 8
"""Bytes on the wire a byte of body, at most: one chunk a byte has 6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of connections: how many, the bytes of a request's head and body, and the seconds until a
    request has arrived. `max_streams`: requests of an HTTP/2 connection at a time.
    """

    max_connections: int
    max_head_bytes: int
    max_body_bytes: int
    receive_s: float
    max_streams: int


class Lingering:
    """A transport whose `close` is the protocol's: it lets the peer finish sending, so that the
    answer arrives.
    """

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self.close = close
        self.is_ending = False
        self.write = transport.write

    def is_closing(self) -> bool:
        return self.is_ending or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `on_refused` is told of each request that ends here, before any route."""

    def __init__(
        self, *, limits: Limits, on_refused: Callable[[Problem], None], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._limits, self._on_refused = limits, on_refused
        self._left = limits.max_head_bytes
        self._in_message = self._is_over = self._is_surplus = self._is_upgrade = False
        self._discarded = 0
        self._cause: Problem | None = None
        self._last_word = b""
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._plain, self._subject = transport, subject_of(transport)
        self._lingering = Lingering(transport, self._close)
        super().connection_made(cast(asyncio.Transport, self._lingering))
        surplus = len(self.connections) - self._limits.max_connections
        if surplus > SPARE_CONNECTIONS:
            self._on_refused(too_many(self._limits.max_connections))
            transport.abort()
            return
        self._is_surplus = surplus > 0
        self._arm(LINGER_S if self._is_surplus else self._limits.receive_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED:
                self._plain.abort()
            return
        if self._is_surplus:
            self._refuse(too_many(self._limits.max_connections))
            return
        while data and not self._is_over:
            if self._left <= 0:
                self._refuse(self._too_long())
                return
            part, data = data[: self._left], data[self._left :]
            self._left -= len(part)
            self._feed(part)
        if self._timer is None and not self._is_over and (self._in_message or self._is_quiet()):
            self._arm(self._limits.receive_s)

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self.send_400_response(str(error))

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Java's client asks for HTTP/2 with its first request. httptools drops that one's body, so
        it is parsed again without.
        """
        self._is_upgrade = False
        self.parser = httptools.HttpRequestParser(self)
        kept = [(name, value) for name, value in self.headers if name not in _UPGRADE]
        lines = [name + b": " + value + b"\r\n" for name, value in kept]
        first = b"%s %s HTTP/1.1\r\n" % (self._upgrading, self.url)
        self._feed(b"".join([first, *lines, b"\r\n", rest]))

    def send_400_response(self, msg: str) -> None:
        """What httptools cannot parse, in the shape of every other problem."""
        self._refuse(self._cause or malformed(msg))

    def on_message_begin(self) -> None:
        self._in_message, self._left = True, self._limits.max_head_bytes
        super().on_message_begin()
        if self._subject is not None:
            self.scope["extensions"] = {"tls": {"client_cert_name": self._subject}}

    def on_headers_complete(self) -> None:
        method = self.parser.get_method()
        if self.parser.should_upgrade() and method != b"CONNECT":
            self._is_upgrade, self._upgrading = True, method
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            self._cause = too_many_pipelined(MAX_PIPELINED)
            # httptools ends parsing and calls send_400_response
            raise OverflowError(self._cause.detail)
        self._left = _FRAMING * self._limits.max_body_bytes
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self._is_upgrade:
            return
        self._in_message, self._left = False, self._limits.max_head_bytes
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        cycle = self.cycle
        if cycle.more_body and self.expect_100_continue and not self.pipeline:
            self.transport.close()  # nobody knows whether the body will come
        super().on_response_complete()
        if self._last_word and cycle.response_complete and not self.transport.is_closing():
            self.transport.write(self._last_word)
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self._limits.receive_s, self._plain.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _is_quiet(self) -> bool:
        """Whether nothing is due on either side: only line ends came, which stopped uvicorn's own
        timer.
        """
        return (
            self.cycle is None or self.cycle.response_complete
        ) and self.timeout_keep_alive_task is None

    def _too_long(self) -> Problem:
        if self.cycle is not None and self.cycle.more_body:
            return body_too_large(self._limits.max_body_bytes)
        if self._in_message and not self.headers:
            return target_too_long(self._limits.max_head_bytes)
        return headers_too_large(self._limits.max_head_bytes)

    def _refuse(self, problem: Problem) -> None:
        """Answer with a problem after what is due before it, and read no more requests."""
        self._is_over = True
        self._disarm()
        self._on_refused(problem)
        answer, cycle = as_response(problem), self.cycle
        if cycle is not None and not cycle.response_complete:
            is_queued = bool(self.pipeline) and self.pipeline[0][0] is cycle
            if not cycle.more_body or is_queued:
                if cycle.more_body:
                    self.pipeline.popleft()
                self._last_word = answer
                return
            is_answered, cycle.disconnected = cycle.response_started, True
            cycle.message_event.set()
            if is_answered:
                answer = b""
        self.transport.write(answer)
        self.transport.close()

    def _close(self) -> None:
        """Close once the answer has left; where the peer may still be sending, read on for a while
        first.
        """
        if self._lingering.is_closing():
            return
        self._lingering.is_ending = True
        self._disarm()
        if not (self._in_message or self._is_over) or not self._plain.can_write_eof():
            self._plain.close()
            return
        self._is_over = True
        self.flow.resume_reading()
        self._plain.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self._plain.abort)

    def _arm(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._on_late, seconds)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_late(self, seconds: float) -> None:
        self._timer = None
        if self.flow.read_paused:  # we have not read on, for answers before this one
            self._arm(seconds)
        elif self._in_message:
            self._refuse(slow(seconds))
        else:
            self.transport.close()
