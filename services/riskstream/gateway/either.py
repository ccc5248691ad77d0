"""One port for HTTP/1.1 and HTTP/2: the first bytes of a connection say which one it speaks.

With TLS the client has chosen by ALPN before; that it begins as it chose is all that counts here.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from riskstream.gateway.http2.door import Door
from riskstream.gateway.http2.frames import PREFACE
from riskstream.gateway.http2.protocol import Http2Protocol
from riskstream.gateway.protocol import GuardedProtocol


class EitherProtocol(GuardedProtocol):
    """HTTP/1.1, until a client's first bytes are the preface of HTTP/2."""

    def __init__(self, *, is_draining: Callable[[], bool], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._is_draining = is_draining
        self._seen: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        if self._seen is None:
            super().data_received(data)
            return
        seen = self._seen + data
        if len(seen) < len(PREFACE) and PREFACE.startswith(seen):
            self._seen = seen
            return
        self._seen = None
        if seen.startswith(PREFACE):
            self._hand_over(seen[len(PREFACE) :])
        else:
            super().data_received(seen)

    def _hand_over(self, rest: bytes) -> None:
        self._disarm()
        self.connections.discard(self)
        door = Door(
            app=self.app,
            app_state=self.app_state,
            server=self.server_state,
            limits=self._limits,
            idle_s=self.timeout_keep_alive,
            on_refused=self._on_refused,
            is_draining=self._is_draining,
        )
        successor = Http2Protocol(door)
        transport: asyncio.Transport = self._plain
        transport.set_protocol(successor)
        successor.connection_made(transport)
        successor.data_received(rest)
