"""The spans of one request whose trace is sampled: the request's own, its record's sending, its
score's arrival.
"""

import time
from dataclasses import dataclass
from typing import Any

from riskstream.platform.telemetry import conventions as names
from riskstream.platform.telemetry.context import TraceContext, read_traceparent
from riskstream.platform.telemetry.span import CONSUMER, PRODUCER, SERVER, Span
from riskstream.platform.telemetry.tracing import Tracer


@dataclass(slots=True)
class RequestTrace:
    """`context` is the request's own span's, or the caller's where nothing is recorded."""

    tracer: Tracer
    path: str
    parent: TraceContext | None
    context: TraceContext
    started_ns: int

    @classmethod
    def begin(cls, tracer: Tracer, path: str, traceparent: str | None) -> "RequestTrace | None":
        """None where the trace is not sampled: by the caller, else by our own share."""
        caller = read_traceparent(traceparent)
        context = tracer.enter(caller)
        return (
            None if context is None else cls(tracer, path, caller.context, context, time.time_ns())
        )

    def sending(self) -> TraceContext:
        """The context that a record is to carry."""
        return self.tracer.next(self.context)

    def sent(
        self, topic: str, context: TraceContext, started_ns: int, place: tuple[int, int] | None
    ) -> None:
        """The broker has the record of `context` at (partition, offset); None where it did not say
        so in time.
        """
        where: dict[str, str | int | float] = {}
        if place is not None:
            where = {names.MESSAGING_PARTITION: str(place[0]), names.MESSAGING_OFFSET: place[1]}
        span = Span(
            f"send {topic}",
            PRODUCER,
            context,
            self.context,
            started_ns,
            time.time_ns(),
            {**_messaging("send", topic), **where},
            error="" if place else "no acknowledgement",
        )
        self.tracer.record(span)

    def scored(self, score: dict[str, Any]) -> None:
        """The score is here. One that another request's record got (the same id sent twice) is
        linked, not hung on.
        """
        found: TraceContext | None = score["trace"]
        if found is None:
            return
        is_ours = found.trace_id == self.context.trace_id
        parent = found if is_ours else self.context
        where = {names.MESSAGING_PARTITION: str(score["partition"])}
        span = Span(
            "receive scores.v1",
            CONSUMER,
            self.tracer.next(parent),
            parent,
            score["read_at_ns"],
            time.time_ns(),
            {**_messaging("receive", "scores.v1"), **where},
            links=[] if is_ours else [found],
        )
        self.tracer.record(span)

    def end(self, status: int) -> None:
        span = Span(
            f"POST {self.path}",
            SERVER,
            self.context,
            self.parent,
            self.started_ns,
            time.time_ns(),
            {names.HTTP_METHOD: "POST", names.HTTP_ROUTE: self.path, names.HTTP_STATUS: status},
            error=f"status {status}" if status >= 500 else "",
        )
        self.tracer.record(span)


def _messaging(operation: str, topic: str) -> dict[str, str | int | float]:
    return {
        names.MESSAGING_SYSTEM: "kafka",
        names.MESSAGING_OPERATION_TYPE: operation,
        names.MESSAGING_DESTINATION: topic,
    }
