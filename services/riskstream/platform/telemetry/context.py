"""Trace contexts: W3C `traceparent` read and written. Only sampled traces exist here; one that is
not is None, and free.
"""

import random
import re
from typing import NamedTuple

from riskstream.platform.telemetry import conventions as names

_IDS, _FLAGS = r"(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}", r"[0-9a-f]{2}"
_TRACEPARENT = re.compile(rf"00-{_IDS}-{_FLAGS}|(?!00|ff)[0-9a-f]{{2}}-{_IDS}-{_FLAGS}(?:-.*)?")
_SAMPLED = re.compile(rf"00-{_IDS}-01".encode())
_LONGEST = 512
_ids = random.Random()  # of its own: who seeds the module's must not repeat our ids


class TraceContext(str):
    """A span of a sampled trace, as its `traceparent`: a text, so that it is carried and written
    without being taken apart.
    """

    __slots__ = ()

    @classmethod
    def of(cls, trace_id: str, span_id: str) -> "TraceContext":
        """From ids as lower-case hex of 32 and 16 digits."""
        return cls(f"00-{trace_id}-{span_id}-01")

    @property
    def trace_id(self) -> str:
        return self[3:35]

    @property
    def span_id(self) -> str:
        return self[36:52]

    def logged(self) -> dict[str, str]:
        """Fields of a log event that belongs to the span."""
        return {names.TRACE_ID: self.trace_id, names.SPAN_ID: self.span_id}


class Caller(NamedTuple):
    """What a `traceparent` said: its context where it is sampled, and whether there was one at
    all.
    """

    context: TraceContext | None
    has_decided: bool


def read_traceparent(text: str | bytes | None) -> Caller:
    """The caller's context (W3C Trace Context, section 3.2); what is malformed counts as absent."""
    if not text or len(text) > _LONGEST:
        return Caller(None, False)
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if _TRACEPARENT.fullmatch(text) is None:
        return Caller(None, False)
    is_sampled = int(text[53:55], 16) & 1
    return Caller(TraceContext.of(text[3:35], text[36:52]) if is_sampled else None, True)


def sampled_context(value: str | bytes | None) -> TraceContext | None:
    """The same of a record's header, where the context alone is asked for; what we write ourselves
    is read fastest.
    """
    if isinstance(value, bytes) and _SAMPLED.fullmatch(value):
        return TraceContext(value, "ascii")
    return read_traceparent(value).context


def new_span_ids(count: int) -> list[str]:
    """So many at once: one draw, cut into pieces."""
    text = f"{_ids.getrandbits(64 * count):0{16 * count}x}"
    return [text[at : at + 16] for at in range(0, 16 * count, 16)]


def new_trace() -> TraceContext:
    """A root: a new trace and its first span."""
    return TraceContext.of(f"{_ids.getrandbits(128) or 1:032x}", new_span_ids(1)[0])
