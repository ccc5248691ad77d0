"""A call as a request, and many transactions as bodies. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypedDict

from riskstream.domain.contracts.records import Label, Transaction

MAX_ITEMS, MAX_BYTES = 10_000, 8_388_608
"""Most of one body that a gateway takes, unless its settings say otherwise."""
Record = Transaction | Label | Mapping[str, object]


class Options(TypedDict, total=False):
    """Of every call. `timeout_s` is for all of it, retries and pauses included. `request_id` and
    `traceparent` are sent as headers; so is `idempotency_key`, which is made up where it is not
    given.
    """

    timeout_s: float
    request_id: str
    traceparent: str
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent. `deadline_ms`: that of a decision, 0 of all others."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    deadline_ms: int = 0
    timeout_s: float


def headers_of(options: Options, key: str = "") -> tuple[tuple[str, str], ...]:
    """The headers that options mean. `key`: the Idempotency-Key where none is given."""
    named = {
        "X-Request-Id": options.get("request_id", ""),
        "traceparent": options.get("traceparent", ""),
        "Idempotency-Key": options.get("idempotency_key", key),
    }
    return tuple((name, value) for name, value in named.items() if value)


def body_of(record: Record) -> bytes:
    """A record as JSON; what is None is left out. TypeError where JSON cannot carry it."""
    values = record if isinstance(record, Mapping) else asdict(record)
    kept = {name: value for name, value in values.items() if value is not None}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode()


def bodies_of(
    records: Sequence[Record], most_items: int, most_bytes: int
) -> Iterator[tuple[int, int, bytes]]:
    """(first, end, body) of each part: so many items and bytes at most. A record that is larger
    than that alone is a part of its own, and the gateway says what is wrong with it.
    """
    first, parts, size = 0, list[bytes](), 2
    for at, record in enumerate(records):
        part = body_of(record)
        if parts and (len(parts) >= most_items or size + len(part) + 1 > most_bytes):
            yield first, at, b"[" + b",".join(parts) + b"]"
            first, parts, size = at, [], 2
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield first, len(records), b"[" + b",".join(parts) + b"]"


def name_of(record: Record) -> str:
    """Its transaction's id, "" where it has none."""
    if isinstance(record, Mapping):
        return str(record.get("transaction_id", ""))
    return record.transaction_id
