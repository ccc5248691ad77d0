"""A record as a plain value: as it was read, and as it is to be written."""

from dataclasses import dataclass

from riskstream.platform.telemetry.context import TraceContext

Place = tuple[str, int]
"""(topic, partition)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it stands in its topic; `appended_at` in ms since 1970 UTC."""

    topic: str
    partition: int
    offset: int
    appended_at: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    trace: TraceContext | None = None
    """In a derived lane: the context of our own span of it, for what comes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One record to write: to the same partition number as its source."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    trace: TraceContext | None = None
    """Of the record it comes of, where that one alone is its cause."""
