"""A span: one piece of work that is done, and its text in OTLP's JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted

from riskstream.platform.telemetry.context import TraceContext
from riskstream.platform.telemetry.conventions import MESSAGING_OFFSET, MESSAGING_PARTITION

SERVER, PRODUCER, CONSUMER = 2, 4, 5
"""Kinds of spans that there are here, by OTLP's numbers."""
MAX_LINKS = 128
"""Most links of a span: OpenTelemetry's own limit. What is above is left off the batch's span; each
record's has its own.
"""


@dataclass(slots=True)
class Span:
    """One piece of work that is done; instants in ns since 1970 UTC. `error` is the status'
    message, empty where all is well.
    """

    name: str
    kind: int
    context: TraceContext
    parent: TraceContext | None
    start_ns: int
    end_ns: int
    attributes: dict[str, str | int | float]
    links: list[TraceContext] = field(default_factory=list)
    error: str = ""


@dataclass(slots=True)
class Hop:
    """A sampled record on its way through a lane: whose span it hangs on, its own span's id, and
    where it stood.

    Without an id of its own it is passed on as it came.
    """

    parent: TraceContext
    span_id: str
    partition: int
    offset: int
    error: str = ""

    @property
    def context(self) -> TraceContext:
        """What comes of the record hangs on this."""
        return TraceContext(f"{self.parent[:36]}{self.span_id}-01") if self.span_id else self.parent


def written(span: Span) -> str:
    """The span as OTLP's JSON: ids as hex, 64-bit numbers as text, enums as numbers.

    Written as text, a fifth of what json.dumps of nested dicts costs: it is paid on the money
    path's processor.
    """
    context, parent = span.context, span.parent
    hangs = f'"parentSpanId":"{parent.span_id}",' if parent is not None else ""
    links = f',"links":[{",".join(map(_link, span.links))}]' if span.links else ""
    return (
        f'{{"traceId":"{context.trace_id}","spanId":"{context.span_id}",{hangs}'
        f'"flags":1,"name":{_quoted(span.name)},"kind":{span.kind},'
        f'"startTimeUnixNano":"{span.start_ns}","endTimeUnixNano":"{span.end_ns}",'
        f'"attributes":{attributes(span.attributes)}{links}{_status(span.error)}}}'
    )


def written_alike(span: Span, hops: Iterable[Hop]) -> list[str]:
    """The texts of spans that differ in a record's own alone: what they share of `span` is written
    once.
    """
    timed = f'"startTimeUnixNano":"{span.start_ns}","endTimeUnixNano":"{span.end_ns}"'
    shared = (
        f'"flags":1,"name":{_quoted(span.name)},"kind":{span.kind},{timed},'
        f'"attributes":[{_listed(span.attributes)}'
    )
    links = f',"links":[{",".join(map(_link, span.links))}]'
    return [
        f'{{"traceId":"{hop.parent[3:35]}","spanId":"{hop.span_id}",'
        f'"parentSpanId":"{hop.parent[36:52]}",{shared},'
        f"{_partition(hop.partition)},{_number(MESSAGING_OFFSET, hop.offset)}]{links}"
        f"{_status(hop.error)}}}"
        for hop in hops
    ]


def _status(error: str) -> str:
    return f',"status":{{"code":2,"message":{_quoted(error)}}}' if error else ""


def _link(context: TraceContext) -> str:
    return f'{{"traceId":"{context.trace_id}","spanId":"{context.span_id}","flags":1}}'


def attributes(given: Mapping[str, str | int | float]) -> str:
    """As a list of OTLP's KeyValue."""
    return f"[{_listed(given)}]"


def _listed(given: Mapping[str, str | int | float]) -> str:
    return ",".join(
        [_text(k, v) if isinstance(v, str) else _number(k, v) for k, v in given.items()]
    )


@lru_cache(maxsize=1024)
def _text(key: str, value: str) -> str:
    """Cached: nearly all texts are names of topics, operations, partitions."""
    return f'{{"key":{_quoted(key)},"value":{{"stringValue":{_quoted(value)}}}}}'


@lru_cache(maxsize=1024)
def _partition(number: int) -> str:
    return _text(MESSAGING_PARTITION, str(number))


def _number(key: str, value: float) -> str:
    shown = f'"doubleValue":{value!r}' if isinstance(value, float) else f'"intValue":"{value}"'
    return f'{{"key":"{key}","value":{{{shown}}}}}'
