"""A connection's bytes to whole frames, bounded before anything parses them, and what they cost.
Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of a client that speaks HTTP/2."""
MAX_FRAME_BYTES = 16_384
"""Payload of a frame, at most: what SETTINGS_MAX_FRAME_SIZE is unless it is raised."""
TINY_BYTES = 64
"""A frame of body under this costs more to read than it carries."""
DATA, HEADERS, RST_STREAM, GOAWAY, CONTINUATION = 0x0, 0x1, 0x3, 0x7, 0x9
_END_STREAM, _END_HEADERS = 0x1, 0x4
_FRAME_HEAD = 9
GOAWAY_BYTES = _FRAME_HEAD + 8
"""A GOAWAY without debug data."""


class FrameTooLarge(Exception):
    """A frame over MAX_FRAME_BYTES: nobody waits for its end."""


class HeadTooLarge(Exception):
    """A request's compressed headers have more bytes than headers may have in full."""


class Flood(Exception):
    """A peer sends too many frames that carry no request, or takes too many requests back."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its type (RFC 9113, section 6), and its bytes with its head."""

    kind: int
    flags: int
    raw: bytes

    @property
    def is_overhead(self) -> bool:
        """Whether it carries next to nothing of a request: a peer may send only so many."""
        if self.kind == DATA:
            is_tiny = len(self.raw) < _FRAME_HEAD + TINY_BYTES
            return is_tiny and not self.flags & _END_STREAM
        return self.kind not in (HEADERS, CONTINUATION, RST_STREAM)


class FrameReader:
    """Cuts bytes into frames; keeps at most one unfinished frame. `max_head_bytes`: of the frames
    of one request's headers.
    """

    def __init__(self, max_head_bytes: int) -> None:
        self._max_head_bytes = max_head_bytes
        self._buffer = bytearray()
        self._head_bytes = 0
        self._is_in_head = False

    @property
    def is_inside(self) -> bool:
        """Whether a frame, or a request's headers, have begun and not ended."""
        return bool(self._buffer) or self._is_in_head

    def frames(self, data: bytes) -> Iterator[Frame]:
        """The whole frames so far; FrameTooLarge and HeadTooLarge, which end the connection."""
        self._buffer += data
        while len(self._buffer) >= _FRAME_HEAD:
            size, kind, flags = int.from_bytes(self._buffer[:3]), self._buffer[3], self._buffer[4]
            if size > MAX_FRAME_BYTES:
                raise FrameTooLarge
            if kind in (HEADERS, CONTINUATION):
                before = self._head_bytes if kind == CONTINUATION else 0
                if before + size > self._max_head_bytes:
                    raise HeadTooLarge
            if len(self._buffer) < _FRAME_HEAD + size:
                return
            raw = bytes(self._buffer[: _FRAME_HEAD + size])
            del self._buffer[: _FRAME_HEAD + size]
            if kind in (HEADERS, CONTINUATION):
                self._head_bytes = before + size
                self._is_in_head = not flags & _END_HEADERS
            yield Frame(kind, flags, raw)


class Budget:
    """What a peer may send for nothing: `burst` at once, then `rate_per_s`. Times in seconds."""

    def __init__(self, burst: int, rate_per_s: float) -> None:
        self._burst, self._rate_per_s = burst, rate_per_s
        self._left, self._at_s = float(burst), 0.0

    def take(self, now_s: float) -> bool:
        """False where nothing is left."""
        if self._left < 1:
            gained = (now_s - self._at_s) * self._rate_per_s
            self._left = min(self._left + gained, self._burst)
            self._at_s = now_s
        if self._left < 1:
            return False
        if self._left == self._burst:
            self._at_s = now_s
        self._left -= 1
        return True

    def give(self, more: int) -> None:
        """So many more, up to `burst`: for work that brings frames with it."""
        self._left = min(self._left + more, float(self._burst))


def goaway(last_stream: int, code: int, debug: bytes = b"") -> bytes:
    """The frame that says which requests are still answered: those up to `last_stream`."""
    size = (8 + len(debug)).to_bytes(3)
    ids = b"\0" * 4 + last_stream.to_bytes(4) + code.to_bytes(4)
    return size + bytes((GOAWAY, 0)) + ids + debug
