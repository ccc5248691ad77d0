"""The tracer: samples, and holds what was recorded until the exporter takes it (ADR 0008 says why
it is not the SDK's).
"""

import random
from collections import deque
from collections.abc import Iterable

from riskstream.platform.telemetry.context import Caller, TraceContext, new_span_ids, new_trace
from riskstream.platform.telemetry.span import Hop, Span, written, written_alike

_chance = random.Random()  # of its own: who seeds the module's must not choose our samples


class Tracer:
    """Samples, and holds what was recorded until the exporter takes it. Any thread may record.

    Where there is nowhere to send spans to, or no room for more, a context is passed on as it came:
    what comes after us still hangs on a span that exists.
    """

    def __init__(self, ratio: float = 0.0, room: int = 0) -> None:
        self._ratio, self._room = ratio, room
        self._spans: deque[str] = deque()

    @property
    def is_recording(self) -> bool:
        return len(self._spans) < self._room

    def enter(self, caller: Caller) -> TraceContext | None:
        """The context of a request's first span; None where its trace is not sampled, by the caller
        or by our share.
        """
        if caller.has_decided:
            return caller.context and self.next(caller.context)
        return new_trace() if self.is_recording and _chance.random() < self._ratio else None

    def next(self, parent: TraceContext) -> TraceContext:
        """A new span's context under `parent`, or `parent` itself where nothing is recorded."""
        return TraceContext.of(parent.trace_id, new_span_ids(1)[0]) if self.is_recording else parent

    def span_ids(self, count: int) -> list[str]:
        """Ids of so many new spans; empty ones where nothing is recorded."""
        return new_span_ids(count) if self.is_recording else [""] * count

    def record(self, span: Span) -> None:
        """Keep it, as text; one whose context is its parent's was passed on, and is none."""
        if span.context is not span.parent:
            self._spans.append(written(span))

    def record_alike(self, span: Span, hops: Iterable[Hop]) -> None:
        """A span for each hop, else as `span` is."""
        self._spans.extend(written_alike(span, hops))

    def take(self, most: int) -> list[str]:
        """The oldest spans, no longer held."""
        out: list[str] = []
        while self._spans and len(out) < most:
            out.append(self._spans.popleft())
        return out

    def put_back(self, spans: list[str]) -> None:
        self._spans.extendleft(reversed(spans))

    def __len__(self) -> int:
        return len(self._spans)


NO_TRACER = Tracer()
"""Records nothing, passes contexts on."""
