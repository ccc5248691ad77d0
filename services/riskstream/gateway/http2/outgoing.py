"""What a connection sends, and how it ends: with GOAWAY, read on for a while, then cut."""

import asyncio

from h2.connection import H2Connection
from h2.errors import ErrorCodes

from riskstream.gateway.http2.frames import GOAWAY_BYTES, goaway
from riskstream.gateway.protocol import LINGER_S, MAX_DISCARDED


class Outgoing:
    """The sending side. `writable` is not set while the peer does not read; `is_over` once nothing
    more is sent.
    """

    def __init__(
        self, transport: asyncio.Transport, engine: H2Connection, receive_s: float
    ) -> None:
        self._transport, self._engine, self._receive_s = transport, engine, receive_s
        self._loop = asyncio.get_running_loop()
        self.writable = asyncio.Event()
        self.writable.set()
        self.is_over = self._is_flushing = False
        self._discarded = 0
        self._cut: asyncio.TimerHandle | None = None

    def flush_soon(self) -> None:
        """Send what the engine has, once this turn of the loop is over."""
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        self._is_flushing = False
        if not self.is_over and (data := self._engine.data_to_send()):
            self._transport.write(data)

    def tell(self, last_stream: int, code: int = ErrorCodes.NO_ERROR) -> None:
        """GOAWAY: requests up to `last_stream` are answered."""
        self.flush()
        if not self.is_over:
            self._transport.write(goaway(last_stream, code))

    def fail(self, code: int, debug: bytes, *, has_goaway: bool) -> None:
        """End with GOAWAY, in place of that of the engine, which says less."""
        data = self._engine.data_to_send()
        if has_goaway:
            data = data[:-GOAWAY_BYTES]
        self._transport.write(data + goaway(self._engine.highest_inbound_stream_id, code, debug))
        self.end()

    def end(self) -> None:
        """Send what there is, and close once the peer has had time to read it."""
        self.flush()
        if self.is_over:
            return
        self.is_over = True
        if not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._cut_after(LINGER_S)

    def discard(self, size: int) -> None:
        """So many bytes came after the end."""
        self._discarded += size
        if self._discarded > MAX_DISCARDED:
            self._transport.abort()

    def pause(self) -> None:
        """The peer does not read: neither do we, until it does or its time is over."""
        self.writable.clear()
        self._transport.pause_reading()
        if not self.is_over:
            self._cut_after(self._receive_s)

    def resume(self) -> None:
        self.writable.set()
        if not self.is_over:
            self._no_cut()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def lost(self) -> None:
        self.is_over = True
        self._no_cut()
        self.writable.set()

    def _cut_after(self, seconds: float) -> None:
        self._no_cut()
        self._cut = self._loop.call_later(seconds, self._transport.abort)

    def _no_cut(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
