"""A TCP proxy on 127.0.0.1 that can hold what a client sends, even after that client is dead."""

import asyncio
import contextlib
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class _Connection:
    upstream: asyncio.StreamWriter
    name: str = ""
    held: bool = False
    buffer: bytearray = field(default_factory=bytearray)
    client_gone: bool = False


class Proxy:
    """Forwards `port` to `target`. A held connection's bytes wait here and are sent on release, in
    order.

    `name_of` reads a connection's name from its first bytes (see `kafka_client_id`).
    """

    def __init__(
        self, port: int, target: int, name_of: Callable[[bytes], str] = lambda _: ""
    ) -> None:
        self.port, self._target, self._name_of = port, target, name_of
        self._connections: set[_Connection] = set()
        self._holding: str | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=f"proxy-{port}", daemon=True)
        started = threading.Event()
        self._started = started
        self._thread.start()
        started.wait(10)

    def hold(self, name: str = "") -> None:
        """Hold what connections of this name send from now on, new ones too."""
        self._call(self._hold, name)

    def held_bytes(self) -> int:
        """How much waits here."""
        return sum(len(each.buffer) for each in list(self._connections))

    def release(self) -> int:
        """Send what was held; how many bytes of dead clients that was."""
        return int(self._call(self._release))

    def stop(self) -> None:
        def end() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_soon(self._loop.stop)

        self._loop.call_soon_threadsafe(end)
        self._thread.join(10)

    def _call(self, function: Callable[..., Any], *arguments: object) -> Any:
        async def run() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def _hold(self, name: str) -> None:
        self._holding = name
        for each in self._connections:
            each.held = each.held or each.name == name

    def _release(self) -> int:
        self._holding = None
        late = 0
        for each in list(self._connections):
            each.held = False
            if each.buffer and not each.upstream.is_closing():
                late += len(each.buffer) if each.client_gone else 0
                each.upstream.write(bytes(each.buffer))
                each.buffer.clear()
            if each.client_gone:
                self._loop.call_later(1.0, self._close, each)
        return late

    def _close(self, connection: _Connection) -> None:
        connection.upstream.close()
        self._connections.discard(connection)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", self.port))
        self._started.set()
        self._loop.run_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, upstream = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        connection = _Connection(upstream, held=self._holding == "")
        self._connections.add(connection)
        back = asyncio.ensure_future(self._back(from_server, writer))
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if not connection.name:
                    connection.name = self._name_of(data)
                    connection.held = connection.held or (
                        self._holding is not None and self._holding == connection.name
                    )
                if connection.held:
                    connection.buffer += data
                else:
                    upstream.write(data)
                    await upstream.drain()
        connection.client_gone = True
        if not connection.held:
            self._close(connection)
            back.cancel()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


def kafka_client_id(first: bytes) -> str:
    """The client id in the header of a Kafka request: size, key, version, correlation id, then a
    string.
    """
    if len(first) < 14:
        return ""
    (length,) = struct.unpack_from(">h", first, 12)
    return first[14 : 14 + max(length, 0)].decode(errors="replace")
