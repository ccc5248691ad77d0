"""A gateway's HTTP/2 connection and its peer in one event loop, without a socket."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from riskstream.gateway.http2.door import Door
from riskstream.gateway.http2.frames import PREFACE
from riskstream.gateway.http2.protocol import Http2Protocol
from riskstream.gateway.problem import Problem
from riskstream.gateway.protocol import Limits
from tests.support.http2_peer import Http2Peer


class Transport(asyncio.Transport):
    """Keeps what is written; `is_closed` once the server wants no more of the peer."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = self.is_ended = self.is_paused = False

    def write(self, data: Any) -> None:
        assert not self.is_ended
        self.written += data

    def write_eof(self) -> None:
        self.is_ended = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Wire:
    """Inside a running loop. POST answers the size of the body, GET /big a megabyte, /slow after
    `released` is set; `seen` are the scopes, `left` those whose caller left.
    """

    def __init__(
        self,
        *,
        window: int = 65_535,
        idle_s: float = 60.0,
        receive_s: float = 60.0,
        max_streams: int = 4,
    ) -> None:
        self.transport, self.peer = Transport(), Http2Peer(window=window)
        self.refused: list[Problem] = []
        self.seen: list[Scope] = []
        self.left: list[str] = []
        self.released = asyncio.Event()
        self.is_draining = False
        self._due = b""
        self.server = ServerState()
        limits = Limits(
            max_connections=2,
            max_head_bytes=2048,
            max_body_bytes=100_000,
            receive_s=receive_s,
            max_streams=max_streams,
        )
        door = Door(
            app=self._app,
            app_state={},
            server=self.server,
            limits=limits,
            idle_s=idle_s,
            on_refused=self.refused.append,
            is_draining=lambda: self.is_draining,
        )
        self.protocol = Http2Protocol(door)
        self.protocol.connection_made(self.transport)
        assert self.peer.conn.data_to_send(len(PREFACE)) == PREFACE

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.append(scope["path"])
                return
            size += len(message["body"])
            more = message["more_body"]
        if scope["path"] == "/slow":
            await self.released.wait()
        body = b"x" * 2**20 if scope["path"] == "/big" else str(size).encode()
        headers = [(b"x-request-id", b"7")]
        if scope["path"] == "/last":
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def turn(self, frames: bytes = b"", times: int = 6) -> Http2Peer:
        """What the peer has to send, and `frames`, to the server, and back; a few times."""
        data = self._due + self.peer.conn.data_to_send() + frames
        for _ in range(times):
            if data:
                self.protocol.data_received(data)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            came = bytes(self.transport.written)
            self.transport.written.clear()
            self.peer.read(came)
            data = self.peer.conn.data_to_send()
        self._due = data
        return self.peer

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not is_so():
                await asyncio.sleep(0.005)
                await self.turn(times=1)

    @property
    def is_over(self) -> bool:
        return self.transport.is_ended or self.transport.is_closed
