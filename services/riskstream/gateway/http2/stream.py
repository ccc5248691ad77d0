"""One request on a stream, as an ASGI application sees it: `receive` and `send`."""

import asyncio
from typing import Any, Protocol

from starlette.types import Message, Scope


class Outlet(Protocol):
    """What a stream asks of its connection."""

    def invite(self, stream: "Stream") -> None:
        """Tell the peer to send its body."""

    def consumed(self, stream: "Stream", size: int) -> None:
        """The application has read so many bytes of frames: the peer may send as many more."""

    async def answer(self, stream: "Stream", body: bytes, *, is_last: bool) -> None:
        """Send the stream's head, where it is not sent yet, and a part of its body."""


class Stream:
    """`is_whole`: all of the request is here. `is_gone`: nobody listens to the answer any more.

    `head`: status and headers of the answer until they are sent; `is_begun` from then on.
    """

    def __init__(self, outlet: Outlet, number: int, scope: Scope, *, expects_word: bool) -> None:
        self._outlet, self.number, self.scope = outlet, number, scope
        self._expects_word = expects_word
        self._body, self._unread = bytearray(), 0
        self._changed = asyncio.Event()
        self.size = 0
        self.is_whole = self.is_gone = self.is_answered = self.is_begun = False
        self.head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.room: asyncio.Future[None] | None = None

    def take(self, data: bytes, frame_bytes: int) -> None:
        """A part of the body; `frame_bytes` of the peer's window it took."""
        self._body += data
        self.size += len(data)
        self._unread += frame_bytes
        self._changed.set()

    def finish(self) -> None:
        """All of the request is here."""
        self.is_whole = True
        self.disarm()
        self._changed.set()

    def leave(self) -> None:
        """Nobody listens any more: the application is told `http.disconnect`."""
        self.is_gone = True
        self.disarm()
        self._changed.set()
        self.wake()

    def wake(self) -> None:
        """The peer's window may have opened."""
        if self.room is not None and not self.room.done():
            self.room.set_result(None)

    def disarm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def unread(self) -> int:
        """Bytes of frames that nobody has read, and nobody will."""
        size, self._unread = self._unread, 0
        self._body.clear()
        return size

    async def receive(self) -> Message:
        if self._expects_word and not self.is_whole and not self.is_gone:
            self._outlet.invite(self)
        self._expects_word = False
        if not self.is_gone and not self.is_answered:
            await self._changed.wait()
            self._changed.clear()
        if self.is_gone or self.is_answered:
            return {"type": "http.disconnect"}
        body, size = bytes(self._body), self.unread()
        if size:
            self._outlet.consumed(self, size)
        return {"type": "http.request", "body": body, "more_body": not self.is_whole}

    async def send(self, message: Message) -> None:
        if self.is_gone:
            return
        if message["type"] == "http.response.start":
            self.head = message["status"], list(message["headers"])
            return
        body: Any = message.get("body", b"")
        if self.scope["method"] == "HEAD":
            body = b""
        is_last = not message.get("more_body", False)
        await self._outlet.answer(self, bytes(body), is_last=is_last)
        if is_last:
            self.is_answered = True
            self._changed.set()
