"""Traces: contexts as W3C `traceparent`, spans as plain values, and the tracer that keeps them until they are exported.

Only sampled traces exist here: a context that is not sampled is None, and costs nothing. A span is made of a batch's
clock readings once the work is done (ADR 0008 says why not by the SDK).
"""

import random
import re
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from riskstream.telemetry import conventions as names

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
"""Kinds of spans, by OTLP's numbers."""
MAX_LINKS = 128
"""Most links of a span: OpenTelemetry's own limit. What is above is left off the batch's span; each record's has its own."""

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
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
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return Caller(None, False)
    return Caller(TraceContext(trace_id, span_id) if int(flags, 16) & 1 else None, True)


def new_span_id() -> str:
    return f"{_ids.getrandbits(64) or 1:016x}"


def new_trace() -> TraceContext:
    """A root: a new trace and its first span."""
    return TraceContext(f"{_ids.getrandbits(128) or 1:032x}", new_span_id())


@dataclass(slots=True)
class Span:
    """One piece of work that is done; instants in ns since 1970 UTC. `error` is the status' message, empty where all is well."""

    name: str
    kind: int
    context: TraceContext
    parent: TraceContext | None
    start_ns: int
    end_ns: int
    attributes: dict[str, str | int | float]
    links: list[TraceContext] = field(default_factory=list)
    error: str = ""


class Tracer:
    """Samples, and holds what was recorded until the exporter takes it. Any thread may record.

    Where there is nowhere to send spans to, or no room for more, a context is passed on as it came: what comes after us
    still hangs on a span that exists.
    """

    def __init__(self, ratio: float = 0.0, room: int = 0) -> None:
        self._ratio, self._room = ratio, room
        self._spans: deque[Span] = deque()

    @property
    def is_recording(self) -> bool:
        return len(self._spans) < self._room

    def enter(self, caller: Caller) -> TraceContext | None:
        """The context of a request's first span; None where its trace is not sampled, by the caller or by our share."""
        if caller.has_decided:
            return caller.context and self.next(caller.context)
        return new_trace() if self.is_recording and _ids.random() < self._ratio else None

    def next(self, parent: TraceContext) -> TraceContext:
        """A new span's context under `parent`, or `parent` itself where nothing is recorded."""
        return TraceContext(parent.trace_id, new_span_id()) if self.is_recording else parent

    def record(self, *spans: Span) -> None:
        """Keep them; one whose context is its parent's was passed on, and is none."""
        self._spans.extend(span for span in spans if span.context is not span.parent)

    def take(self, most: int) -> list[Span]:
        """The oldest spans, no longer held."""
        out: list[Span] = []
        while self._spans and len(out) < most:
            out.append(self._spans.popleft())
        return out

    def put_back(self, spans: list[Span]) -> None:
        self._spans.extendleft(reversed(spans))

    def __len__(self) -> int:
        return len(self._spans)


NO_TRACER = Tracer()
"""Records nothing, passes contexts on."""
