"""Trace contexts: W3C `traceparent` read and written. Only sampled traces exist here; one that is not is None, and free."""

import random
import re
from typing import NamedTuple

from riskstream.telemetry import conventions as names

_IDS = r"((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})"
_TRACEPARENT = re.compile(rf"00-{_IDS}|(?!00|ff)[0-9a-f]{{2}}-{_IDS}(?:-.*)?")
_LONGEST = 512
_ids = random.Random()  # of its own: who seeds the module's must not repeat our ids


class TraceContext(NamedTuple):
    """A span of a sampled trace: ids as lower-case hex of 32 and 16 digits."""

    trace_id: str
    span_id: str

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"

    def logged(self) -> dict[str, str]:
        """Fields of a log event that belongs to the span."""
        return {names.TRACE_ID: self.trace_id, names.SPAN_ID: self.span_id}


class Caller(NamedTuple):
    """What a `traceparent` said: its context where it is sampled, and whether there was one at all."""

    context: TraceContext | None
    has_decided: bool


def read_traceparent(text: str | bytes | None) -> Caller:
    """The caller's context (W3C Trace Context, section 3.2); what is malformed counts as absent."""
    if not text or len(text) > _LONGEST:
        return Caller(None, False)
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return Caller(None, False)
    trace_id, span_id, flags = found.group(1, 2, 3) if found[1] else found.group(4, 5, 6)
    return Caller(TraceContext(trace_id, span_id) if int(flags, 16) & 1 else None, True)


def new_span_ids(count: int) -> list[str]:
    """So many at once: one draw, cut into pieces."""
    text = f"{_ids.getrandbits(64 * count):0{16 * count}x}"
    return [text[at : at + 16] for at in range(0, 16 * count, 16)]


def new_trace() -> TraceContext:
    """A root: a new trace and its first span."""
    return TraceContext(f"{_ids.getrandbits(128) or 1:032x}", new_span_ids(1)[0])
