"""A peer that speaks HTTP/2, by the library `h2` or by frames of its own, against a gateway's
server.
"""

import json
import socket
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings

from riskstream.gateway.http2.frames import PREFACE


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One frame, as its bytes."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


@dataclass
class Got:
    """What came back: answers by stream, streams that were reset, and how the connection ended."""

    status: dict[int, int] = field(default_factory=dict)
    headers: dict[int, dict[str, str]] = field(default_factory=dict)
    body: dict[int, bytes] = field(default_factory=dict)
    words: list[int] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    resets: dict[int, int] = field(default_factory=dict)
    goaways: list[tuple[int, int]] = field(default_factory=list)
    problem: dict[str, Any] = field(default_factory=dict)
    pings: int = 0


class Http2Peer:
    """`conn` may be told what to send; `send` sends it, `take` reads what comes back into `got`."""

    def __init__(self, *, window: int = 65_535) -> None:
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.conn = h2.connection.H2Connection(config)
        self.conn.local_settings = h2.settings.Settings(
            client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
        )
        self.conn.initiate_connection()
        self.got = Got()
        self._kept = b""

    def ask(
        self,
        path: str = "/echo",
        body: bytes | None = b"{}",
        *more: tuple[str, str],
        method: str = "POST",
        is_whole: bool = True,
    ) -> int:
        """The stream of a new request, whose bytes are for `send`."""
        number = self.conn.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)]
        self.conn.send_headers(number, [*head, *more], end_stream=body is None and is_whole)
        if body is not None:
            for at in range(0, max(len(body), 1), 16_384):
                part = body[at : at + 16_384]
                is_last = is_whole and at + 16_384 >= len(body)
                self.conn.send_data(number, part, end_stream=is_last)
        return number

    def read(self, data: bytes) -> None:
        """What the server sent. GOAWAY is read here: after it `h2` reads no answers on."""
        self._kept += data
        while len(self._kept) >= 9:
            size = 9 + int.from_bytes(self._kept[:3])
            if len(self._kept) < size:
                return
            one, self._kept = self._kept[:size], self._kept[size:]
            if one[3] == 7:
                self.got.goaways.append((int.from_bytes(one[9:13]), int.from_bytes(one[13:17])))
                self.got.problem = json.loads(one[17:] or b"{}")
                continue
            for event in self.conn.receive_data(one):
                self._on(event)

    def _on(self, event: h2.events.Event) -> None:
        got = self.got
        match event:
            case h2.events.InformationalResponseReceived():
                got.words.append(event.stream_id)
            case h2.events.ResponseReceived():
                headers = {str(name): str(value) for name, value in event.headers}
                got.status[event.stream_id] = int(headers[":status"])
                got.headers[event.stream_id] = headers
            case h2.events.DataReceived():
                got.body[event.stream_id] = got.body.get(event.stream_id, b"") + event.data
                self.conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                got.ended.add(event.stream_id)
            case h2.events.StreamReset():
                got.resets[event.stream_id] = int(event.error_code)
            case h2.events.PingAckReceived():
                got.pings += 1


class SocketPeer(Http2Peer):
    """One over a socket; `send` takes bytes of frames beside those of `conn`."""

    def __init__(self, peer: socket.socket, **given: Any) -> None:
        super().__init__(**given)
        self.socket = peer

    def send(self, frames: bytes = b"") -> None:
        self.socket.sendall(self.conn.data_to_send() + frames)

    def until_over(self, *numbers: int, quiet_s: float = 2.0) -> Got:
        """Read until the streams are over, or the connection is, or nothing comes for a while."""
        self.socket.settimeout(quiet_s)
        try:
            while set(numbers) - self.got.ended - set(self.got.resets) or not numbers:
                data = self.socket.recv(65_536)
                if not data:
                    break
                self.read(data)
                if answer := self.conn.data_to_send():
                    self.socket.sendall(answer)
        except (TimeoutError, ConnectionError):
            pass
        return self.got


__all__ = ["PREFACE", "Got", "Http2Peer", "SocketPeer", "frame"]
